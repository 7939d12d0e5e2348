/**
 * What goes over the wire between client, workflows and activities: names, ids, inputs, updates, queries.
 * Plain JSON only: no NaN, Map or Date (Temporal's JSON turns them into something else).
 */
import type { KeptGroup } from '../core/engine/material.js';
import type { Best, BracketView } from '../core/engine/scheduler.js';
import type { Ended, GroupEnd } from '../core/engine/work.js';
import type { LateAsk, LateView } from '../core/late.js';
import type { FailureKind } from '../core/settings.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome, Trial, Fate } from '../core/trial.js';
import type { ExploitRecord, StudyResult } from '../core/record.js';

/** Task queues, one per role. */
export const taskQueues = {
  orchestrate: 'everband-orchestrate',
  train: 'everband-train',
  predict: 'everband-predict',
} as const;

/** Most bytes of values and configurations in one message, of the 2 MiB there may be. */
export const messageBytes = 1024 * 1024;

/** Workflow types as registered. */
export const workflowTypes = {
  study: 'everbandStudy',
  round: 'everbandRound',
  shard: 'everbandShard',
  late: 'everbandLate',
} as const;

/** Workflow ids: `everband/<study>`, `.../b4/r2`, `.../b4/r2/s0`, `.../late/b4-t017`. */
export const workflowIds = {
  study: (study: string) => `everband/${study}`,
  round: (study: string, bracket: string, round: number) => `everband/${study}/${bracket}/r${round}`,
  shard: (study: string, bracket: string, round: number, shard: string) =>
    `everband/${study}/${bracket}/r${round}/${shard}`,
  late: (study: string, trial: string) => `everband/${study}/late/${trial}`,
} as const;

/** Search attributes and their types; the embedded server registers them. */
export const searchAttributes = {
  EverbandStudy: 'KEYWORD',
  EverbandPhase: 'KEYWORD',
  EverbandPruner: 'KEYWORD',
  EverbandBracket: 'INT',
  EverbandRound: 'INT',
  EverbandBest: 'DOUBLE',
} as const;

/** Key in a study's memo: why it has paused by itself; the server shows it without a worker. */
export const causeMemo = 'cause';

/** Names of updates. Study: pause, resume, stop, setParallelism, retryLate. The workflow that trains a trial: retryTrial, dropTrial. */
export const updateNames = {
  pause: 'pause',
  resume: 'resume',
  stop: 'stop',
  setParallelism: 'setParallelism',
  retryTrial: 'retryTrial',
  dropTrial: 'dropTrial',
  retryLate: 'retryLate',
} as const;
export interface SetParallelism {
  readonly parallelism: number;
}
/** `trial` is a trial id; `resetCheckpoint` trains it again from the start, `queue` on workers of another task queue. */
export interface RetryTrial {
  readonly trial: string;
  readonly resetCheckpoint?: boolean;
  readonly queue?: string;
}
/** A trial whose round has closed. */
export interface RetryLate extends LateAsk {
  readonly trial: string;
}
export interface DropTrial {
  readonly trial: string;
}

/**
 * Names of queries. Study: `status`, `file`, and where trials train one by one `progress` and `trial`. Round: `progress`,
 * `trial`, `file`. Shard: `progress`. Late retry: `late`.
 */
export const queryNames = {
  status: 'status',
  progress: 'progress',
  trial: 'trial',
  file: 'file',
  late: 'late',
} as const;

/**
 * Where a study stands. At its end: `done` when its plan ran to its end, else what ended it early; `cancelled` or `failed`
 * when it has come to no result.
 */
export type StudyPhase = OpenPhase | 'done' | Exclude<Ended, 'finished'> | 'cancelled' | 'failed';
type OpenPhase = 'preparing' | 'running' | 'paused' | 'stopping';

export function phaseAtEnd(ended: Ended): StudyPhase {
  return ended === 'finished' ? 'done' : ended;
}

export function hasEnded(phase: StudyPhase): boolean {
  const open: readonly string[] = ['preparing', 'running', 'paused', 'stopping'] satisfies OpenPhase[];
  return !open.includes(phase);
}

/** Answer of the study's `status`. */
export interface StudyStatus {
  readonly study: Study | null;
  readonly phase: StudyPhase;
  /** Epochs of what has closed. */
  readonly epochs: number;
  readonly plannedEpochs: number;
  readonly plannedTrials: number;
  readonly best: Best | null;
  readonly brackets: readonly BracketView[];
  readonly parallelism: number;
  /** What keeps the study from going on, such as a disk that is full; null when nothing does. */
  readonly trouble: string | null;
  /** Why the study has paused by itself; absent: it has not. */
  readonly cause?: string;
  /** Trials that are retried late beside the study; absent: none. */
  readonly late?: readonly string[];
  /** Trials whose late retries were lost with the server, before the study was recovered; absent: none. */
  readonly lateLost?: readonly string[];
  readonly result: StudyResult | null;
}

/** Answer of `trial`, whose argument is a trial's id: how it stands in a round, or on its way to a rung. */
export interface TrialAnswer {
  readonly id: string;
  readonly config: Trial['config'];
  /** Budget it came with, and the rung it trains to. */
  readonly from: number;
  readonly to: number;
  /** Metric of the epochs after `from`, as far as they were reported. */
  readonly values: readonly number[];
  /** How it ended there; null while it is on its way. */
  readonly end: GroupEnd | null;
}

/** Argument of `file`: a file of the study's record, and where in its text to begin. */
export interface FileQuery {
  readonly name: string;
  readonly from: number;
}
/** Answer of `file`: at most a mebibyte of the text; null for a file that this run of the workflow did not write. */
export interface FileAnswer {
  readonly text: string;
  readonly length: number;
}

/** What happened between two moments of a study whose trials come to rungs one by one. */
export interface RecordPart {
  readonly log: readonly string[];
  readonly closed: readonly KeptGroup[];
}

/** Answer of a round's or shard's `progress`: what is going on right now. A sharded round names its shards. */
export interface Progress {
  readonly running: readonly string[];
  readonly queued: number;
  readonly parked: readonly ParkedTrial[];
  readonly done: number;
  /** Workflow ids of shards whose `progress` holds the rest. */
  readonly shards: readonly string[];
  /** What keeps a round from going on, such as a disk that is full; absent: nothing does. */
  readonly trouble?: string;
}
export interface ParkedTrial {
  readonly trial: string;
  /** Begins with its kind where the trainer's words do not say it. */
  readonly reason: string;
  /** Absent: it was parked by an earlier version. */
  readonly kind?: FailureKind;
  readonly attempts: number;
  readonly expires: string | null;
}

/** One trial, as `everband trials` lists it. */
export interface TrialRow {
  readonly id: string;
  readonly config: Trial['config'];
  readonly fate: Fate;
  readonly epochs: number;
  /** Metric at the last epoch that is known; null when there is none. */
  readonly value: number | null;
  /** Every time it went on from another trial's checkpoint; absent: never. */
  readonly lineage?: readonly ExploitRecord[];
  /** What it came to when it was retried late; absent: it was not. */
  readonly late?: LateView;
}

/**
 * Which study it is, beyond its name: a name may be used again after a study was deleted. `id` is drawn once when the study
 * starts; `incarnation` counts how often it was recovered since.
 */
export interface StudyIdentity {
  readonly id: string;
  readonly incarnation: number;
}

/** The same as activities are told it, with the seal of the client that started the study (trust/seal.ts). */
export interface SealedIdentity extends StudyIdentity {
  readonly seal: string;
}

/** Input of the study's workflow. */
export interface SealedStudy {
  /** A study file's content or a study, its paths absolute and its variables expanded by the client. */
  readonly study: unknown;
  readonly seal: string;
}

/** A checkpoint of another trial of the study, or an earlier one of the same trial. */
export interface SegmentSource {
  readonly trial: string;
  readonly epoch: number;
}

interface SegmentRequest {
  readonly study: string;
  readonly identity: SealedIdentity;
  readonly trial: Trial;
  readonly metric: string;
  readonly from: number;
  readonly to: number;
  readonly trainer: Study['trainer'];
  readonly training: Pick<Study['training'], 'maxLosses' | 'epochTimeoutSeconds' | 'graceSeconds'>;
  /** Forget every checkpoint of the trial first (a retry that asks for it). Carries a number that is new each time. */
  readonly reset?: number;
  /**
   * Start from a copy of this checkpoint, whose epoch is `from`, instead of from the trial's own. Asked again after a loss,
   * the segment goes on from what it has trained since.
   */
  readonly source?: SegmentSource;
  /** Keep the checkpoint of epoch `to`, whatever the trial does next, until it is released. */
  readonly hold?: boolean;
}

interface SegmentRequest2 extends SegmentRequest {
  readonly schemaVersion: 2;
}

/** The same where a checkpoint holds another number of epochs than the trial itself has trained. */
interface SegmentRequest3 extends SegmentRequest {
  readonly schemaVersion: 3;
  /**
   * How many more, negative: fewer. The trainer is told epochs as its checkpoint holds them; values, checkpoints and the
   * answer are counted as the trial's own. Here the epoch of `source` may be another than `from`, as which its copy counts.
   */
  readonly shift: number;
}

/** The same of a study that names further metrics. */
interface SegmentRequest4 extends SegmentRequest {
  readonly schemaVersion: 4;
  readonly shift: number;
  /**
   * Further keys that the trainer has to report every epoch, one or more. The answer has them as `metrics`: to each name as
   * many numbers as there are `values`, null where one was not finite.
   */
  readonly metrics: readonly string[];
}

/** One activity: train `trial` from budget `from` (what is known) to `to`. Same for every trainer and language. */
export type TrainSegmentInput = SegmentRequest2 | SegmentRequest3 | SegmentRequest4;
/**
 * `failed` never comes back as a value: a trainer's failure is an ApplicationFailure of type TrialFailed, whose details are
 * the values of the epochs before, the metrics where the study names some, else null, and `{ kind }`, a {@link FailureKind}.
 */
export type TrainSegmentResult = Extract<SegmentOutcome, { outcome: 'completed' | 'diverged' }>;

/** Types of the ApplicationFailures Everband throws. */
export const failureTypes = {
  invalidStudy: 'InvalidStudy',
  /** A study whose workflows are gone cannot be taken up from its record. */
  notRecoverable: 'NotRecoverable',
  trialFailed: 'TrialFailed',
  /** A parked trial is between two runs of its workflow: the same question a moment later is answered. */
  moving: 'Moving',
  refused: 'Refused',
  unsupportedSchema: 'UnsupportedSchema',
  /** What nobody sealed who holds the key. */
  notSealed: 'NotSealed',
  /** A worker without the key that seals are looked at with; retried, for another may have it. */
  noKey: 'NoKey',
  /** A trainer that the operator of the worker has not allowed, or that asks for a secret which the worker lacks. */
  notAllowed: 'NotAllowed',
  /** A payload that no client or worker accepts: plain where payloads are encrypted, or changed since. */
  payloadRefused: 'PayloadRefused',
  /** A payload that this client or worker has no key for; another may have it. */
  payloadUnread: 'PayloadUnread',
} as const;

/** The one key of what stands for a payload that was refused; its value says why. */
export const refusedKey = 'everbandRefused';

/** Why a value could not be read; null for one that was. */
export function refusalIn(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const why = (value as Record<string, unknown>)[refusedKey];
  return typeof why === 'string' ? why : null;
}

/** Heartbeat details of trainSegment. */
export interface TrainHeartbeat {
  readonly trial: string;
  readonly epoch: number;
  readonly value: number | null;
}
