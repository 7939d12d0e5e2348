/** Studies to draw: curves that fall like real ones, every fate among them, from a fixed seed. */
import { stream } from '../../core/rng.js';
import type { StudyRecord } from '../../core/record.js';
import type { SegmentOutcome, Trial } from '../../core/trial.js';
import { reference, studyOf } from '../harness.js';

/** How the trial's training goes: its learning rate decides how fast, its dropout how far. */
function train(trial: Trial, from: number, to: number, maximise: boolean): SegmentOutcome {
  const rate = Math.log10(Number(trial.config['lr']));
  const floor = 0.02 + 0.09 * Math.abs(rate + 2.4) ** 1.5 + 0.3 * Number(trial.config['dropout']) ** 2;
  const speed = 0.6 + 0.35 * (rate + 3);
  const values: number[] = [];
  for (let epoch = from + 1; epoch <= to; epoch++) {
    if (rate > -0.65 && epoch > 1 + (trial.seed % 4)) return { outcome: 'diverged', values, nonFinite: 'nan' };
    if (trial.index % 29 === 11 && epoch > 2)
      return { outcome: 'failed', values, reason: 'CUDA <out of memory> & "more"' };
    const noise = 1 + 0.06 * (stream(trial.seed, 'noise', epoch).uniform() - 0.5);
    const loss = (floor + 2.2 * epoch ** -Math.max(speed, 0.15)) * noise;
    values.push(maximise ? 1 / (1 + loss) : loss);
  }
  return { outcome: 'completed', values };
}

/** A Swift-Hyperband study; `changes` go over its study file. */
export function exampleRecord(changes: Record<string, unknown> = {}): Promise<StudyRecord> {
  const study = studyOf({
    name: 'digits-cnn',
    seed: 7,
    objective: { metric: 'val_loss' },
    space: {
      lr: { float: [0.0001, 0.5], log: true },
      batchSize: { choice: [32, 64, 128] },
      optimizer: { choice: ['adam', 'sgd'] },
      momentum: { float: [0.5, 0.99], when: { parameter: 'optimizer', in: ['sgd'] } },
      dropout: { float: [0, 0.6] },
    },
    scheduler: { type: 'hyperband', R: 27, eta: 3 },
    predictor: { type: 'swift', minCurves: 5 },
    trainer: { type: 'activity', taskQueue: 'gpu' },
    ...changes,
  });
  return reference(study, (trial, from, to) => train(trial, from, to, study.objective.mode === 'maximise'));
}
