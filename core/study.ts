/**
 * The study as it runs: every default filled in, every limit a number. A study file becomes this through the schema
 * in `study/`, and nothing below the client ever sees a half-filled study.
 */

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

/** Parameters in the order of the study file; a condition may only name an earlier parameter. */
export type SearchSpace = Readonly<Record<string, Parameter>>;

export interface Objective {
  /** The key a trainer reports every epoch. @default "loss" */
  readonly metric: string;
  readonly mode: 'minimise' | 'maximise';
}

/** `random`: independent draws per trial. `grid`: every combination once, in a seeded order, then again reshuffled. */
export interface Sampler {
  readonly type: 'random' | 'grid';
  /** Points per continuous dimension of a grid. @default 5 */
  readonly pointsPerDimension: number;
}

/** Hyperband (Li et al. 2017): a portfolio of successive-halving brackets. */
export interface HyperbandScheduler {
  readonly type: 'hyperband';
  /** R: most epochs a trial may train. */
  readonly maxBudget: number;
  /** Integer, at least 2. @default 3 */
  readonly eta: number;
  /** r_min: the smallest budget of a rung. @default 1 */
  readonly minBudget: number;
  /** How many brackets, most aggressive first, or all of them. @default "all" */
  readonly brackets: 'all' | number;
  /** Rounding of a bracket's size: ceil gives 143 configurations at R=81, eta=3, floor 128. @default "ceil" */
  readonly bracketFormula: 'ceil' | 'floor';
  /** One after the other (records shared between brackets) or together. @default "sequential" */
  readonly order: 'sequential' | 'together';
  /** How often the whole portfolio runs; "untilLimit" needs a limit. @default 1 */
  readonly iterations: number | 'untilLimit';
}
/** One bracket of successive halving: `trials` configurations from `minBudget` up to `maxBudget`. */
export interface SuccessiveHalvingScheduler {
  readonly type: 'successiveHalving';
  readonly trials: number;
  readonly maxBudget: number;
  readonly minBudget: number;
  readonly eta: number;
}
/** Every trial trains to `maxBudget`. */
export interface FullScheduler {
  readonly type: 'full';
  readonly trials: number;
  readonly maxBudget: number;
}
export type Scheduler = HyperbandScheduler | SuccessiveHalvingScheduler | FullScheduler;

/** Swift-Hyperband (García Amboage et al. 2023): one decision point inside each round. */
export interface SwiftPredictor {
  readonly type: 'swift';
  readonly model: 'svr' | 'svr-tail';
  /** d: complete curves needed before a model is trained. @default 15 */
  readonly minCurves: number;
  /** k: share of the next round's places completed before anybody is asked about. @default 0.5 */
  readonly completeShare: number;
  /** c: where the decision point lies between two rungs. @default 0.5 */
  readonly decisionPoint: number;
}
export type Predictor = { readonly type: 'none' } | SwiftPredictor;

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
  readonly env: Readonly<Record<string, string>>;
}
/** Replays recorded curves: a CSV with one row per model and value columns `<prefix><epoch>`. */
export interface ReplayTrainer {
  readonly type: 'replay';
  /** Absolute path of the CSV. */
  readonly file: string;
  /** Value columns start with this, e.g. "loss_", in the order of the file. */
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

export interface TrainingPolicy {
  /** Most epochs one activity trains; absent: up to the next decision point. */
  readonly segmentEpochs?: number | undefined;
  /** Trainer-reported failures of one trial before it is parked. @default 3 */
  readonly attempts: number;
  /** Seconds before the second attempt; doubles, at most 120. @default 5 */
  readonly backoffSeconds: number;
  /** Worker losses in a row without a new epoch before a trial counts as failed. @default 10 */
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

export interface Limits {
  /** Most epochs of the whole study; a round that would exceed it does not start. */
  readonly epochs?: number | undefined;
  /** Seconds after the start at which the study stops and keeps its best. */
  readonly deadlineSeconds?: number | undefined;
  /** Metric value that ends the study, checked when a round closes. */
  readonly target?: number | undefined;
}

export interface Study {
  readonly schemaVersion: 1;
  /** The study's id: letters, digits, `-`, `_`, `.`; at most 100. */
  readonly name: string;
  /** 32-bit unsigned. */
  readonly seed: number;
  readonly objective: Objective;
  readonly space: SearchSpace;
  readonly sampler: Sampler;
  readonly scheduler: Scheduler;
  /** What one unit of budget is called. @default "epochs" */
  readonly budgetUnit: string;
  readonly predictor: Predictor;
  readonly trainer: Trainer;
  /** Most trials that train at once. @default 8, at most 500 */
  readonly parallelism: number;
  readonly training: TrainingPolicy;
  readonly limits: Limits;
  /** Configurations the first trials take, in this order. */
  readonly tryFirst: readonly Config[];
}
