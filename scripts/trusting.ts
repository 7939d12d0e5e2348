/** What makes workers trust a study: its seal, and their operator's word that its trainer may run. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { CliError } from '../cluster/errors.js';
import { namedCluster } from '../cluster/named.js';
import { stateDir } from '../cluster/state.js';
import type { CommandTrainer, ModuleTrainer, Study } from '../core/study.js';
import { commandWords } from '../study/command-words.js';
import { allow, allowedBy, allowedText, NotAllowedError, requireAllowed, type Allowed } from '../trust/allowed.js';
import { KeyError, makeSealKeys } from '../trust/key.js';
import { ProgramError } from '../trust/programs.js';
import { grantOf, sealOf } from '../trust/seal.js';
import { taskQueues } from '../workflows/messages.js';
import { checkStudy } from './check-study.js';

/** The seal of a study. @throws CliError when there is no key, or one that others could read */
export function sealFor(study: Study): string {
  try {
    return sealOf(makeSealKeys(stateDir()), grantOf(study));
  } catch (error) {
    if (error instanceof KeyError) throw new CliError(error.message);
    throw error;
  }
}

/**
 * Allows a study's trainer where nobody else has a say: server, workers and state folder are those of one user on one
 * machine. Gives the line that says so, or who has to; null where there is nothing to say.
 * @throws CliError for a trainer that no worker may run
 */
export async function allowOwn(client: Client, { trainer }: Study): Promise<string | null> {
  if (trainer.type !== 'command' && trainer.type !== 'module') return null;
  const others = await othersHaveASay(client);
  if (others === null) {
    const entry = entryOf(trainer);
    return allowHere(entry) ? `its workers may run ${allowedText(entry)}` : null;
  }
  if (isAllowedHere(trainer)) return null;
  return `its workers have to be told that they may run its trainer, for ${others}: \`everband worker --allow <study file>\``;
}

/**
 * Allows what `--allow` names: the trainer of a study file, a trainer module, or a program with its script. `env`: names
 * that a study may set although they load code. Gives a line for each.
 * @throws CliError
 */
export async function allowNamed(named: readonly string[], env: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const one of named) {
    const entry = await entryNamed(one);
    const whole = { ...entry, env: [...new Set([...entry.env, ...env])].sort() };
    const isNew = allowHere(whole);
    lines.push(`${isNew ? 'allowed' : 'allowed already'}: ${allowedText(whole)}`);
  }
  return lines;
}

/** Why the operator of the workers may be somebody else; null where that is this user. */
async function othersHaveASay(client: Client): Promise<string | null> {
  const named = namedCluster();
  if (named !== null) return `${named.by} names a cluster`;
  if (!isOwn(stateDir())) return `${stateDir()} is not this user's alone`;
  return (await workersAreOwn(client)) ? null : 'a worker that polls is not of this user and machine';
}

function isAllowedHere(trainer: CommandTrainer | ModuleTrainer): boolean {
  try {
    requireAllowed(stateDir(), trainer);
    return true;
  } catch {
    // This machine need not be one that trains.
    return false;
  }
}

function allowHere(entry: Allowed): boolean {
  try {
    return allow(stateDir(), entry);
  } catch (error) {
    if (error instanceof NotAllowedError) throw new CliError(error.message);
    throw error;
  }
}

async function entryNamed(text: string): Promise<Allowed> {
  const extension = path.extname(text).toLowerCase();
  if (existsSync(text) && ['.yaml', '.yml', '.json'].includes(extension)) {
    const { trainer } = await checkStudy(text);
    if (trainer.type === 'command' || trainer.type === 'module') return entryOf(trainer);
    throw new CliError(`${text} has a trainer of the type ${trainer.type}, which runs no program: leave it out.`, 2);
  }
  if (existsSync(text) && ['.js', '.mjs', '.cjs', '.ts', '.mts'].includes(extension)) {
    return entryOf({ type: 'module', module: path.resolve(text) });
  }
  const split = commandWords(text);
  if ('problem' in split) throw new CliError(`--allow ${text}: it ${split.problem}.`, 2);
  return entryOf({ type: 'command', command: split.words, cwd: process.cwd(), env: {} });
}

function entryOf(trainer: CommandTrainer | ModuleTrainer): Allowed {
  try {
    return allowedBy(trainer);
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const text = trainer.type === 'command' ? trainer.command.join(' ') : trainer.module;
    throw new CliError(
      `the trainer \`${text}\` ${error.message}, and workers run a program with its script. Fix: put the code into a file ` +
        'and name it, such as [python3, train.py].',
      2
    );
  }
}

/** Whether the folder is this user's and nobody else may write to it. */
function isOwn(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found) return true;
  return process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o022) === 0);
}

/** TASK_QUEUE_TYPE_ACTIVITY. */
const activities = 2;

/** Whether every process that polls for training is this user's, on this machine. */
async function workersAreOwn(client: Client): Promise<boolean> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueues.train },
    taskQueueType: activities,
  });
  return (pollers ?? []).every(({ identity }) => {
    const [, pid, host] = /^(\d+)@(.*)$/.exec(identity ?? '') ?? [];
    return host === os.hostname() && isOurs(Number(pid));
  });
}

/** Whether a process is this user's; one that has ended harms nobody. */
function isOurs(pid: number): boolean {
  if (process.getuid === undefined) return true;
  try {
    if (process.platform === 'linux') return statSync(`/proc/${pid}`).uid === process.getuid();
    return Number(execFileSync('ps', ['-o', 'uid=', '-p', String(pid)], { encoding: 'utf8' })) === process.getuid();
  } catch {
    return true;
  }
}
