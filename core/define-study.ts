/**
 * Fills in a study's defaults where the schema of study files cannot run: in a browser, or in a loop of one's own. The
 * defaults and rules are those that every scheduler, sampler, pruner and predictor declares (core/options.ts).
 */
import { objectiveWith } from './objectives/index.js';
import { filled, problemWith, type Option } from './options.js';
import { predictorOf, predictors, type PredictorSettings } from './predictors/index.js';
import { prunerOf, pruners, type PrunerSettings } from './pruners/index.js';
import { refusals } from './refuse.js';
import { samplerOf, samplers, type SamplerSettings } from './samplers/index.js';
import { schedulerOf, schedulers, type SchedulerSettings } from './schedulers/index.js';
import { trainingDefaults } from './settings.js';
import { shortName, shortPruners } from './short-names.js';
import { inOrder } from './space.js';
import type {
  Config,
  FloatParameter,
  IntParameter,
  Limits,
  Objective,
  Parameter,
  SearchSpace,
  Study,
} from './study.js';

/** `type`, and what has no default or is meant otherwise. */
type Given<Settings extends { readonly type: string }> = Settings extends unknown
  ? Pick<Settings, 'type'> & {
      readonly [Key in keyof Settings]?: Key extends 'predictor' ? GivenPredictor : Settings[Key];
    }
  : never;
type GivenPredictor = PredictorSettings['type'] | Given<PredictorSettings>;
type Some<T extends { readonly type: string }, Required extends keyof T> = Pick<T, 'type' | Required> & Partial<T>;

/** A parameter; `log` is off and an integer's `step` 1 unless said. */
export type ParameterInput =
  | Exclude<Parameter, FloatParameter | IntParameter>
  | Some<FloatParameter, 'low' | 'high'>
  | Some<IntParameter, 'low' | 'high'>;

/** A study as one writes it by hand. A whole {@link Study} is one too. */
export interface StudyInput {
  /** @default "study" */
  readonly name?: string;
  /** 32-bit unsigned. @default 0 */
  readonly seed?: number;
  /** @default { metric: "loss", mode: "minimise" } */
  readonly objective?: Partial<Objective>;
  /** @default {}, for recorded configurations */
  readonly space?: Readonly<Record<string, ParameterInput>>;
  /** @default "random" */
  readonly sampler?: SamplerSettings['type'] | Given<SamplerSettings>;
  readonly scheduler: Given<SchedulerSettings>;
  /** `quantum-swift` is Swift-Hyperband with the annealer as its predictor. @default "none" */
  readonly pruner?: PrunerSettings['type'] | `${string}-${PrunerSettings['type']}` | Given<PrunerSettings>;
  /** Trials that train at once; only asynchronous schedulers decide by it. @default 8 */
  readonly parallelism?: number;
  readonly limits?: Limits;
  readonly tryFirst?: readonly Config[];
}

/**
 * The study of `input`, every default filled in.
 * @throws RangeError for an option that makes no sense, for a scheduler without an end or without a second rung, and for
 *   conditions that go in a circle
 */
export function defineStudy(input: StudyInput): Study {
  const { name = 'study', seed = 0, limits = {}, tryFirst = [], parallelism = 8 } = input;
  if (!Number.isInteger(parallelism) || parallelism < 1) {
    throw new RangeError(`parallelism is ${parallelism}: it must be a whole number of at least 1`);
  }
  const sampler = settingsOf('sampler', input.sampler ?? 'random', samplers, (given) =>
    samplerOf(given as SamplerSettings)
  );
  const pruner = prunerSettings(input.pruner ?? 'none');
  const scheduler = settingsOf('scheduler', input.scheduler, schedulers, (given) =>
    schedulerOf(given as SchedulerSettings)
  ) as SchedulerSettings;
  const { objective, refusals: wrong } = objectiveWith(input.objective ?? {});
  const parts = { scheduler, sampler: sampler as SamplerSettings, pruner, limits, objective };
  for (const { path, value, rule } of wrong.length > 0 ? wrong : refusals(parts)) {
    throw new RangeError(`${path} is ${JSON.stringify(value)}: ${rule}`);
  }
  const definition = schedulerOf(scheduler);
  const endless = definition.iterations?.(scheduler) === Infinity || (definition.endless?.(scheduler) ?? false);
  if (endless && limits.epochs === undefined && limits.target === undefined) {
    throw new RangeError(`scheduler ${scheduler.type}: untilLimit needs limits.epochs or limits.target`);
  }
  return {
    schemaVersion: 1,
    name,
    seed,
    objective,
    space: spaceOf(input.space ?? {}),
    sampler: sampler as SamplerSettings,
    scheduler,
    budgetUnit: 'epochs',
    pruner,
    trainer: nobody,
    parallelism,
    training: trainingDefaults,
    limits,
    tryFirst,
  };
}

/** Whoever asks trains. */
const nobody = { type: 'activity', taskQueue: '', activity: '', settings: null } as const;

function spaceOf(space: Readonly<Record<string, ParameterInput>>): SearchSpace {
  const whole = Object.entries(space).map(([name, parameter]): [string, Parameter] => {
    if (parameter.type === 'float') return [name, { log: false, ...parameter }];
    return [name, parameter.type === 'int' ? { log: false, step: 1, ...parameter } : parameter];
  });
  const known = Object.fromEntries(whole);
  inOrder(known);
  return known;
}

interface Typed {
  readonly type: string;
}

/** Settings with their defaults, every option checked. */
function settingsOf(
  what: string,
  input: string | Typed,
  known: object,
  definitionOf: (given: Typed) => { readonly options: Readonly<Record<string, Option>> }
): Typed {
  const given: Typed = typeof input === 'string' ? { type: input } : input;
  if (!Object.hasOwn(known, given.type)) {
    throw new RangeError(`${what} is "${given.type}": it must be one of ${Object.keys(known).join(', ')}`);
  }
  const { options } = definitionOf(given);
  const whole = filled(options, given);
  for (const [key, option] of Object.entries(options)) {
    const problem = problemWith(option, whole[key]);
    if (problem !== null) {
      throw new RangeError(`${what} ${given.type}: ${key} is ${JSON.stringify(whole[key])}, and ${problem}`);
    }
  }
  return whole as unknown as Typed;
}

function prunerSettings(input: NonNullable<StudyInput['pruner']>): PrunerSettings {
  const short = shortName(shortPruners, input);
  const named: Typed = typeof input === 'string' ? { type: input } : input;
  const given: Typed = short ? ({ type: short.type, predictor: short.with } as Typed) : named;
  const whole = settingsOf('pruner', given, pruners, (one) => prunerOf(one as PrunerSettings));
  if (!('predictor' in whole)) return whole as PrunerSettings;
  const predictor = settingsOf('predictor', whole.predictor as string | Typed, predictors, (one) =>
    predictorOf(one as PredictorSettings)
  );
  return { ...whole, predictor } as unknown as PrunerSettings;
}
