/** What is wrong with a study file, in words a user can act on. */
import { z } from 'zod';
import { nearest } from './nearest.js';
import { explicitParameter, optionTypes, sections, shorthands, studySchema, unions } from './schema.js';
import { isMapping, parameterWords, trainerWords } from './short-forms.js';

/** One thing wrong with a study file. */
export interface Problem {
  /** Where, e.g. `space.lr.low`; empty for the whole file. */
  readonly path: string;
  readonly value: unknown;
  /** What would be right. */
  readonly rule: string;
  readonly suggestion?: string;
}

/** A problem, with the suggestion only where there is one. */
export function problem(
  at: readonly string[],
  value: unknown,
  rule: string,
  suggestion: string | null = null
): Problem {
  return { path: at.join('.'), value, rule, ...(suggestion === null ? {} : { suggestion }) };
}

/** zod's issues as problems, with the nearest right key for a misspelt one. */
export function problemsOf(error: z.ZodError, input: unknown): Problem[] {
  return error.issues.flatMap((issue) => {
    const at = issue.path.map(String);
    const value = valueAt(input, at);
    if (issue.code === 'unrecognized_keys') {
      const keys = keysAt(at, value);
      const known = keys.length === 1 ? 'the only key is' : 'the keys are';
      const rule = `there is no such key${keys.length === 0 ? '' : `; ${known} ${keys.join(', ')}`}`;
      return issue.keys.map((key) => {
        const meant = keyMeant(at, value, key) ?? (at.length === 0 ? inSection(key) : null);
        return problem([...at, key], valueAt(value, [key]), rule, meant);
      });
    }
    const [section, name = ''] = at;
    const noParameter = issue.code === 'invalid_union' ? at.length === 3 && at[2] === 'type' : at.length === 2;
    if (section === 'space' && noParameter) return parameterProblem(name, valueAt(input, ['space', name]));
    const types = typesAt(at);
    if (types.length > 0 && at.at(-1) === 'type') {
      if (section === 'trainer' && value === undefined) return trainerProblem(valueAt(input, ['trainer']));
      const suggestion = typeof value === 'string' ? nearest(value, types) : null;
      const missing = value === undefined ? 'is missing: ' : '';
      return problem(at, value, `${missing}must be one of ${types.join(', ')}`, suggestion);
    }
    if (types.length > 0 && section === 'trainer') return trainerProblem(value);
    const rule = types.length > 0 ? `must be a mapping with a type of ${types.join(', ')}` : ruleOf(issue);
    const options = issue.code === 'invalid_value' ? issue.values.map(String) : [];
    const suggestion = typeof value === 'string' ? nearest(value, options) : null;
    return problem(at, value, value === undefined ? `is missing: ${rule}` : rule, suggestion);
  });
}

/** What zod calls the types, as a user would. */
const typeNames: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** zod's message, or what it should say. */
function ruleOf(issue: z.core.$ZodIssue): string {
  // A message of the schema's own says it best.
  if (!/^Invalid (input|option): /.test(issue.message)) return issue.message;
  if (issue.code === 'invalid_type') return `must be ${typeNames[issue.expected] ?? issue.expected}`;
  if (issue.code !== 'invalid_value') return issue.message;
  return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
}

function valueAt(input: unknown, at: readonly string[]): unknown {
  return at.reduce<unknown>((inside, key) => {
    const holds = (isMapping(inside) || Array.isArray(inside)) && Object.hasOwn(inside, key);
    return holds ? (inside as Record<string, unknown>)[key] : undefined;
  }, input);
}

/** The right key that a misspelt one most likely stands for. */
export function keyMeant(at: readonly string[], value: unknown, key: string): string | null {
  return nearest(key, keysAt(at, value));
}

function parameterProblem(name: string, value: unknown): Problem {
  const given = isMapping(value) ? parameterWords.filter((word) => word in value) : [];
  if (given.length > 1) {
    return problem(['space', name], value, `has ${given.join(' and ')}: give one of ${parameterWords.join(', ')}`);
  }
  const rule = `a parameter is {float: [low, high]}, {int: [low, high]}, {choice: [...]} or {fixed: value}, or has a type of ${parameterWords.join(', ')}`;
  return problem(['space', name], value, rule, wordMeant(value, parameterWords));
}

function trainerProblem(value: unknown): Problem {
  const rule =
    'a trainer is {module: file}, {command: [program, ...]}, {replay: file, columns: prefix} or {activity: name, taskQueue: queue}';
  const missing = value === undefined ? 'is missing: ' : '';
  return problem(['trainer'], value, missing + rule, wordMeant(value, trainerWords));
}

/** The first of `words` that a key of the mapping is near to. */
function wordMeant(value: unknown, words: readonly string[]): string | null {
  if (!isMapping(value)) return null;
  return Object.keys(value).reduce<string | null>((found, key) => found ?? nearest(key, words), null);
}

/** The types the union at or just above this path has. */
function typesAt(at: readonly string[]): string[] {
  const name = (at.at(-1) === 'type' ? at.slice(0, -1) : at).join('.');
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
  const mapping = at
    .slice(1)
    .reduce<z.ZodType | undefined>((inside, key) => shapeOf(inside)[key], sections[name as keyof typeof sections]);
  return Object.keys(shapeOf(mapping));
}

/** The keys of a mapping with what each may be, also of one that may be left out. */
function shapeOf(type: z.ZodType | undefined): Readonly<Record<string, z.ZodType>> {
  if (type instanceof z.ZodObject) return type.shape;
  const inside = type instanceof z.ZodOptional || type instanceof z.ZodPrefault ? type.unwrap() : undefined;
  return inside === undefined ? {} : shapeOf(inside as z.ZodType);
}

/** A key that stands one level too high, where it belongs. */
function inSection(key: string): string | null {
  const section = Object.keys(sections).find((name) => keysAt([name], undefined).includes(key));
  return section === undefined ? null : `${section}.${key}`;
}
