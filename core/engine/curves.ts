/** The losses of trials, for questions that name trials. */
import type { ObjectiveMode } from '../objectives/index.js';
import type { PredictionRequest, TrainingSet } from '../predictors/request.js';
import type { PredictTask } from './work.js';

export class Curves {
  private readonly losses = new Map<string, number[]>();
  /** A predictor recognises a training set it knows by identity (predictors/predict.ts). */
  private readonly sets = new Map<string, { readonly key: string; readonly set: TrainingSet }>();

  constructor(private readonly mode: Pick<ObjectiveMode, 'loss'>) {}

  /**
   * Adds the metric of a trial's epochs from `from + 1`; what was known of them before is forgotten.
   * @throws RangeError where an epoch before them is not known
   */
  add(trial: string, from: number, values: readonly number[]): void {
    const known = this.losses.get(trial) ?? [];
    if (known.length < from) throw new RangeError(`trial ${trial} has ${known.length} losses, not ${from}`);
    known.length = Math.min(known.length, from);
    for (const value of values) known.push(this.mode.loss(value));
    this.losses.set(trial, known);
  }

  has(trial: string, epochs: number): boolean {
    return (this.losses.get(trial)?.length ?? 0) >= epochs;
  }

  /** @throws RangeError for a trial that has not come so far */
  request({
    predictor,
    seed,
    rung,
    epochs,
    training,
    candidates,
    uncertainty,
    ...more
  }: PredictTask): PredictionRequest {
    const { solved, qpuSecondsUsed } = more;
    return {
      predictor,
      seed,
      epochs,
      training: this.trainingSet(rung, epochs, training),
      candidates: candidates.map((trial) => this.first(trial, epochs)),
      ...(solved ? { solved } : {}),
      ...(qpuSecondsUsed === undefined ? {} : { qpuSecondsUsed }),
      ...(uncertainty ? { uncertainty } : {}),
    };
  }

  private trainingSet(rung: number, epochs: number, trials: readonly string[]): TrainingSet {
    const name = `${rung} ${epochs}`;
    const key = trials.join(' ');
    const known = this.sets.get(name);
    if (known?.key === key) return known.set;
    const set: TrainingSet = {
      curves: trials.map((trial) => this.first(trial, epochs)),
      targets: trials.map((trial) => this.first(trial, rung).at(-1) as number),
    };
    this.sets.set(name, { key, set });
    return set;
  }

  private first(trial: string, epochs: number): number[] {
    const losses = this.losses.get(trial) ?? [];
    if (losses.length < epochs) throw new RangeError(`trial ${trial} has ${losses.length} losses, not ${epochs}`);
    return losses.slice(0, epochs);
  }
}
