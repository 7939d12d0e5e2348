/** What trainers reported beside the objective, as views of a study show it: the record has none of it. */
import type { TrialRecord } from '../core/record.js';
import { epochsOf } from './trials.js';

/** An epoch as the worker that trained it kept it. */
export interface ReportedEpoch {
  readonly epoch: number;
  readonly seconds: number;
  readonly host: string;
  readonly attempt: number;
  /** By name; null for one that was not finite. */
  readonly values: Readonly<Record<string, number | null>>;
}

/** Gives a trial's epochs in order, by its id; none where nothing was kept, as of a recorded table. */
export type ReadEpochs = (trial: string) => readonly ReportedEpoch[];

/** What all of a trial's epochs come to. */
export interface Reported {
  /** Of all its epochs, each once. */
  readonly seconds: number;
  /** Epochs that these seconds are of. */
  readonly epochs: number;
  /** Of the last epoch that was kept. */
  readonly host: string;
  /** The numbers of the trial's last epoch; none where that epoch was not kept. */
  readonly values: ReportedEpoch['values'];
}

/** The epochs that the record has of a trial: it may have trained on meanwhile. */
export function reportedEpochs({ id }: Pick<TrialRecord, 'id'>, epochs: number, read: ReadEpochs): ReportedEpoch[] {
  return read(id).filter(({ epoch }) => epoch <= epochs);
}

/** Null where nothing was kept of a trial that has trained `epochs` epochs. */
export function reportedOf(trial: Pick<TrialRecord, 'id'>, epochs: number, read: ReadEpochs): Reported | null {
  const kept = reportedEpochs(trial, epochs, read);
  const last = kept.at(-1);
  if (!last) return null;
  return {
    seconds: kept.reduce((sum, { seconds }) => sum + seconds, 0),
    epochs: kept.length,
    host: last.host,
    values: last.epoch === epochs ? last.values : {},
  };
}

/** What was reported of every trial that something was kept of, by id. */
export function reportedByTrial(trials: readonly TrialRecord[], read: ReadEpochs): ReadonlyMap<string, Reported> {
  return new Map(
    trials.flatMap((trial) => {
      const reported = reportedOf(trial, epochsOf(trial), read);
      return reported ? [[trial.id, reported] as const] : [];
    })
  );
}

/** Every name that occurs, in alphabetical order (code units). */
export function reportedNames(all: Iterable<Pick<ReportedEpoch, 'values'>>): string[] {
  const names = new Set<string>();
  for (const { values } of all) for (const name of Object.keys(values)) names.add(name);
  return [...names].sort();
}

/** Undefined where it was not reported. */
export function numberOf(
  reported: Pick<ReportedEpoch, 'values'> | null | undefined,
  name: string
): number | null | undefined {
  return reported && Object.hasOwn(reported.values, name) ? reported.values[name] : undefined;
}
