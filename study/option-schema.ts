/** Schemas of the settings that schedulers, samplers, pruners and predictors declare (core/options.ts). */
import { z } from 'zod';
import { problemOf, type Option } from '../core/options.js';
import type { Config } from '../core/study.js';

export const json: z.ZodType<Config[string]> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)], {
    error: 'must be text, a finite number, true, false, null, or a list or mapping of those',
  })
);

type Declared = Readonly<Record<string, { readonly options: Readonly<Record<string, Option>> }>>;

/** A mapping for every entry of a registry, told apart by `type`. */
export function unionOf(registry: Declared, predictor: z.ZodType = z.never()): z.ZodDiscriminatedUnion {
  const options = Object.entries(registry).map(([type, one]) => optionShape(type, one.options, predictor));
  return z.discriminatedUnion('type', options as unknown as [z.ZodObject]);
}

/** The mapping of one type with its options. */
export function optionShape(
  type: string,
  options: Readonly<Record<string, Option>>,
  predictor: z.ZodType = z.never()
): z.ZodObject {
  const shape = Object.entries(options).map(([key, option]) => [key, schemaOf(option, predictor)] as const);
  return z.strictObject({ type: z.literal(type), ...Object.fromEntries(shape) });
}

function schemaOf(option: Option, predictor: z.ZodType): z.ZodType {
  const described = bare(option, predictor).describe(option.says);
  if (option.kind === 'number' && option.optional) return described.optional();
  if (option.kind === 'predictor') return described.prefault({ type: option.default });
  if (option.default === undefined) return described;
  // Which default it is follows from another option.
  return 'defaultWhere' in option ? described.optional() : described.default(option.default);
}

/** An option without its default, which is filled in later. */
export function undefaulted(option: Option): z.ZodType {
  return bare(option, z.never()).describe(option.says);
}

function bare(option: Option, predictor: z.ZodType): z.ZodType {
  const rule = problemOf(option, undefined) ?? '';
  switch (option.kind) {
    case 'whole': {
      const { min = 1, max, or } = option;
      const number = z.number(rule).int(rule).min(min, rule);
      const bounded = max === undefined ? number : number.max(max, rule);
      return or === undefined ? bounded : z.union([bounded, z.literal(or)], { error: rule });
    }
    case 'number': {
      const { above, below, min, max } = option;
      let number = z.number(rule);
      if (above !== undefined) number = number.gt(above, rule);
      if (below !== undefined) number = number.lt(below, rule);
      if (min !== undefined) number = number.min(min, rule);
      if (max !== undefined) number = number.max(max, rule);
      return number;
    }
    case 'word': {
      const words = z.enum(option.of as [string], rule);
      return option.orNull ? words.nullable() : words;
    }
    case 'text':
      return z.string(rule).min(1, rule);
    case 'json':
      return json;
    case 'predictor':
      return predictor;
  }
}
