/** What every view of a record asks of its trials. */
import type { ExploitRecord, StudyRecord, TrialRecord } from '../core/record.js';
import type { Config, Json } from '../core/study.js';
import type { Fate } from '../core/trial.js';

/** In the order in which they are listed; drawn the other way round, so that the completed lie on top. */
export const fates: readonly Fate[] = ['completed', 'outranked', 'stopped', 'diverged', 'failed', 'unfinished'];

/** A trial, or a stretch of one: an exploit, a step of a schedule. */
interface Configured {
  readonly config: Config;
}

/** Names of all parameters, in the order in which the configurations first have them. */
export function paramNames(all: readonly Configured[]): string[] {
  return [...new Set(all.flatMap(({ config }) => Object.keys(config)))];
}

/** Its own value of a parameter; undefined where the parameter's condition does not hold. */
export function paramOf({ config }: Configured, name: string): Json | undefined {
  return Object.hasOwn(config, name) ? config[name] : undefined;
}

/** An exploit with the trial that went on from another one's checkpoint. */
export interface Exploit extends ExploitRecord {
  readonly trial: string;
}

/** Every exploit of a study, trial by trial; none unless it was population-based. */
export function exploitsOf(record: StudyRecord): Exploit[] {
  return record.trials.flatMap(({ id, lineage = [] }) => lineage.map((exploit) => ({ trial: id, ...exploit })));
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
