/**
 * The study file: what may stand in it, what it becomes, and everything that is wrong with it at once. A normalised
 * study parses to itself, so whoever receives one may check it again.
 */
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { planIteration, iterationsOf } from '../core/plan.js';
import { checkConfig, gridSize } from '../core/space.js';
import type {
  Config,
  Json,
  Limits,
  Parameter,
  Predictor,
  Sampler,
  Scheduler,
  SearchSpace,
  Study,
  Trainer,
} from '../core/study.js';

/** One thing wrong with a study. */
export interface Problem {
  /** Where: `space.lr.low`, or `line 3, column 7` of a file that does not parse; empty for the whole. */
  readonly path: string;
  /** What stands there; absent when nothing does. */
  readonly value?: unknown;
  /** The rule it breaks, and why there is one. */
  readonly rule: string;
  /** What was probably meant. */
  readonly suggestion?: string;
}

export type ParseResult =
  | { readonly ok: true; readonly study: Study }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface ParseContext {
  /** Relative paths start here. */
  readonly baseDir: string;
  /** What is being read, for messages. */
  readonly source: string;
}

/** Most trials of a study, and most combinations of a grid. */
export const mostTrials = 100_000;

/** Short spellings per section; either may be written, not both. */
export const aliases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  scheduler: { R: 'maxBudget' },
  predictor: { d: 'minCurves', k: 'completeShare', c: 'decisionPoint' },
  training: {
    backoff: 'backoffSeconds',
    park: 'parkSeconds',
    epochTimeout: 'epochTimeoutSeconds',
    heartbeat: 'heartbeatSeconds',
    grace: 'graceSeconds',
  },
  limits: { deadline: 'deadlineSeconds' },
};

const durationPattern = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const secondsPer: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };

function seconds(value: number | string): number {
  if (typeof value === 'number') return value;
  const parts = value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g);
  return [...parts].reduce((sum, [, amount, unit]) => sum + Number(amount) * (secondsPer[unit as string] as number), 0);
}

const durationRule = "must be a duration such as '30s', '10m' or '2h', or a number of seconds";
const duration = z
  .union([z.number().nonnegative(), z.string().regex(durationPattern)], { error: durationRule })
  .transform(seconds);
const positiveDuration = duration.refine((value) => value > 0, { error: 'must be longer than 0' });

const json = z.json();
const count = z.int().min(1);
const when = z.strictObject({ parameter: z.string(), in: z.array(json).min(1) }).optional();
const step = z.number().positive();
const range = z.tuple([z.number(), z.number()], { error: 'must be two numbers, [low, high]' });
const intRange = z.tuple([z.int(), z.int()], { error: 'must be two whole numbers, [low, high]' });
const log = z.boolean().default(false);

const explicitParameters = {
  float: z.strictObject({
    type: z.literal('float'),
    low: z.number(),
    high: z.number(),
    log,
    step: step.optional(),
    when,
  }),
  int: z.strictObject({ type: z.literal('int'), low: z.int(), high: z.int(), log, step: count.default(1), when }),
  choice: z.strictObject({ type: z.literal('choice'), values: z.array(json).min(1), when }),
  fixed: z.strictObject({ type: z.literal('fixed'), value: json, when }),
};
const shortParameters = {
  float: z.strictObject({ float: range, log, step: step.optional(), when }),
  int: z.strictObject({ int: intRange, log, step: count.default(1), when }),
  choice: z.strictObject({ choice: z.array(json).min(1), when }),
  fixed: z.strictObject({ fixed: json, when }),
};
type ParameterType = keyof typeof explicitParameters;

/** `{ float: [0, 1] }` as `{ type: 'float', low: 0, high: 1 }`. */
function longForm(type: ParameterType, short: Record<string, unknown>): Parameter {
  const { [type]: main, ...rest } = short;
  const own = type === 'choice' ? { values: main } : type === 'fixed' ? { value: main } : between(main);
  return { type, ...own, ...rest } as Parameter;
}

function between(bounds: unknown): object {
  const [low, high] = bounds as [number, number];
  return { low, high };
}

const objective = z.strictObject({
  metric: z.string().min(1).default('loss'),
  mode: z
    .enum(['minimise', 'maximise', 'minimize', 'maximize'])
    .default('minimise')
    .transform((mode) => (mode.startsWith('max') ? ('maximise' as const) : ('minimise' as const))),
});

const sampler = z.strictObject({
  type: z.enum(['random', 'grid']).default('random'),
  pointsPerDimension: z.int().min(1).max(mostTrials).default(5),
});

const budget = z.int().min(1).max(1_000_000);
const eta = z.int().min(2, { error: 'must be at least 2: a round keeps one in eta trials' });
const trials = count.max(mostTrials);
const schedulers = {
  hyperband: z.strictObject({
    type: z.literal('hyperband'),
    maxBudget: budget,
    eta: eta.default(3),
    minBudget: budget.default(1),
    brackets: z.union([z.literal('all'), count], { error: "must be 'all' or a whole number, at least 1" }).default('all'),
    bracketFormula: z.enum(['ceil', 'floor']).default('ceil'),
    order: z.enum(['sequential', 'together']).default('sequential'),
    iterations: z
      .union([count, z.literal('untilLimit')], { error: "must be 'untilLimit' or a whole number, at least 1" })
      .default(1),
  }),
  successiveHalving: z.strictObject({
    type: z.literal('successiveHalving'),
    trials,
    maxBudget: budget,
    minBudget: budget.default(1),
    eta: eta.default(3),
  }),
  full: z.strictObject({ type: z.literal('full'), trials, maxBudget: budget }),
};

const predictors = {
  none: z.strictObject({ type: z.literal('none') }),
  swift: z.strictObject({
    type: z.literal('swift'),
    model: z.enum(['svr', 'svr-tail']).default('svr'),
    minCurves: z.int().min(2, { error: 'must be at least 2: one curve has no spread to learn from' }).default(15),
    completeShare: z.number().gt(0).max(1).default(0.5),
    decisionPoint: z.number().gt(0).lt(1).default(0.5),
  }),
};

const command = z
  .union([z.string().min(1), z.array(z.string()).min(1)], { error: 'must be a command line or a list of its words' })
  .transform((value) => (typeof value === 'string' ? words(value) : value))
  .refine((list) => Boolean(list[0]), { error: 'must name a program' });
const environment = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()], { error: 'must be text' }).transform(String))
  .default({});
const columns = z.string().min(1);
const trainers = {
  module: z.strictObject({ type: z.literal('module').default('module'), module: z.string().min(1) }),
  command: z.strictObject({
    type: z.literal('command').default('command'),
    command,
    cwd: z.string().min(1).default('.'),
    env: environment,
  }),
  replay: z.strictObject({
    type: z.literal('replay'),
    file: z.string().min(1),
    columns,
    secondsPerEpoch: duration.default(0),
  }),
  activity: z.strictObject({
    type: z.literal('activity').default('activity'),
    taskQueue: z.string().min(1),
    activity: z.string().min(1).default('trainSegment'),
    settings: json.default(null),
  }),
};
const shortReplay = z.strictObject({ replay: z.string().min(1), columns, secondsPerEpoch: duration.default(0) });

const training = z.strictObject({
  segmentEpochs: count.optional(),
  attempts: count.default(3),
  backoffSeconds: duration.default(5),
  maxLosses: count.default(10),
  parkSeconds: duration.default(600),
  epochTimeoutSeconds: positiveDuration.default(3600),
  heartbeatSeconds: positiveDuration.default(15),
  graceSeconds: duration.default(10),
});

const limits = z.strictObject({
  epochs: count.optional(),
  deadlineSeconds: positiveDuration.optional(),
  target: z.number().optional(),
});

const name = z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/, {
  error: 'must be 1 to 100 letters, digits, "-", "_" or ".": it is part of ids and file names',
});

/** The study file as a whole; the sections of `parseStudy` and the schema for editors come from here. */
export const studyFile = z.strictObject({
  $schema: z.string().optional(),
  schemaVersion: z.literal(1).default(1),
  name,
  seed: z.int().min(0).max(4294967295).default(0),
  objective: objective.optional(),
  space: z
    .record(z.string(), z.union([...Object.values(shortParameters), ...Object.values(explicitParameters)]))
    .optional(),
  sampler: z.union([z.enum(['random', 'grid']), sampler]).optional(),
  scheduler: z.discriminatedUnion('type', [schedulers.hyperband, schedulers.successiveHalving, schedulers.full]),
  budgetUnit: z.string().min(1).default('epochs'),
  predictor: z.union([z.enum(['none', 'swift']), predictors.none, predictors.swift]).optional(),
  trainer: z.union([trainers.module, trainers.command, shortReplay, trainers.replay, trainers.activity]),
  parallelism: z.int().min(1).max(500).default(8),
  training: training.optional(),
  limits: limits.optional(),
  tryFirst: z.array(z.record(z.string(), json)).default([]),
});

type Path = readonly PropertyKey[];
type Raw = Readonly<Record<string, unknown>>;

/** Checks a study file's content, or a study; reports every problem at once. */
export function parseStudy(input: unknown, context: ParseContext): ParseResult {
  const problems: Problem[] = [];
  if (!isRaw(input)) {
    return { ok: false, problems: [{ path: '', value: input, rule: 'must be a study: a mapping of keys to values' }] };
  }
  const known = Object.keys(studyFile.shape);
  for (const key of Object.keys(input).filter((key) => !known.includes(key))) {
    problems.push(unknownKey([key], input[key], known));
  }
  const { shape } = studyFile;
  const section = <T extends z.ZodType>(key: string, schema: T) => check(schema, input[key], [key], problems);
  const object = <T extends z.ZodType>(key: string, schema: T) => checkNamed(key, schema, input[key] ?? {}, problems);

  const parts = {
    schemaVersion: section('schemaVersion', shape.schemaVersion),
    name: section('name', name),
    seed: section('seed', shape.seed),
    objective: object('objective', objective),
    space: parseSpace(input['space'] ?? {}, problems),
    sampler: object('sampler', sampler.or(shape.sampler)) as Sampler | undefined,
    scheduler: parseTyped('scheduler', schedulers, input['scheduler'], problems) as Scheduler | undefined,
    budgetUnit: section('budgetUnit', shape.budgetUnit),
    predictor: parsePredictor(input['predictor'] ?? 'none', problems),
    trainer: parseTrainer(input['trainer'], context, problems),
    parallelism: section('parallelism', shape.parallelism),
    training: object('training', training),
    limits: object('limits', limits) as Limits | undefined,
    tryFirst: section('tryFirst', shape.tryFirst) as readonly Config[] | undefined,
  };
  checkRules(parts, input, problems);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, study: parts as Study };
}
