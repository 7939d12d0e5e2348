/**
 * The canonical record of a study: identities, configurations, curves, decisions, result; no times, hosts or
 * attempts. Two runs of one study and seed give the same bytes (`canonicalJson`), whatever was killed.
 */
import type { Config, Objective, Predictor, Sampler, Scheduler } from './study.js';
import type { Fate, NonFinite } from './trial.js';

export interface TrialRecord {
  readonly id: string;
  readonly bracket: string;
  readonly index: number;
  readonly config: Config;
  readonly seed: number;
  /** The metric after each finished epoch, exact; `values[e - 1]` is epoch e. A non-finite value is not in it. */
  readonly values: readonly number[];
  readonly fate: Fate;
  /** Epoch that gave a non-finite value, which counts as trained; only for `diverged`. */
  readonly divergedAt?: number;
  readonly nonFinite?: NonFinite;
  /** Why it failed for good; only for `failed`. */
  readonly reason?: string;
}

/** One trial asked about at a decision point. */
export interface PredictionRecord {
  readonly trial: string;
  /** Epoch of the question where a round has many; the last question of a trial counts. */
  readonly epoch?: number;
  /** The metric predicted for the rung; null where no model gave one. */
  readonly predicted: number | null;
  /** The metric it had to beat, where every trial has its own. */
  readonly threshold?: number;
  readonly goesOn: boolean;
}

/** What a stopping rule saw and decided in one round. */
export interface DecisionRecord {
  /** p: the epoch at which trials are asked about; null: every epoch of the round (Fast-Hyperband). */
  readonly epoch: number | null;
  /** Trials sent on to the rung unasked, by id. */
  readonly sentOn: readonly string[];
  readonly predictions: readonly PredictionRecord[];
  /** The metric a prediction has to beat, the last one where it moves; null when nothing was complete. */
  readonly threshold: number | null;
  /** Curves the model was trained on, most where there are many models; 0 when there was none. */
  readonly trainedOn: number;
  /** Models trained in this round; one kept from an earlier bracket does not count again. */
  readonly modelsTrained: number;
  /** Why another model than the one asked answered. */
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
  /** Epochs this round trained. */
  readonly epochs: number;
}

export interface BracketRecord {
  readonly id: string;
  readonly iteration: number;
  readonly s: number;
  readonly rounds: readonly RoundRecord[];
  /** Asynchronous schedulers: everything that decided, in the order it happened (core/run-asha.ts). */
  readonly order?: readonly string[];
}

export interface StudyResult {
  /** `finished`: the plan ran to its end. The others: what ended it early. */
  readonly ended: 'finished' | 'epochLimit' | 'target' | 'deadline' | 'stopped';
  readonly best: {
    readonly trial: string;
    readonly config: Config;
    /** The metric at `budget`. */
    readonly value: number;
    /** R, or the largest budget reached when none reached R. */
    readonly budget: number;
    readonly reachedMaxBudget: boolean;
  } | null;
  readonly trials: number;
  /** Epochs trained, each once. */
  readonly epochs: number;
  /** Epochs the same plan costs without a predictor and without divergence. */
  readonly plannedEpochs: number;
  readonly fates: Readonly<Record<Fate, number>>;
  /** Models trained for decisions. */
  readonly modelsTrained: number;
  /** Draws thrown away because an earlier trial has the same configuration. */
  readonly duplicatesAvoided: number;
  /** Trials that repeat an earlier configuration because the space has no unused one left. */
  readonly duplicatesKept: number;
}

export interface StudyRecord {
  readonly format: 'everband-record/1';
  readonly study: string;
  readonly seed: number;
  readonly objective: Objective;
  readonly sampler: Sampler;
  readonly scheduler: Scheduler;
  readonly predictor: Predictor;
  readonly brackets: readonly BracketRecord[];
  readonly trials: readonly TrialRecord[];
  readonly result: StudyResult;
}

/** JSON with sorted keys and a newline at the end: the form that is compared byte for byte. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, sortKeys, 1) + '\n';
}

function sortKeys(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
