/**
 * The canonical record of a study: identities, configurations, curves, decisions, result; no times, hosts or
 * attempts. Two runs of one study and seed give the same bytes (`canonicalJson`), whatever was killed.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { cut, type Curve, type Numbers } from './curve.js';
import type { Ended } from './engine/work.js';
import type { Config, Study } from './study.js';
import type { PredictionAnswer } from './predictors/request.js';
import type { Fate, NonFinite } from './trial.js';

/** Where a trial went on from another trial's checkpoint with another configuration. */
export interface ExploitRecord {
  /** Trained before, by the trial itself; the configuration is that of the epochs after. */
  readonly epoch: number;
  /** Id of the trial whose checkpoint it was. */
  readonly donor: string;
  /** What the donor itself had trained by then, where that is not `epoch`. */
  readonly donorEpoch?: number;
  readonly config: Config;
}

/** Epochs `from + 1` ... `to` of a schedule, counted as a trainer counts what a checkpoint holds. */
export interface ScheduleStep {
  readonly from: number;
  readonly to: number;
  readonly config: Config;
}

/** Its curve is always what the trial itself trained: epochs before an exploit are its own too, and not its donor's. */
export interface TrialRecord extends Curve {
  readonly id: string;
  readonly bracket: string;
  readonly index: number;
  /** As it was drawn. */
  readonly config: Config;
  readonly seed: number;
  readonly fate: Fate;
  /** Epoch that gave a non-finite value, which counts as trained; only for `diverged`. */
  readonly divergedAt?: number;
  readonly nonFinite?: NonFinite;
  /** Why it failed for good; only for `failed`. */
  readonly reason?: string;
  /** Every time it went on from another trial's checkpoint, in order; absent: never. */
  readonly lineage?: readonly ExploitRecord[];
}

/** One trial asked about at a decision point. */
export interface PredictionRecord {
  readonly trial: string;
  /** Epoch of the question where a round has many; the last question of a trial counts. */
  readonly epoch?: number;
  /** The metric predicted for the rung; null where no predictor gave one. */
  readonly predicted: number | null;
  /** The metric it had to beat, where every trial has its own. */
  readonly threshold?: number;
  readonly goesOn: boolean;
}

/** What the pruner saw and decided in one round. */
export interface DecisionRecord {
  /** p: the epoch at which trials are asked about; null: every epoch of the round (Fast-Hyperband). */
  readonly epoch: number | null;
  /** Trials sent on to the rung unasked, by id. */
  readonly sentOn: readonly string[];
  readonly predictions: readonly PredictionRecord[];
  /** The metric a prediction has to beat, the last one where it moves; null when nothing was complete. */
  readonly threshold: number | null;
  /** Curves the predictor was trained on, most where there are many predictors; 0 when there was none. */
  readonly trainedOn: number;
  /** Predictors trained in this round; one kept from an earlier bracket does not count again. */
  readonly predictorsTrained: number;
  /** Why another predictor than the one asked answered. */
  readonly fallback?: string;
  /** Why there was no prediction; then every waiting trial went on. */
  readonly error?: string;
}

export interface RoundRecord {
  readonly bracket: string;
  readonly index: number;
  /** Budget the trials came with and the rung r_i they train to. */
  readonly from: number;
  readonly to: number;
  /** Trials that entered, by id, in trial order. */
  readonly trials: readonly string[];
  /** Ranked best first with the metric at the rung; only those that have one. */
  readonly ranking: readonly { readonly trial: string; readonly value: number }[];
  readonly promoted: readonly string[];
  readonly decision: DecisionRecord | null;
  /** What the predictor answered, by group and in order; only where somebody else's worker did. */
  readonly answers?: Readonly<Record<string, readonly PredictionAnswer[]>>;
  /** Epochs this round trained. */
  readonly epochs: number;
}

export interface BracketRecord {
  readonly id: string;
  readonly iteration: number;
  readonly s: number;
  readonly rounds: readonly RoundRecord[];
}

export interface StudyResult {
  /** `open`: it has not come to its end, and the rest is of what has closed so far. Else what ended it. */
  readonly ended: Ended | 'open';
  readonly best: {
    readonly trial: string;
    /** The last one of its schedule where it has one. */
    readonly config: Config;
    /**
     * What came to this result where it is more than one configuration: epochs before the trial went on from another
     * trial's checkpoint were trained by that other trial.
     */
    readonly schedule?: readonly ScheduleStep[];
    /** The metric at `budget`. */
    readonly value: number;
    /** The further metrics that the study names, there; absent: it names none. */
    readonly metrics?: Numbers;
    /** R, or the largest budget reached when none reached R. */
    readonly budget: number;
    readonly reachedMaxBudget: boolean;
  } | null;
  readonly trials: number;
  /** Epochs trained, each once. */
  readonly epochs: number;
  /** Epochs the same plan costs without a pruner and without divergence. */
  readonly plannedEpochs: number;
  readonly fates: Readonly<Record<Fate, number>>;
  /** Predictors trained for decisions. */
  readonly predictorsTrained: number;
  /** Draws thrown away because an earlier trial has the same configuration. */
  readonly duplicatesAvoided: number;
  /** Trials that repeat an earlier configuration because the space has no unused one left. */
  readonly duplicatesKept: number;
}

/** A link of the chain: the SHA-256 digest of the link before and of what this link is named after. */
export interface Digest {
  /** A round (`b4-r2`), a block of the log (`log 1000`), or `record`: everything. */
  readonly of: string;
  readonly sha256: string;
}

/** The format that this version writes and reads. */
export const recordFormat = 'everband-record/2';

export interface StudyRecord extends Pick<
  Study,
  'seed' | 'objective' | 'space' | 'sampler' | 'scheduler' | 'pruner' | 'limits' | 'tryFirst'
> {
  readonly format: typeof recordFormat;
  readonly study: string;
  readonly brackets: readonly BracketRecord[];
  readonly trials: readonly TrialRecord[];
  /** Everything that decided, in order (core/engine/log.ts): the study is a fold over it. */
  readonly log: readonly string[];
  readonly result: StudyResult;
  /** The chain of digests; the last one is of everything else in the record. */
  readonly digests: readonly Digest[];
}

/** JSON with sorted keys and a newline at the end: the form that is compared byte for byte. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, sortKeys, 1) + '\n';
}

function sortKeys(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** Lines of the log that one link of the chain covers. */
const logBlock = 1000;

/** SHA-256 of a text, in hexadecimal digits. */
export function digestOf(text: string): string {
  return bytesToHex(sha256(new TextEncoder().encode(text)));
}

/** The chain of digests of a record, round by round, then the log, then everything. */
export function digestsOf(record: Omit<StudyRecord, 'digests'>): Digest[] {
  const digests: Digest[] = [];
  let last = '';
  const link = (of: string, content: unknown) => {
    last = digestOf(`${last}\n${of}\n${canonicalJson(content)}`);
    digests.push({ of, sha256: last });
  };
  const trials = new Map(record.trials.map((trial) => [trial.id, trial]));
  const curveIn = (trial: TrialRecord | undefined, from: number, to: number) => {
    if (!trial) return [];
    const own = cut(trial, from, to);
    return own.metrics ? own : own.values;
  };
  for (const { id, rounds } of record.brackets) {
    for (const round of rounds) {
      const curves = round.trials.map((trial) => curveIn(trials.get(trial), round.from, round.to));
      link(`${id}-r${round.index}`, { round, curves });
    }
  }
  for (let first = 0; first < record.log.length; first += logBlock) {
    link(`log ${first}`, record.log.slice(first, first + logBlock));
  }
  link('record', Object.fromEntries(Object.entries(record).filter(([key]) => key !== 'digests')));
  return digests;
}
