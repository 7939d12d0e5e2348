/**
 * The study as it runs: every default filled in, every limit a number. A study file becomes this through the schema
 * in `study/`, and nothing below the client ever sees a half-filled study.
 */
import type { plainModels } from './predictors/models.js';

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

/** Independent draws per trial. */
export interface RandomSampler {
  readonly type: 'random';
}
/** The points of one scrambled Sobol sequence, in global trial order. */
export interface SobolSampler {
  readonly type: 'sobol';
}
/** Every combination once, in a seeded order, then again reshuffled. */
export interface GridSampler {
  readonly type: 'grid';
  /** Points per continuous dimension. @default 5 */
  readonly pointsPerDimension: number;
}
/** The tree-structured Parzen estimator of BOHB (Falkner et al. 2018); defaults are HpBandSter's. */
export interface TpeSampler {
  readonly type: 'tpe';
  /** W: trial t of a bracket is proposed from the results of its trials below W * floor(t / W). @default 8 */
  readonly wave: number;
  /** Share of trials drawn at random whatever is known. @default 1/3 */
  readonly randomFraction: number;
  /** Share of the results that count as good. @default 0.15 */
  readonly goodShare: number;
  /** Points sampled from l(x), of which the best l/g wins. @default 64 */
  readonly candidates: number;
  /** Factor on the bandwidths that candidates are sampled with. @default 3 */
  readonly bandwidthFactor: number;
  /** @default 1e-3 */
  readonly minBandwidth: number;
}
export type Sampler = RandomSampler | SobolSampler | GridSampler | TpeSampler;

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
/** Asynchronous successive halving (Li et al. 2018): a free slot promotes, or starts a new trial. No barrier. */
export interface AshaScheduler {
  readonly type: 'asha';
  /** Most trials; "untilLimit" needs a limit. */
  readonly trials: number | 'untilLimit';
  readonly maxBudget: number;
  /** r_min. @default 1 */
  readonly minBudget: number;
  readonly eta: number;
}
export type Scheduler = HyperbandScheduler | SuccessiveHalvingScheduler | FullScheduler | AshaScheduler;

/** A model that learns from complete curves; {@link AnnealerModel} and external ones have settings of their own. */
export interface PlainModel {
  /** One of the table in `core/predictors/models.ts`. */
  readonly type: keyof typeof plainModels;
}
/** Quantum-trained support vector regression (Pasetto et al. 2022): its dual as a QUBO, sampled by an annealer. */
export interface AnnealerModel {
  readonly type: 'annealer';
  /** `simulated`: embedded, in TypeScript. `dwave`: a Python worker on D-Wave's Ocean SDK. @default "simulated" */
  readonly solver: 'simulated' | 'dwave';
  /** Task queue of the Python worker; only for `dwave`. @default "everband-qubo" */
  readonly taskQueue: string;
  /** @default 100 simulated, 1000 dwave */
  readonly reads: number;
  /** Sweeps per read of the simulated annealer. @default 300 */
  readonly sweeps: number;
  /** `sound`: our default. `faithful`: as the authors published it, slips included. @default "sound" */
  readonly combination: 'sound' | 'faithful';
  /** Model asked when the solver fails or its limits are reached; null: everybody goes on. @default "svr" */
  readonly fallback: PlainModel['type'] | null;
  /** Most seconds of QPU access time a study may use; only for `dwave`. */
  readonly maxQpuSeconds?: number | undefined;
  /** Most a study's QPU access time may cost, in the currency of `qpuPricePerHour`; only for `dwave`. */
  readonly maxQpuCost?: number | undefined;
  readonly qpuPricePerHour?: number | undefined;
}
/** An activity somebody else's worker implements, in any language. */
export interface ActivityModel {
  readonly type: 'activity';
  readonly taskQueue: string;
  /** @default "predict" */
  readonly activity: string;
  readonly settings: Json;
}
export type Model = PlainModel | AnnealerModel | ActivityModel;

/** Median rule (Golovin et al. 2017): stop at the decision point when worse than the median of earlier trials there. */
export interface MedianPredictor {
  readonly type: 'median';
  /** c: where the decision point lies between two rungs. @default 0.5 */
  readonly decisionPoint: number;
  /** Earlier trials needed before anybody is stopped. @default 5 */
  readonly minTrials: number;
}
/** Fast-Hyperband (Baker et al. 2017): inside a round every epoch is a decision point; trials one after the other. */
export interface FastPredictor {
  readonly type: 'fast';
  readonly model: Model;
  /** d: complete curves needed before a model is trained. @default 15 */
  readonly minCurves: number;
  /** k: share of the next round's places completed before anybody is asked about. @default 1 */
  readonly completeShare: number;
  /** Delta: probability of ending above the threshold at which a trial is stopped. @default 0.95 */
  readonly confidence: number;
}
/** Swift-Hyperband (García Amboage et al. 2023): one decision point inside each round. */
export interface SwiftPredictor {
  readonly type: 'swift';
  readonly model: Model;
  /** d: complete curves needed before a model is trained. @default 15 */
  readonly minCurves: number;
  /** k: share of the next round's places completed before anybody is asked about. @default 0.5 */
  readonly completeShare: number;
  /** c: where the decision point lies between two rungs. @default 0.5 */
  readonly decisionPoint: number;
}
export type Predictor = { readonly type: 'none' } | MedianPredictor | FastPredictor | SwiftPredictor;

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
