/**
 * Fills in a study's defaults where the schema of study files cannot run: in a browser, or in a loop of one's own. The
 * compiler checks the shape; only what would never end or train nothing is refused here. The defaults are the schema's.
 */
import { largestBracket } from './plan.js';
import type {
  AnnealerModel,
  AshaScheduler,
  Config,
  FastPredictor,
  FullScheduler,
  GridSampler,
  HyperbandScheduler,
  IntParameter,
  FloatParameter,
  Limits,
  MedianPredictor,
  Model,
  Objective,
  Parameter,
  Predictor,
  Sampler,
  Scheduler,
  SearchSpace,
  Study,
  SuccessiveHalvingScheduler,
  SwiftPredictor,
  TpeSampler,
} from './study.js';

/** `type` and what of `Required` is named; the rest has defaults. */
type Some<T extends { readonly type: string }, Required extends keyof T = never> = Pick<T, 'type' | Required> &
  Partial<T>;
type WithModel<T extends FastPredictor | SwiftPredictor> = Omit<Some<T>, 'model'> & {
  readonly model?: Exclude<Model['type'], 'activity'> | Model | Some<AnnealerModel>;
};

/** A parameter; `log` is off and an integer's `step` 1 unless said. */
export type ParameterSettings =
  | Exclude<Parameter, FloatParameter | IntParameter>
  | Some<FloatParameter, 'low' | 'high'>
  | Some<IntParameter, 'low' | 'high'>;
export type SamplerSettings = Sampler['type'] | Sampler | Some<GridSampler> | Some<TpeSampler>;
/** eta is 3 and minBudget 1 unless said; Hyperband runs all its brackets once. */
export type SchedulerSettings =
  | Some<HyperbandScheduler, 'maxBudget'>
  | Some<SuccessiveHalvingScheduler, 'trials' | 'maxBudget'>
  | FullScheduler
  | Some<AshaScheduler, 'trials' | 'maxBudget'>;
/** `quantum-swift` is Swift-Hyperband with the annealer as its model. */
export type PredictorSettings =
  | Predictor['type']
  | 'quantum-swift'
  | { readonly type: 'none' }
  | Some<MedianPredictor>
  | WithModel<FastPredictor>
  | WithModel<SwiftPredictor>;

/** A study as one writes it by hand. A whole {@link Study} is one too. */
export interface StudySettings {
  /** @default "study" */
  readonly name?: string;
  /** 32-bit unsigned. @default 0 */
  readonly seed?: number;
  /** @default { metric: "loss", mode: "minimise" } */
  readonly objective?: Partial<Objective>;
  /** @default {}, for recorded configurations */
  readonly space?: Readonly<Record<string, ParameterSettings>>;
  /** @default "random" */
  readonly sampler?: SamplerSettings;
  readonly scheduler: SchedulerSettings;
  /** @default "none" */
  readonly predictor?: PredictorSettings;
  /** Trials that train at once; only ASHA's decisions depend on it. @default 8 */
  readonly parallelism?: number;
  readonly limits?: Limits;
  readonly tryFirst?: readonly Config[];
}

/**
 * The study of `settings`, every default filled in.
 * @throws RangeError for a scheduler without an end or without a second rung
 */
export function defineStudy(settings: StudySettings): Study {
  const { name = 'study', seed = 0, limits = {}, tryFirst = [], parallelism = 8 } = settings;
  const scheduler = schedulerOf(settings.scheduler, limits);
  if (!Number.isInteger(parallelism) || parallelism < 1) {
    throw new RangeError(`parallelism is ${parallelism}: it must be a whole number of at least 1`);
  }
  return {
    schemaVersion: 1,
    name,
    seed,
    objective: { metric: 'loss', mode: 'minimise', ...settings.objective },
    space: spaceOf(settings.space ?? {}),
    sampler: samplerOf(settings.sampler ?? 'random'),
    scheduler,
    budgetUnit: 'epochs',
    predictor: predictorOf(settings.predictor ?? 'none'),
    trainer: nobody,
    parallelism,
    training: {
      attempts: 3,
      backoffSeconds: 5,
      maxLosses: 10,
      parkSeconds: 600,
      epochTimeoutSeconds: 3600,
      heartbeatSeconds: 15,
      graceSeconds: 10,
    },
    limits,
    tryFirst,
  };
}

/** Whoever asks trains. */
const nobody = { type: 'activity', taskQueue: '', activity: '', settings: null } as const;

function spaceOf(space: Readonly<Record<string, ParameterSettings>>): SearchSpace {
  const filled = Object.entries(space).map(([name, parameter]): [string, Parameter] => {
    if (parameter.type === 'float') return [name, { log: false, ...parameter }];
    return [name, parameter.type === 'int' ? { log: false, step: 1, ...parameter } : parameter];
  });
  return Object.fromEntries(filled);
}

function samplerOf(sampler: SamplerSettings): Sampler {
  const given = (typeof sampler === 'string' ? { type: sampler } : sampler) as Exclude<SamplerSettings, string>;
  if (given.type === 'grid') return { pointsPerDimension: 5, ...given };
  if (given.type !== 'tpe') return given;
  const hpBandSter = { randomFraction: 1 / 3, goodShare: 0.15, candidates: 64, bandwidthFactor: 3, minBandwidth: 1e-3 };
  return { wave: 8, ...hpBandSter, ...given };
}

function schedulerOf(given: SchedulerSettings, limits: Limits): Scheduler {
  const refuse = (rule: string): never => {
    throw new RangeError(`scheduler ${given.type}: ${rule}`);
  };
  const whole = (name: string, value: number, least: number) => {
    if (!Number.isInteger(value) || value < least) refuse(`${name} is ${value}, a whole number of at least ${least}`);
  };
  whole('maxBudget', given.maxBudget, 1);
  if ('trials' in given && given.trials !== undefined && given.trials !== 'untilLimit')
    whole('trials', given.trials, 1);
  if (given.type === 'full') return given;
  const common = { eta: 3, minBudget: 1 };
  const filled: Scheduler =
    given.type === 'hyperband'
      ? { ...common, brackets: 'all', bracketFormula: 'ceil', order: 'sequential', iterations: 1, ...given }
      : { ...common, ...given };
  whole('eta', filled.eta, 2);
  whole('minBudget', filled.minBudget, 1);
  if (largestBracket(filled) === 0) {
    refuse(`maxBudget is ${filled.maxBudget}, less than eta * minBudget = ${filled.eta * filled.minBudget}`);
  }
  const endless = filled.type === 'hyperband' ? filled.iterations : filled.trials;
  if (endless === 'untilLimit' && limits.epochs === undefined && limits.target === undefined) {
    refuse('untilLimit needs limits.epochs or limits.target');
  }
  return filled;
}

function predictorOf(predictor: PredictorSettings): Predictor {
  const given: Exclude<PredictorSettings, string> =
    predictor === 'quantum-swift'
      ? { type: 'swift', model: 'annealer' }
      : typeof predictor === 'string'
        ? { type: predictor }
        : predictor;
  switch (given.type) {
    case 'none':
      return given;
    case 'median':
      return { decisionPoint: 0.5, minTrials: 5, ...given };
    case 'fast':
      return { minCurves: 15, completeShare: 1, confidence: 0.95, ...given, model: modelOf(given.model) };
    case 'swift':
      return { minCurves: 15, completeShare: 0.5, decisionPoint: 0.5, ...given, model: modelOf(given.model) };
  }
}

function modelOf(given: WithModel<SwiftPredictor>['model'] = 'svr'): Model {
  const model = (typeof given === 'string' ? { type: given } : given) as Model | Some<AnnealerModel>;
  if (model.type !== 'annealer') return model;
  const annealer = { solver: 'simulated', taskQueue: 'everband-qubo', reads: 100, sweeps: 300 } as const;
  return { ...annealer, combination: 'sound', fallback: 'svr', ...model };
}
