/**
 * What goes over the wire between client, workflows and activities: names, ids, inputs, updates, queries.
 * Plain JSON only: no NaN, Map or Date (Temporal's JSON turns them into something else).
 */
import type { Study } from '../core/study.js';
import type { SegmentOutcome, Trial, Fate } from '../core/trial.js';
import type { StudyResult } from '../core/record.js';

/** Task queues, one per role. */
export const taskQueues = {
  orchestrate: 'everband-orchestrate',
  train: 'everband-train',
  predict: 'everband-predict',
} as const;

/** Workflow types as registered. */
export const workflowTypes = {
  study: 'everbandStudy',
  bracket: 'everbandBracket',
  asha: 'everbandAsha',
  round: 'everbandRound',
  shard: 'everbandShard',
} as const;

/** Workflow ids: `everband/<study>`, `.../b4`, `.../b4/r2`, `.../b4/r2/s0`. */
export const workflowIds = {
  study: (study: string) => `everband/${study}`,
  bracket: (study: string, bracket: string) => `everband/${study}/${bracket}`,
  round: (study: string, bracket: string, round: number) => `everband/${study}/${bracket}/r${round}`,
  shard: (study: string, bracket: string, round: number, shard: string) =>
    `everband/${study}/${bracket}/r${round}/${shard}`,
} as const;

/** Search attributes and their types; the embedded server registers them. */
export const searchAttributes = {
  EverbandStudy: 'KEYWORD',
  EverbandPhase: 'KEYWORD',
  EverbandPredictor: 'KEYWORD',
  EverbandBracket: 'INT',
  EverbandRound: 'INT',
  EverbandBest: 'DOUBLE',
} as const;

/** Names of updates. Study: pause, resume, stop, setParallelism. The workflow that trains a trial: retryTrial, dropTrial. */
export const updateNames = {
  pause: 'pause',
  resume: 'resume',
  stop: 'stop',
  setParallelism: 'setParallelism',
  retryTrial: 'retryTrial',
  dropTrial: 'dropTrial',
} as const;
export interface SetParallelism {
  readonly parallelism: number;
}
/** `trial` is a trial id; `resetCheckpoint` trains it again from the start. */
export interface RetryTrial {
  readonly trial: string;
  readonly resetCheckpoint?: boolean;
}
export interface DropTrial {
  readonly trial: string;
}

/** Names of queries: study and bracket `status`; bracket `trials` and `trial`; round, shard and ASHA's bracket `progress`. */
export const queryNames = { status: 'status', trials: 'trials', trial: 'trial', progress: 'progress' } as const;

export type StudyPhase = 'preparing' | 'running' | 'paused' | 'stopping' | 'done';

/** Answer of the study's `status`. */
export interface StudyStatus {
  readonly study: Study | null;
  readonly phase: StudyPhase;
  /** Epochs and trials of the closed rounds. */
  readonly epochs: number;
  readonly plannedEpochs: number;
  readonly plannedTrials: number;
  readonly best: { readonly trial: string; readonly value: number; readonly budget: number } | null;
  readonly brackets: readonly BracketStatus[];
  readonly parallelism: number;
  readonly result: StudyResult | null;
}
export interface BracketStatus {
  readonly id: string;
  readonly state: 'waiting' | 'running' | 'done';
  /** ASHA: all rungs at once, trained by the bracket's own workflow. */
  readonly asynchronous: boolean;
  /** One per round of the plan. */
  readonly rounds: readonly RoundStatus[];
}
export interface RoundStatus {
  readonly index: number;
  readonly from: number;
  readonly to: number;
  readonly planned: number;
  readonly state: 'waiting' | 'running' | 'done';
  readonly entered: number;
  readonly stopped: number;
  readonly diverged: number;
  readonly failed: number;
  readonly promoted: number;
  readonly epochs: number;
  readonly best: number | null;
}

/** Answer of a round's or shard's `progress`: what is going on right now. A sharded round names its shards. */
export interface Progress {
  readonly running: readonly string[];
  readonly queued: number;
  readonly parked: readonly ParkedTrial[];
  readonly done: number;
  /** Workflow ids of shards whose `progress` holds the rest. */
  readonly shards: readonly string[];
}
export interface ParkedTrial {
  readonly trial: string;
  readonly reason: string;
  readonly attempts: number;
  readonly expires: string | null;
}

/** Input and answer of a bracket's `trials` query: at most 200 rows. */
export interface TrialsQuery {
  readonly offset: number;
  readonly limit: number;
}
export interface TrialRow {
  readonly id: string;
  readonly config: Trial['config'];
  readonly fate: Fate;
  readonly epochs: number;
  /** Metric at the last epoch known when a round closed; null when there is none. */
  readonly value: number | null;
}
export interface TrialsAnswer {
  readonly total: number;
  readonly rows: readonly TrialRow[];
}

/** Answer of a bracket's `trial` query, whose argument is a trial's id. */
export interface TrialAnswer {
  readonly id: string;
  /** Null for a trial that an earlier run of an ASHA study proposed: its record has it. */
  readonly config: Trial['config'] | null;
  /** Whether it is on its way to its next rung. */
  readonly training: boolean;
  /** Those it came to; null: it has no value there, for it diverged, failed or was stopped. */
  readonly rungs: readonly { readonly budget: number; readonly value: number | null }[];
}

/** One activity: train `trial` from budget `from` (what is known) to `to`. Same for every trainer and language. */
export interface TrainSegmentInput {
  readonly schemaVersion: 1;
  readonly study: string;
  readonly trial: Trial;
  readonly metric: string;
  readonly from: number;
  readonly to: number;
  readonly trainer: Study['trainer'];
  readonly training: Pick<Study['training'], 'maxLosses' | 'epochTimeoutSeconds' | 'graceSeconds'>;
  /** Forget every checkpoint of the trial first (a retry that asks for it). Carries a number that is new each time. */
  readonly reset?: number;
}
/** `failed` never comes back as a value: a trainer's failure is an ApplicationFailure of type TrialFailed. */
export type TrainSegmentResult = Extract<SegmentOutcome, { outcome: 'completed' | 'diverged' }>;

/** Types of the ApplicationFailures Everband throws. */
export const failureTypes = {
  invalidStudy: 'InvalidStudy',
  trialFailed: 'TrialFailed',
  /** A parked trial is between two runs of its workflow: the same question a moment later is answered. */
  moving: 'Moving',
  unsupportedSchema: 'UnsupportedSchema',
} as const;

/** Heartbeat details of trainSegment. */
export interface TrainHeartbeat {
  readonly trial: string;
  readonly epoch: number;
  readonly value: number | null;
}
