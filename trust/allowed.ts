/**
 * What workers of a state folder may run: one file an entry in `<state>/allowed/`, written by `everband worker --allow`, and by
 * `everband start` where server, workers and state folder are the same user's. A seal says who started a study; this list,
 * whether the operator of the worker wants its code there.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { canonicalJson } from '../core/record.js';
import type { CommandTrainer, ModuleTrainer } from '../core/study.js';
import { loadsCode } from './environment.js';
import { coversProgram, programOf, ProgramError, type Program } from './programs.js';
import { openness, writePrivate } from './private-file.js';

type Runnable = CommandTrainer | ModuleTrainer;

/** One thing that may be run. */
export type Allowed = (Program | { readonly module: string }) & {
  /** Names that load code and that a study may set in the environment of this program. */
  readonly env: readonly string[];
};

/** A trainer that its worker's operator did not allow; the message names the flag that would. */
export class NotAllowedError extends Error {
  override readonly name = 'NotAllowedError';
}

/** What a trainer is on this machine. @throws {ProgramError} for one that can never be allowed */
export function allowedBy(trainer: Runnable): Allowed {
  if (trainer.type === 'module') return { module: realpathSync(trainer.module), env: [] };
  return { ...programOf(trainer.command, trainer.cwd), env: Object.keys(trainer.env).filter(loadsCode).sort() };
}

/** Adds an entry; false when it was there. */
export function allow(stateDir: string, entry: Allowed): boolean {
  if (isAllowed(stateDir, entry)) return false;
  const text = canonicalJson(entry);
  const folder = allowedFolder(stateDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const name = createHash('sha256').update(text).digest('hex').slice(0, 16);
  writePrivate(path.join(folder, `${name}.json`), text);
  return true;
}

/** Every entry, with the file that holds it. @throws {NotAllowedError} where others can write what is allowed */
export function allowedEntries(stateDir: string): { readonly file: string; readonly entry: Allowed }[] {
  const folder = allowedFolder(stateDir);
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return [];
  }
  const open = openness(folder, 0o022);
  if (open !== null) throw new NotAllowedError(`what workers may run is in ${folder}, and ${open}`);
  return names.flatMap((name) => {
    if (!name.endsWith('.json')) return [];
    const file = path.join(folder, name);
    try {
      const entry = JSON.parse(readFileSync(file, 'utf8')) as Partial<Allowed> | null;
      return isEntry(entry) ? [{ file, entry: entry as Allowed }] : [];
    } catch {
      // Cut or removed meanwhile: what cannot be read allows nothing.
      return [];
    }
  });
}

/** @throws {NotAllowedError} when this worker's operator has not allowed the trainer */
export function requireAllowed(stateDir: string, trainer: Runnable): Allowed {
  let entry: Allowed;
  try {
    entry = allowedBy(trainer);
  } catch (error) {
    const reason = error instanceof ProgramError ? error.message : `cannot be looked up: ${(error as Error).message}`;
    throw new NotAllowedError(
      `the trainer \`${commandText(trainer)}\` ${reason}. Workers run a program with its script`
    );
  }
  if (isAllowed(stateDir, entry)) return entry;
  const env = entry.env.length > 0 ? `, with ${entry.env.join(', ')} in its environment` : '';
  throw new NotAllowedError(
    `the operator of this worker has not allowed the trainer \`${commandText(trainer)}\`${env}. Fix: \`everband worker ` +
      `--allow <study file>\`, or ${flagFor(entry)}`
  );
}

/** An entry as the command line has it. */
export function allowedText(entry: Allowed): string {
  if ('module' in entry) return entry.module;
  const env = entry.env.length > 0 ? `, which may set ${entry.env.join(', ')}` : '';
  return `${lineOf(entry)} in ${entry.folder}${env}`;
}

function flagFor(entry: Allowed): string {
  if ('module' in entry) return `\`everband worker --allow ${entry.module}\``;
  const flags = entry.env.map((name) => ` --allow-env ${name}`).join('');
  return `\`everband worker --allow '${lineOf(entry)}'${flags}\` in ${entry.folder}`;
}

/** A program that takes any arguments after these by itself, and one that was allowed to. */
function lineOf({ program, words, open }: Program): string {
  return [program, ...words, ...(open && words.length === 0 ? ['...'] : [])].join(' ');
}

function commandText(trainer: Runnable): string {
  return trainer.type === 'module' ? trainer.module : trainer.command.join(' ').slice(0, 200);
}

function isAllowed(stateDir: string, wanted: Allowed): boolean {
  return allowedEntries(stateDir).some(({ entry }) => covers(entry, wanted));
}

function isEntry(entry: { env?: unknown; words?: unknown; files?: unknown; module?: unknown } | null): boolean {
  const lists = [entry?.env, ...(entry?.module === undefined ? [entry?.words, entry?.files] : [])];
  return lists.every((list) => Array.isArray(list));
}

function covers(entry: Allowed, wanted: Allowed): boolean {
  if (!wanted.env.every((name) => entry.env.includes(name))) return false;
  if ('module' in entry || 'module' in wanted) {
    return 'module' in entry && 'module' in wanted && entry.module === wanted.module;
  }
  return coversProgram(entry, wanted);
}

function allowedFolder(stateDir: string): string {
  return path.join(stateDir, 'allowed');
}
