/** What a study is made of: search space, objective, trainer, limits. No file below this one knows the whole study. */

/** Any JSON value; what a `choice` parameter may take. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A trial's configuration: parameter name to value. Parameters whose condition does not hold are absent. */
export type Config = Readonly<Record<string, Json>>;

/** Holds when the named parameter is active and its value is one of `in`. */
export interface Condition {
  readonly parameter: string;
  readonly in: readonly Json[];
}

export interface FloatParameter {
  readonly type: 'float';
  readonly low: number;
  readonly high: number;
  /** Sample uniformly in the logarithm. @default false */
  readonly log: boolean;
  /** Values are low + k * step. Absent: continuous. */
  readonly step?: number | undefined;
  readonly when?: Condition | undefined;
}
export interface IntParameter {
  readonly type: 'int';
  readonly low: number;
  /** Included. */
  readonly high: number;
  readonly log: boolean;
  /** @default 1 */
  readonly step: number;
  readonly when?: Condition | undefined;
}
export interface ChoiceParameter {
  readonly type: 'choice';
  readonly values: readonly Json[];
  readonly when?: Condition | undefined;
}
export interface FixedParameter {
  readonly type: 'fixed';
  readonly value: Json;
  readonly when?: Condition | undefined;
}
export type Parameter = FloatParameter | IntParameter | ChoiceParameter | FixedParameter;

/**
 * Parameters by name; the order of keys does not matter. A condition may name any other parameter, as long as conditions
 * do not go in a circle.
 */
export type SearchSpace = Readonly<Record<string, Parameter>>;

/** A JavaScript or TypeScript module that exports `train` (see trainers/contract.ts). */
export interface ModuleTrainer {
  readonly type: 'module';
  /** Absolute path. */
  readonly module: string;
}
/** Any program that speaks the line protocol (docs/trainers.md). */
export interface CommandTrainer {
  readonly type: 'command';
  readonly command: readonly string[];
  /** Absolute working folder. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | SecretReference>>;
}
/** Names of secrets. */
export const secretName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** A value that the worker has and the study only names. */
export interface SecretReference {
  readonly secret: string;
}
/** Replays recorded curves: a CSV with one row per model and value columns `<prefix><epoch>`. */
export interface ReplayTrainer {
  readonly type: 'replay';
  /** Absolute path of the CSV. */
  readonly file: string;
  /** Value columns start with this, e.g. "loss_"; the number after it says which epoch is in them. */
  readonly columns: string;
  /** Seconds an epoch pretends to take. @default 0 */
  readonly secondsPerEpoch: number;
}
/** An activity somebody else's worker implements, in any language, on its own task queue. */
export interface ActivityTrainer {
  readonly type: 'activity';
  readonly taskQueue: string;
  /** @default "trainSegment" */
  readonly activity: string;
  /** Handed to the activity as it stands. */
  readonly settings: Json;
}
export type Trainer = ModuleTrainer | CommandTrainer | ReplayTrainer | ActivityTrainer;

/**
 * How an attempt failed. `oom`: for want of memory. `timeout`: no epoch came in time. `crash`: the trainer ended by itself
 * or by a signal, or its workers were lost again and again. `error`: what the trainer reports itself, or reports wrongly.
 */
export type FailureKind = 'oom' | 'timeout' | 'crash' | 'error';
export const failureKinds: readonly FailureKind[] = ['oom', 'timeout', 'crash', 'error'];

/** What holds of failures of one kind; what is absent is as for every other. */
export interface RetryRule {
  /** Failures of this kind without a new epoch between them before a trial is parked; they are counted by themselves. */
  readonly attempts?: number | undefined;
  /** Seconds before the next attempt after the first of them; doubles, at most 120. */
  readonly backoffSeconds?: number | undefined;
  /** Task queue of the workers that train the trial from its next attempt on. */
  readonly queue?: string | undefined;
}

export interface TrainingPolicy {
  /** Most epochs one activity trains; absent: up to the next decision point. */
  readonly segmentEpochs?: number | undefined;
  /** Failures of one trial without a new epoch between them before it is parked. @default 3 */
  readonly attempts: number;
  /** Seconds before the second attempt; doubles, at most 120. @default 5 */
  readonly backoffSeconds: number;
  /** Rules for failures of one kind; absent: every kind is treated alike. */
  readonly retry?: { readonly [Kind in FailureKind]?: RetryRule | undefined } | undefined;
  /** Worker losses of a trial alone in its worker without a new epoch before it counts as failed. @default 10 */
  readonly maxLosses: number;
  /** Seconds a parked trial waits for a retry; 0 drops it at once. @default 600 */
  readonly parkSeconds: number;
  /** Seconds without a finished epoch before a trainer counts as hung. @default 3600 */
  readonly epochTimeoutSeconds: number;
  /** Seconds without a heartbeat before a worker counts as lost. @default 15 */
  readonly heartbeatSeconds: number;
  /** Seconds a trainer has to save itself after SIGTERM. @default 10 */
  readonly graceSeconds: number;
}

export const trainingDefaults: TrainingPolicy = {
  attempts: 3,
  backoffSeconds: 5,
  maxLosses: 10,
  parkSeconds: 600,
  epochTimeoutSeconds: 3600,
  heartbeatSeconds: 15,
  graceSeconds: 10,
};

export interface Limits {
  /** Most epochs of the whole study; a round that would exceed it does not start. */
  readonly epochs?: number | undefined;
  /** Seconds after the start at which the study stops and keeps its best. */
  readonly deadlineSeconds?: number | undefined;
  /** Metric value that ends the study, checked when a round closes. */
  readonly target?: number | undefined;
}
