/** A trial's way through a group. */
import { cut, GrowingCurve, numbersAt, type Curve } from '../curve.js';
import type { Result } from '../objectives/definition.js';
import type { ObjectiveMode } from '../objectives/index.js';
import type { NonFinite, SegmentOutcome } from '../trial.js';
import type { GroupEnd } from './work.js';

/** What a group made of one trial, with the curve of this group's epochs; a non-finite value is not in it. */
export interface Outcome extends Curve {
  readonly id: string;
  readonly index: number;
  readonly end: GroupEnd;
  /** How the value after the last of `values` looked; only for `diverged`. */
  readonly nonFinite?: NonFinite;
  /** Why it failed for good; only for `failed`. */
  readonly reason?: string;
}

/** Epochs that an outcome took, the diverging one included. */
export function epochsOf({ values, end }: Pick<Outcome, 'values' | 'end'>): number {
  return values.length + (end === 'diverged' ? 1 : 0);
}

export class TrialRun {
  private readonly curve = new GrowingCurve();
  /** Losses of this group's epochs. */
  readonly losses: number[] = [];
  /** `rung` as long as it is in the race. */
  end: GroupEnd = 'rung';
  private nonFinite: NonFinite | undefined;
  private reason: string | undefined;

  constructor(
    readonly id: string,
    readonly index: number,
    private readonly mode: ObjectiveMode
  ) {}

  /** Takes in what training came to. Here a loss is made of each value that a trial reports: nothing below knows the sign of a metric. */
  absorb(outcome: SegmentOutcome): void {
    this.curve.add(outcome);
    for (const value of outcome.values) this.losses.push(this.mode.loss(value));
    if (outcome.outcome === 'completed') return;
    this.end = outcome.outcome;
    if (outcome.outcome === 'diverged') this.nonFinite = outcome.nonFinite;
    if (outcome.outcome === 'failed') this.reason = outcome.reason;
  }

  /** Loss at the last known epoch. @throws RangeError without one */
  loss(): number {
    const last = this.losses.at(-1);
    if (last === undefined) throw new RangeError(`trial ${this.id} has no value in this round`);
    return last;
  }

  /** What it came to at the last known epoch. @throws RangeError without one */
  result(): Result {
    const metrics = numbersAt(this.curve, this.losses.length - 1);
    return { loss: this.loss(), ...(metrics ? { metrics } : {}) };
  }

  outcome(): Outcome {
    const { id, index, end } = this;
    return {
      ...{ id, index, end, ...cut(this.curve, 0) },
      ...(this.nonFinite === undefined ? {} : { nonFinite: this.nonFinite }),
      ...(this.reason === undefined ? {} : { reason: this.reason }),
    };
  }
}
