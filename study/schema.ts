/** The study file: one zod schema behind YAML, JSON and TypeScript files. */
import { z } from 'zod';
import { mostInFlight } from '../core/plan.js';
import { plainModels } from '../core/predictors/models.js';
import type { Config } from '../core/study.js';

const json: z.ZodType<Config[string]> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)], {
    error: 'must be text, a finite number, true, false, null, or a list or mapping of those',
  })
);
const positive = z.number().positive();
const whole = 'must be a whole number of 1 or more';
const count = z.number(whole).int(whole).min(1, whole);
const unit = { s: 1, m: 60, h: 3600, d: 86400 } as const;
const duration = 'must be seconds or a duration such as "90s", "10m", "2h", "1d"';
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
/** A whole number, or a word instead of one. */
const countOr = <Word extends string>(word: Word) =>
  z.union([count, z.literal(word)], { error: `${whole}, or "${word}"` });

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

const modes = {
  minimise: 'minimise',
  minimize: 'minimise',
  min: 'minimise',
  maximise: 'maximise',
  maximize: 'maximise',
  max: 'maximise',
} as const;
/** What an epoch's line of the protocol has beside the metric (trainers/protocol.ts). */
const protocolKeys = ['epoch', 'checkpoint'];
const objective = z
  .strictObject({
    metric: z
      .string()
      .min(1)
      .refine((metric) => !protocolKeys.includes(metric), {
        error: `must not be ${protocolKeys.join(' or ')}: a trainer reports those beside the metric`,
      })
      .default('loss'),
    mode: z
      .enum(Object.keys(modes) as [keyof typeof modes])
      .default('minimise')
      .transform((mode) => modes[mode]),
  })
  .prefault({});

const eta = z.number().int('must be a whole number').min(2, 'must be at least 2').default(3);
const scheduler = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('hyperband'),
    maxBudget: count,
    eta,
    minBudget: count.default(1),
    brackets: countOr('all').default('all'),
    bracketFormula: z.enum(['ceil', 'floor']).default('ceil'),
    order: z.enum(['sequential', 'together']).default('sequential'),
    iterations: countOr('untilLimit').default(1),
  }),
  z.strictObject({
    type: z.literal('successiveHalving'),
    trials: count,
    maxBudget: count,
    minBudget: count.default(1),
    eta,
  }),
  z.strictObject({ type: z.literal('full'), trials: count, maxBudget: count }),
  z.strictObject({
    type: z.literal('asha'),
    trials: countOr('untilLimit'),
    maxBudget: count,
    minBudget: count.default(1),
    eta,
  }),
]);

/** For editors: `R` may stand for `maxBudget`, and `bohb` for Hyperband with the sampler `tpe`. */
const bohb = scheduler.options[0].extend({ type: z.literal('bohb') });
const shortScheduler = z.union([
  scheduler,
  bohb,
  ...[...scheduler.options, bohb].map((option: z.ZodObject) => option.omit({ maxBudget: true }).extend({ R: count })),
]);

const sampler = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('random') }),
    z.strictObject({ type: z.literal('sobol') }),
    z.strictObject({ type: z.literal('grid'), pointsPerDimension: count.default(5) }),
    z.strictObject({
      type: z.literal('tpe'),
      wave: count.default(8),
      randomFraction: z
        .number()
        .min(0)
        .max(1)
        .default(1 / 3),
      goodShare: z.number().gt(0).lt(1).default(0.15),
      candidates: count.default(64),
      bandwidthFactor: positive.default(3),
      minBandwidth: positive.default(1e-3),
    }),
  ])
  .default({ type: 'random' });

const plainModel = z.enum(Object.keys(plainModels) as [keyof typeof plainModels]);
const modelUnion = z.discriminatedUnion('type', [
  z.strictObject({ type: plainModel }),
  z.strictObject({
    type: z.literal('annealer'),
    solver: z.enum(['simulated', 'dwave']).default('simulated'),
    taskQueue: z.string().min(1).default('everband-qubo'),
    reads: count.max(10_000).optional(),
    sweeps: count.max(100_000).default(300),
    combination: z.enum(['sound', 'faithful']).default('sound'),
    fallback: plainModel.nullable().default('svr'),
    maxQpuSeconds: positive.optional(),
    maxQpuCost: positive.optional(),
    qpuPricePerHour: positive.optional(),
  }),
  z.strictObject({
    type: z.literal('activity'),
    taskQueue: z.string().min(1),
    activity: z.string().min(1).default('predict'),
    settings: json.default(null),
  }),
]);
const model = modelUnion.transform((chosen) =>
  chosen.type === 'annealer' ? { ...chosen, reads: chosen.reads ?? (chosen.solver === 'dwave' ? 1000 : 100) } : chosen
);
const modelSetting = model.prefault({ type: 'svr' });
const minCurves = z.number().int().min(2, 'd must be at least 2').default(15);
const decisionPoint = z.number().gt(0).lt(1).default(0.5);

const predictor = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('none') }),
    z.strictObject({ type: z.literal('median'), decisionPoint, minTrials: count.default(5) }),
    z.strictObject({
      type: z.literal('fast'),
      model: modelSetting,
      minCurves,
      completeShare: z.number().positive().max(1).default(1),
      confidence: z.number().gt(0.5).lt(1).default(0.95),
    }),
    z.strictObject({
      type: z.literal('swift'),
      model: modelSetting,
      minCurves,
      completeShare: z.number().positive().max(1).default(0.5),
      decisionPoint,
    }),
  ])
  .default({ type: 'none' });

const trainer = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('module'), module: z.string().min(1) }),
  z.strictObject({
    type: z.literal('command'),
    command: z
      .array(z.string())
      .min(1)
      .refine(([program]) => program === undefined || program.trim() !== '', 'must start with a program'),
    cwd: z.string().default('.'),
    env: z.record(z.string(), z.string()).default({}),
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

const training = z
  .strictObject({
    segmentEpochs: count.optional(),
    attempts: count.default(3),
    backoffSeconds: seconds.default(5),
    maxLosses: count.default(10),
    parkSeconds: seconds.default(600),
    epochTimeoutSeconds: seconds.default(3600),
    heartbeatSeconds: z.number().min(2).default(15),
    graceSeconds: seconds.default(10),
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
      'letters, digits, ".", "_" and "-", at most 100, starting with a letter or digit'
    ),
  seed: z.number().int().min(0).max(4294967295).default(0),
  objective,
  space: z.record(z.string(), explicitParameter).default({}),
  sampler,
  scheduler,
  budgetUnit: z.string().min(1).default('epochs'),
  predictor,
  trainer,
  parallelism: count.max(mostInFlight).default(8),
  training,
  limits,
  tryFirst: z.array(z.record(z.string(), json)).default([]),
});

const short = z.union([z.string(), z.record(z.string(), z.unknown())]);
/** What `predictor` may be in one word; quantum-swift is swift with the annealer as its model. */
const predictorNames = ['none', 'median', 'fast', 'swift', 'quantum-swift'] as const;
/** A rule whose model may be named in one word, and quantum-swift beside swift. */
function withModelNames(rule: z.ZodObject): z.ZodObject[] {
  if (!('model' in rule.shape)) return [rule];
  const types = modelUnion.options.flatMap((option) => optionTypes(option as z.ZodObject));
  const named = rule.extend({ model: z.union([z.enum(types), modelUnion]).optional() });
  if (!optionTypes(rule).includes('swift')) return [named];
  const annealer = z.union([z.literal('annealer'), modelUnion.options[1]]).optional();
  return [named, rule.extend({ type: z.literal('quantum-swift'), model: annealer })];
}

/** What editors complete: the explicit form with the short forms beside it. */
export const editorSchema = z.strictObject({
  ...studySchema.shape,
  space: z.record(z.string(), z.union([shortParameter, explicitParameter])).default({}),
  scheduler: shortScheduler,
  sampler: z.union([z.enum(['random', 'sobol', 'grid', 'tpe']), sampler]),
  predictor: z.union([z.enum(predictorNames), ...predictor.unwrap().options.flatMap(withModelNames)]).optional(),
  trainer: z.union([trainer, short]),
});

/** Discriminated unions by path. */
export const unions: Record<string, z.ZodDiscriminatedUnion> = {
  scheduler,
  trainer,
  predictor: predictor.unwrap(),
  'predictor.model': modelUnion,
  sampler: sampler.unwrap(),
};

/** Types that stand for a combination of others. */
export const shorthands: Record<string, string[]> = { scheduler: ['bohb'], predictor: ['quantum-swift'] };

/** The types an option of a union stands for. */
export function optionTypes(option: z.ZodObject): string[] {
  const type = option.shape['type'] as z.ZodLiteral | z.ZodEnum;
  return type instanceof z.ZodEnum ? type.options.map(String) : [String(type.value)];
}

/** Mappings of one shape, by key. */
export const sections = { objective, training, limits };
