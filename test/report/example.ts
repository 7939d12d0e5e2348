/** Studies to draw: curves that fall like real ones, every fate among them, from a fixed seed. */
import { stream } from '../../core/rng.js';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import type { SegmentOutcome, Trial } from '../../core/trial.js';
import type { ReadEpochs } from '../../report/reported.js';
import { reference, studyOf } from '../harness.js';

/** How the trial's training goes: its learning rate decides how fast, its dropout how far. */
function train(trial: Trial, from: number, to: number, maximise: boolean): SegmentOutcome {
  const rate = Math.log10(Number(trial.config['lr']));
  const floor = 0.02 + 0.09 * Math.abs(rate + 2.4) ** 1.5 + 0.3 * Number(trial.config['dropout']) ** 2;
  const speed = 0.6 + 0.35 * (rate + 3);
  const values: number[] = [];
  for (let epoch = from + 1; epoch <= to; epoch++) {
    if (rate > -0.65 && epoch > 1 + (trial.seed % 4)) return { outcome: 'diverged', values, nonFinite: 'nan' };
    if (trial.index % 29 === 9 && epoch > 2)
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
    pruner: { type: 'swift', minCurves: 5 },
    trainer: { type: 'activity', taskQueue: 'gpu' },
    ...changes,
  });
  return reference(study, (trial, from, to) => train(trial, from, to, study.objective.mode === 'maximise'));
}

/** A population whose trials went on from each other's checkpoints, as it is read from its file. */
export async function populationRecord(): Promise<StudyRecord> {
  const scheduler = { type: 'populationBased', trials: 6, R: 8, interval: 2 };
  const space = { lr: { float: [0.001, 0.1], log: true }, dropout: { float: [0, 0.6] } };
  const record = await exampleRecord({ name: 'population', seed: 2, space, scheduler, pruner: 'none' });
  return JSON.parse(canonicalJson(record)) as StudyRecord;
}

/** What the workers of the example kept: of every epoch that trained, the one that diverged included. */
export function exampleEpochs(record: StudyRecord): ReadEpochs {
  const trials = new Map(record.trials.map((trial) => [trial.id, trial]));
  return (id) => {
    const trial = trials.get(id);
    if (!trial) return [];
    return Array.from({ length: trial.divergedAt ?? trial.values.length }, (_, i) => ({
      ...{ epoch: i + 1, seconds: 40 + i / 4, host: i < 2 ? 'gpu-1' : 'gpu-2', attempt: i < 2 ? 1 : 2 },
      values: { gradientNorm: i + 1 === trial.divergedAt ? null : 2 ** -i, accuracy: 0.5 + i / 1000 },
    }));
  };
}

/** Records that this version does not read: of the format before, and of none. */
export function otherFormats(record: StudyRecord): StudyRecord[] {
  return ['everband-record/1', undefined].map((format) => ({ ...record, format }) as unknown as StudyRecord);
}
