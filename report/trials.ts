/** What every view of a record asks of its trials. */
import type { StudyRecord, TrialRecord } from '../core/record.js';
import type { Json } from '../core/study.js';
import type { Fate } from '../core/trial.js';

/** In the order in which they are listed; drawn the other way round, so that the completed lie on top. */
export const fates: readonly Fate[] = ['completed', 'outranked', 'stopped', 'diverged', 'failed', 'unfinished'];

/** Names of all parameters, in the order in which trials first have them. */
export function paramNames(record: StudyRecord): string[] {
  return [...new Set(record.trials.flatMap((trial) => Object.keys(trial.config)))];
}

/** A trial's own value of a parameter; undefined where its condition does not hold. */
export function paramOf(trial: TrialRecord, name: string): Json | undefined {
  return Object.hasOwn(trial.config, name) ? trial.config[name] : undefined;
}

/** Epochs it trained: the one that diverged counts. */
export function epochsOf(trial: TrialRecord): number {
  return trial.divergedAt ?? trial.values.length;
}

/** Why it ended where it ended, when there is more to say than its fate. */
export function noteOf(trial: TrialRecord): string {
  if (trial.fate === 'diverged') return `${trial.nonFinite ?? 'not finite'} at epoch ${epochsOf(trial)}`;
  return trial.reason ?? '';
}
