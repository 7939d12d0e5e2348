/** The study file: one zod schema behind YAML, JSON and TypeScript files. */
import { z } from 'zod';
import { lineKeys } from '../core/metrics.js';
import { predictorOption } from '../core/engine/pruner.js';
import { objectives, objectiveWith, type Objective } from '../core/objectives/index.js';
import { filled, type Option } from '../core/options.js';
import { predictorOf, predictors, type PredictorSettings } from '../core/predictors/index.js';
import { pruners } from '../core/pruners/index.js';
import { samplers } from '../core/samplers/index.js';
import { schedulers } from '../core/schedulers/index.js';
import { failureKinds, secretName, trainingDefaults, type FailureKind } from '../core/settings.js';
import { json, optionShape, undefaulted, unionOf } from './option-schema.js';
import { shortPruners, shortSchedulers } from '../core/short-names.js';

const positive = z.number().positive();
const whole = 'must be a whole number of 1 or more';
const count = z.number(whole).int(whole).min(1, whole);
const unit = { s: 1, m: 60, h: 3600, d: 86400 } as const;
const duration = 'must be a number of seconds, or a duration such as "90s", "10m", "2h" or "1d"';
/** Seconds, or text such as "90s", "10m", "2h", "1d". */
const seconds = z.union(
  [
    z.number().min(0, duration),
    z
      .string()
      .regex(/^\d+(\.\d+)?[smhd]$/, duration)
      .transform((text) => Number(text.slice(0, -1)) * unit[text.slice(-1) as keyof typeof unit]),
  ],
  { error: duration }
);
const when = z.strictObject({ parameter: z.string(), in: z.array(json).min(1) }).optional();
const range = z.tuple([z.number(), z.number()]);
export const explicitParameter = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('float'),
    low: z.number(),
    high: z.number(),
    log: z.boolean().default(false),
    step: positive.optional(),
    when,
  }),
  z.strictObject({
    type: z.literal('int'),
    low: z.number().int(),
    high: z.number().int(),
    log: z.boolean().default(false),
    step: count.default(1),
    when,
  }),
  z.strictObject({ type: z.literal('choice'), values: z.array(json).min(1), when }),
  z.strictObject({ type: z.literal('fixed'), value: json, when }),
]);
/** `{float: [low, high]}` and its like become the explicit form; the schema for editors knows both. */
const shortParameter = z.union([
  z.strictObject({ float: range, log: z.boolean().optional(), step: positive.optional(), when }),
  z.strictObject({ int: range, log: z.boolean().optional(), step: count.optional(), when }),
  z.strictObject({ choice: z.array(json).min(1), when }),
  z.strictObject({ fixed: json, when }),
]);

/** Other spellings of the objectives' names. */
const spellings: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(objectives).flatMap(([name, mode]) => mode.spellings.map((spelling) => [spelling, name]))
);
const modes = [...Object.keys(objectives), ...Object.keys(spellings)] as [string, ...string[]];
/** Options of all objectives; which belong to the one that is chosen is looked at afterwards. */
const objectiveOptions = new Map<string, z.ZodType[]>();
for (const { options } of Object.values(objectives)) {
  for (const [key, option] of Object.entries(options as Readonly<Record<string, Option>>)) {
    objectiveOptions.set(key, [...(objectiveOptions.get(key) ?? []), undefaulted(option)]);
  }
}
const objectiveSection = z
  .strictObject({
    ...Object.fromEntries([...objectiveOptions].map(([key, kinds]) => [key, z.union(kinds).optional()])),
    metric: z
      .string()
      .min(1)
      .refine((metric) => !lineKeys.includes(metric), {
        error: `must not be ${lineKeys.join(' or ')}: a trainer reports those beside the metric`,
      })
      .default('loss'),
    mode: z
      .enum(modes)
      .default('minimise')
      .transform((mode) => spellings[mode] ?? mode),
  })
  .prefault({});
const objective = objectiveSection.transform((given, context) => {
  const { objective: whole, refusals } = objectiveWith(given as Partial<Objective>);
  for (const { path, value, rule } of refusals) {
    context.addIssue({ code: 'custom', path: path.split('.').slice(1), input: value, message: rule });
  }
  return whole;
});

const scheduler = unionOf(schedulers);
/** The definition of a name in a registry. */
function definitionOf(registry: object, name: string): { readonly options: Readonly<Record<string, Option>> } {
  return (registry as Record<string, { readonly options: Readonly<Record<string, Option>> }>)[name] ?? { options: {} };
}

/** For editors: the short names beside the types, and `R` for `maxBudget`. */
const namedSchedulers = [
  ...(scheduler.options as z.ZodObject[]),
  ...Object.entries(shortSchedulers).map(([name, { type }]) =>
    optionShape(name, definitionOf(schedulers, type).options)
  ),
];
const shortScheduler = z.union([
  ...namedSchedulers,
  ...namedSchedulers.map((option) => option.omit({ maxBudget: true }).extend({ R: count })),
]);

const sampler = unionOf(samplers);
const predictorUnion = unionOf(predictors);
const pruner = unionOf(
  pruners,
  predictorUnion.transform((chosen) => filled(predictorOf(chosen as PredictorSettings).options, chosen as object))
);

const environmentName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable');
const environmentRule = 'must be text, or {secret: NAME} for a value that the worker has';
const secretRule = 'must be the name of a secret: at most 64 letters, digits, "_" and "-"';
const environmentValue = z.union(
  [
    // Null ends an entry of the environment, and what follows would be another one.
    z.string().refine((text) => !text.includes('\0')),
    z.strictObject({
      secret: z.string(environmentRule).regex(secretName, secretRule),
    }),
  ],
  { error: environmentRule }
);
export const trainerSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('module'), module: z.string().min(1) }),
  z.strictObject({
    type: z.literal('command'),
    command: z
      .array(z.string())
      .min(1)
      .refine(([program]) => program === undefined || program.trim() !== '', 'must start with a program'),
    cwd: z.string().default('.'),
    env: z.record(environmentName, environmentValue).default({}),
  }),
  z.strictObject({
    type: z.literal('replay'),
    file: z.string().min(1),
    columns: z.string().min(1),
    secondsPerEpoch: z.number().min(0).default(0),
  }),
  z.strictObject({
    type: z.literal('activity'),
    taskQueue: z.string().min(1),
    activity: z.string().min(1).default('trainSegment'),
    settings: json.default(null),
  }),
]);

const retryRule = z.strictObject({
  attempts: count
    .optional()
    .describe(
      'Failures of this kind without a new epoch between them before a trial is parked; they are then counted by themselves.'
    ),
  backoffSeconds: seconds
    .optional()
    .describe('Time before the next attempt after the first failure of this kind; doubles, at most 120 s.'),
  queue: z
    .string()
    .min(1, 'must name a task queue')
    .optional()
    .describe(
      'Task queue of the workers that train the trial from its next attempt on: `everband worker train --queue <name>`.'
    ),
});
/** What tells kinds of failures apart, for editors. */
const kindSays: Readonly<Record<FailureKind, string>> = {
  oom: 'It ran out of memory: its cgroup counted a kill, or the trainer said so.',
  timeout: 'No epoch came within epochTimeoutSeconds.',
  crash: 'The trainer ended by itself or by a signal, or its workers were lost again and again.',
  error: "The trainer's own error, a line that breaks the protocol, or a checkpoint that is not there.",
};
const retry = z
  .strictObject(
    Object.fromEntries(failureKinds.map((kind) => [kind, retryRule.optional().describe(kindSays[kind])])) as Record<
      FailureKind,
      z.ZodOptional<typeof retryRule>
    >
  )
  .describe('Rules for failures of one kind; what a rule leaves out is as for every other kind.');

const training = z
  .strictObject({
    segmentEpochs: count.optional(),
    attempts: count
      .default(trainingDefaults.attempts)
      .describe('Failures of a trial without a new epoch between them before it is parked.'),
    backoffSeconds: seconds.default(trainingDefaults.backoffSeconds),
    retry: retry.optional(),
    maxLosses: count
      .default(trainingDefaults.maxLosses)
      .describe(
        'Losses of its worker without a new epoch before a trial has failed; only those count that it was alone in.'
      ),
    parkSeconds: seconds.default(trainingDefaults.parkSeconds),
    epochTimeoutSeconds: seconds.default(trainingDefaults.epochTimeoutSeconds),
    heartbeatSeconds: z.number().min(2).default(trainingDefaults.heartbeatSeconds),
    graceSeconds: seconds.default(trainingDefaults.graceSeconds),
  })
  .prefault({});

const limits = z
  .strictObject({ epochs: count.optional(), deadlineSeconds: seconds.optional(), target: z.number().optional() })
  .prefault({});

/** Explicit form, after `rewrite`. */
export const studySchema = z.strictObject({
  schemaVersion: z.literal(1).default(1),
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
      'must be at most 100 letters, digits, ".", "_" and "-", starting with a letter or digit'
    ),
  seed: z.number().int().min(0).max(4294967295).default(0),
  objective,
  space: z.record(z.string(), explicitParameter).default({}),
  sampler: sampler.default({ type: 'random' }),
  scheduler,
  budgetUnit: z.string().min(1).default('epochs'),
  pruner: pruner.default({ type: 'none' }),
  trainer: trainerSchema,
  parallelism: count.max(10_000, 'must be at most 10,000').default(8),
  training,
  limits,
  tryFirst: z.array(z.record(z.string(), json)).default([]),
});

const short = z.union([z.string(), z.record(z.string(), z.unknown())]);
/** Types that stand for a combination of others. */
export const shorthands: Readonly<Record<string, readonly string[]>> = {
  scheduler: Object.keys(shortSchedulers),
  pruner: Object.keys(shortPruners),
};

/** A pruner whose predictor may be named in one word, and the short names that stand for it with one predictor. */
function withNames(rule: z.ZodObject): z.ZodObject[] {
  if (!('predictor' in rule.shape)) return [rule];
  const options = predictorUnion.options as z.ZodObject[];
  const named = z.union([z.enum(options.flatMap(optionTypes)), predictorUnion]).describe(predictorOption.says);
  const shorts = Object.entries(shortPruners).filter(([, { type }]) => optionTypes(rule).includes(type));
  const combined = shorts.map(([name, one]) => {
    const only = options.filter((option) => optionTypes(option).includes(one.with));
    return rule.extend({ type: z.literal(name), predictor: z.union([z.literal(one.with), ...only]).optional() });
  });
  return [rule.extend({ predictor: named.optional() }), ...combined];
}

/** What editors complete: the explicit form with the short forms beside it. */
export const editorSchema = z.strictObject({
  ...studySchema.shape,
  space: z.record(z.string(), z.union([shortParameter, explicitParameter])).default({}),
  scheduler: shortScheduler,
  sampler: z.union([z.enum(Object.keys(samplers) as [string]), sampler]).optional(),
  pruner: z
    .union([
      z.enum([...Object.keys(pruners), ...Object.keys(shortPruners)]),
      ...pruner.options.flatMap((option) => withNames(option as z.ZodObject)),
    ])
    .optional(),
  trainer: z.union([trainerSchema, short]),
});

/** Discriminated unions by path. */
export const unions: Record<string, z.ZodDiscriminatedUnion> = {
  scheduler,
  trainer: trainerSchema,
  pruner,
  'pruner.predictor': predictorUnion,
  sampler,
};

/** The types an option of a union stands for. */
export function optionTypes(option: z.ZodObject): string[] {
  const type = option.shape['type'] as z.ZodLiteral | z.ZodEnum;
  return type instanceof z.ZodEnum ? type.options.map(String) : [String(type.value)];
}

/** Mappings of one shape, by key. */
export const sections = { objective: objectiveSection, training, limits };
