/** What is wrong with a study file, in words a user can act on. */
import type { z } from 'zod';
import { nearest } from './nearest.js';
import { explicitParameter, optionTypes, sections, shorthands, studySchema, unions } from './schema.js';
import { isMapping } from './short-forms.js';

/** One thing wrong with a study file. */
export interface Problem {
  /** Where, e.g. `space.lr.low`; empty for the whole file. */
  readonly path: string;
  readonly value: unknown;
  /** What would be right. */
  readonly rule: string;
  readonly suggestion?: string;
}
/** zod's issues as problems, with the nearest right key for a misspelt one. */
export function problemsOf(error: z.ZodError, input: unknown): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const at = issue.path.map(String);
    const value = at.reduce<unknown>(
      (inside, key) => (isMapping(inside) || Array.isArray(inside) ? (inside as never)[key] : undefined),
      input
    );
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(at, value);
      return issue.keys.map((key) => {
        const suggestion = nearest(key, known);
        return {
          path: [...at, key].join('.'),
          value: isMapping(value) ? value[key] : undefined,
          rule: `no such key; there are ${known.join(', ')}`,
          ...(suggestion === null ? {} : { suggestion }),
        };
      });
    }
    const noParameter = issue.code === 'invalid_union' ? at.length === 3 && at[2] === 'type' : at.length === 2;
    if (at[0] === 'space' && noParameter) {
      const name = at.slice(0, 2);
      return [
        {
          path: name.join('.'),
          value: (input as { space: Record<string, unknown> }).space[name[1] as string],
          rule: 'a parameter is {float: [low, high]}, {int: [low, high]}, {choice: [...]} or {fixed: value}, or has a type of float, int, choice, fixed',
        },
      ];
    }
    if (issue.code === 'invalid_union' && 'discriminator' in issue && value !== undefined) {
      const types = typesAt(at);
      const suggestion = typeof value === 'string' ? nearest(value, types) : null;
      const rule = `must be one of ${types.join(', ')}`;
      return [{ path: at.join('.'), value, rule, ...(suggestion === null ? {} : { suggestion }) }];
    }
    return [{ path: at.join('.'), value, rule: value === undefined ? `is missing: ${issue.message}` : issue.message }];
  });
}

/** The types the union at or just above this path has. */
function typesAt(at: readonly string[]): string[] {
  const name = at.filter((key) => key !== 'type').join('.');
  const types = unions[name]?.options.flatMap((option) => optionTypes(option as z.ZodObject)) ?? [];
  return [...types, ...(shorthands[name] ?? [])];
}

/** The keys a strict object at this path knows. */
function keysAt(at: readonly string[], value: unknown): string[] {
  if (at.length === 0) return Object.keys(studySchema.shape);
  const name = at[0] ?? '';
  const options = name === 'space' ? explicitParameter.options : unions[at.join('.')]?.options;
  if (options) {
    const type = isMapping(value) ? String(value['type']) : '';
    const option = options.find((one) => optionTypes(one as z.ZodObject).includes(type)) as z.ZodObject | undefined;
    if (name === 'space' && at.length > 2) return ['parameter', 'in'];
    return option ? Object.keys(option.shape) : [];
  }
  const field = sections[name as keyof typeof sections] as { unwrap(): z.ZodObject } | undefined;
  return field ? Object.keys(field.unwrap().shape) : [];
}
