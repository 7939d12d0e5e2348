/** What this worker can read of what a workflow asks it to train. */
import path from 'node:path';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { z } from 'zod';
import { lineKeys } from '../core/metrics.js';
import { trainerSchema } from '../study/schema.js';
import { placeName } from '../trust/places.js';
import { failureTypes, type TrainSegmentInput } from '../workflows/messages.js';
import { invalid } from './trusted.js';

const name = z.string().regex(placeName, 'cannot be a name');
const whole = 'must be a whole number';
const count = z.number(whole).int(whole).min(0, 'must be a whole number of 0 or more');
const epoch = z.number('must be an epoch, 1 or more').int(whole).min(1, 'must be an epoch, 1 or more');
const seconds = z.number().min(0).max(1e9);
const metric = z.string().min(1).max(1000);
const trainer = trainerSchema.refine(
  (one) => ['module', 'file', 'cwd'].every((key) => isAbsoluteOrAbsent((one as Record<string, unknown>)[key])),
  'must have absolute paths'
);

/** Of every version; further keys are of versions that this one can do without. */
const segment = z.looseObject({
  study: name,
  identity: z.looseObject({ id: z.string().min(1).max(200), incarnation: count }),
  trial: z.looseObject({
    id: name,
    config: z.record(z.string(), z.unknown()),
    seed: count.max(2 ** 32 - 1, 'must be a 32-bit number'),
  }),
  metric: metric.refine((key) => !lineKeys.includes(key), 'is what a trainer reports beside the metric'),
  from: count,
  to: count,
  trainer,
  training: z.looseObject({ maxLosses: epoch, epochTimeoutSeconds: seconds, graceSeconds: seconds }),
  reset: z.number().optional(),
  source: z.looseObject({ trial: name, epoch }).optional(),
  hold: z.boolean().optional(),
});
const versions = {
  2: segment,
  3: segment.extend({ shift: z.number(whole).int(whole) }),
  4: segment.extend({
    shift: z.number(whole).int(whole),
    metrics: z.array(metric, 'must be a list of names').min(1, 'must be a list of names'),
  }),
} as const;

/** @throws ApplicationFailure that names what is wrong; of a version that is not known one that is asked again */
export function readSegment(input: unknown): TrainSegmentInput {
  const version = (input as Partial<TrainSegmentInput> | null)?.schemaVersion;
  const schema = versions[version as keyof typeof versions] as z.ZodType | undefined;
  if (!schema || typeof version !== 'number') throw unsupported(version);
  const parsed = schema.safeParse(input);
  if (!parsed.success) {
    const wrong = parsed.error.issues.slice(0, 5).map((issue) => {
      const at = issue.path.map(String);
      const seen = JSON.stringify(at.reduce<unknown>((inside, key) => (inside as never)?.[key], input)) ?? 'missing';
      return `${at.join('.')} is ${seen.slice(0, 100)}: ${issue.message}`;
    });
    throw invalid(`the request cannot be read: ${wrong.join('; ')}`);
  }
  const read = input as TrainSegmentInput;
  if (version === 2 && read.source && read.source.epoch !== read.from) {
    throw invalid(
      `source.epoch must be "from" with schemaVersion 2, which is ${read.from}; the request has ${read.source.epoch}`
    );
  }
  return read;
}

function isAbsoluteOrAbsent(place: unknown): boolean {
  return place === undefined || (typeof place === 'string' && path.isAbsolute(place));
}

function unsupported(version: unknown): ApplicationFailure {
  // Workers are updated one after the other: one that reads it may be the next to be asked.
  const seconds = Math.min(30, 2 ** (Context.current().info.attempt - 1));
  return ApplicationFailure.create({
    message: `this worker reads schemaVersion 2, 3 and 4, the request has ${String(version)}; update the older of the two`,
    type: failureTypes.unsupportedSchema,
    nonRetryable: false,
    nextRetryDelay: seconds * 1000,
  });
}
