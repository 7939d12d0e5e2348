/** What users may write shorter than the schema says: `lr: {float: [0, 1]}`, `R`, `pruner: swift`, `bohb`. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Problem } from './problem.js';
import { shortName, shortPruners, shortSchedulers } from '../core/short-names.js';
import { commandWords } from './command-words.js';

/** What a parameter may be: a type, or the one key of its short form. */
export const parameterWords = ['float', 'int', 'choice', 'fixed'] as const;
/** The key that says what a trainer without a type is. */
export const trainerWords = ['module', 'command', 'replay', 'activity'] as const;

export interface ParseContext {
  /** Relative paths are resolved against it. */
  readonly baseDir: string;
  /** Whether trainer files must exist here: no on a worker that does not train. @default true */
  readonly checkFiles?: boolean;
  /** Whether `${NAME}` in a path stands for a variable of this process: only with whoever starts the study. @default true */
  readonly expand?: boolean;
}

const parameterName =
  "a parameter's name must not be empty, and must not be one that every JavaScript object has, such as __proto__ or constructor";

/** Turns the short forms into the explicit ones and paths into absolute ones. */
export function rewrite(
  input: Record<string, unknown>,
  { baseDir, checkFiles = true, expand = true }: ParseContext
): { value: Record<string, unknown>; problems: Problem[] } {
  const problems: Problem[] = [];
  const value: Record<string, unknown> = { ...input };
  const space = value['space'];
  if (isMapping(space)) {
    for (const [name, one] of Object.entries(space)) {
      if (name === '' || name in Object.prototype) {
        problems.push({ path: `space.${name}`, value: one, rule: parameterName });
      }
    }
    value['space'] = Object.fromEntries(Object.entries(space).map(([name, one]) => [name, rewriteParameter(one)]));
  }
  if (value['predictor'] !== undefined) {
    const rule = 'is called pruner now, for it stops trials: write pruner: ...';
    problems.push({ path: 'predictor', value: value['predictor'], rule });
    value['pruner'] ??= value['predictor'];
    delete value['predictor'];
  }
  if (typeof value['pruner'] === 'string') value['pruner'] = { type: value['pruner'] };
  if (isMapping(value['pruner'])) value['pruner'] = rewritePruner(value['pruner'], problems);
  if (typeof value['sampler'] === 'string') value['sampler'] = { type: value['sampler'] };
  const scheduler = isMapping(value['scheduler']) ? value['scheduler'] : {};
  const short = shortName(shortSchedulers, scheduler['type']);
  if (short) {
    const chosen: unknown = value['sampler'] ?? { type: short.with };
    if (isMapping(chosen) && typeof chosen['type'] === 'string' && chosen['type'] !== short.with) {
      problems.push({ path: 'sampler', value: chosen['type'], rule: short.rule });
    }
    value['scheduler'] = { ...scheduler, type: short.type };
    value['sampler'] = chosen;
  }
  if (isMapping(value['scheduler']) && 'R' in value['scheduler']) {
    const { R, ...rest } = value['scheduler'];
    if ('maxBudget' in rest)
      problems.push({
        path: 'scheduler.R',
        value: R,
        rule: 'is a short form of maxBudget, which is given as well: give only one of the two',
      });
    value['scheduler'] = { maxBudget: R, ...rest };
  }
  if (isMapping(value['trainer'])) {
    let trainer = value['trainer'];
    if (!('type' in trainer)) {
      if ('module' in trainer) trainer = { type: 'module', ...trainer };
      else if ('command' in trainer) trainer = { type: 'command', ...trainer };
      else if ('replay' in trainer) {
        const { replay, ...rest } = trainer;
        trainer = { type: 'replay', file: replay, ...rest };
      } else if ('activity' in trainer) trainer = { type: 'activity', ...trainer };
    }
    const { command } = trainer;
    if (typeof command === 'string') {
      const split = commandWords(command);
      if ('problem' in split) problems.push({ path: 'trainer.command', value: command, rule: split.problem });
      // A blank line stays the empty word it is, which the schema refuses.
      trainer = { ...trainer, command: 'words' in split && split.words.length > 0 ? split.words : [command.trim()] };
    }
    if (trainer['type'] === 'command') trainer = { cwd: '.', ...trainer };
    for (const key of ['module', 'file', 'cwd']) {
      const given = trainer[key];
      if (typeof given !== 'string') continue;
      const expanded = given.replace(/\$\{(\w+)\}/g, (whole, name: string) => {
        const found = expand ? process.env[name] : whole;
        if (found === undefined)
          problems.push({ path: `trainer.${key}`, value: given, rule: `the environment variable ${name} is not set` });
        return found ?? whole;
      });
      const absolute = path.resolve(baseDir, expanded);
      if (checkFiles && !problems.some((problem) => problem.path === `trainer.${key}`) && !existsSync(absolute)) {
        problems.push({ path: `trainer.${key}`, value: given, rule: 'there is no such file here' });
      }
      trainer = { ...trainer, [key]: absolute };
    }
    value['trainer'] = trainer;
  }
  return { value, problems };
}

function rewritePruner(given: Record<string, unknown>, problems: Problem[]): Record<string, unknown> {
  const { model, ...rest } = given;
  if (model !== undefined) {
    const rule = 'is called predictor now, for it predicts losses: write pruner: {predictor: ...}';
    problems.push({ path: 'pruner.model', value: model, rule });
  }
  const pruner = model === undefined || 'predictor' in rest ? rest : { ...rest, predictor: model };
  const { predictor } = pruner;
  const named = typeof predictor === 'string' ? { ...pruner, predictor: { type: predictor } } : pruner;
  const short = shortName(shortPruners, named['type']);
  if (!short) return named;
  const { type } = short;
  const own = { type: short.with };
  const chosen = isMapping(named['predictor']) ? named['predictor']['type'] : undefined;
  if (typeof chosen !== 'string' || chosen === short.with) return { predictor: own, ...named, type };
  problems.push({ path: 'pruner.predictor', value: predictor, rule: short.rule });
  return { ...named, predictor: own, type };
}

function rewriteParameter(one: unknown): unknown {
  if (!isMapping(one) || 'type' in one) return one;
  // More than one, and nobody knows which is meant: the schema refuses it as it stands.
  if (parameterWords.filter((word) => word in one).length > 1) return one;
  const { float, int, choice, fixed, ...rest } = one;
  if (Array.isArray(float) && float.length === 2)
    return { type: 'float', low: float[0] as unknown, high: float[1] as unknown, ...rest };
  if (Array.isArray(int) && int.length === 2)
    return { type: 'int', low: int[0] as unknown, high: int[1] as unknown, ...rest };
  if (choice !== undefined) return { type: 'choice', values: choice, ...rest };
  if (fixed !== undefined) return { type: 'fixed', value: fixed, ...rest };
  return one;
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
