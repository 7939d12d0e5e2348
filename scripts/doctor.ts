/** Looks a set-up over. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs';
import pc from 'picocolors';
import type { Client } from '@temporalio/client';
import { searchAttributes, taskQueues, workflowIds, workflowTypes } from '../workflows/messages.js';
import { codecFile, keysVariable, readCodecKeys } from '../cluster/codec.js';
import { withClient } from '../cluster/connect.js';
import { missingPollers } from './pollers.js';
import { namedCluster } from '../cluster/named.js';
import { stateFileProblem } from '../cluster/remembered.js';
import { stateDir } from '../cluster/state.js';
import { findTemporalCli } from '../cluster/temporal-cli.js';
import { troublesOf, type Trouble } from '../cluster/troubles.js';
import { allowedEntries, allowedText } from '../trust/allowed.js';

export interface Check {
  readonly name: string;
  readonly state: 'fine' | 'note' | 'wrong';
  readonly found: string;
  /** The one line that mends it. */
  readonly fix?: string;
}

export async function doctor(): Promise<Check[]> {
  const checks: Check[] = [];
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const nodeFine = major > 20 || (major === 20 && minor >= 19);
  checks.push({
    name: 'Node',
    state: nodeFine ? 'fine' : 'wrong',
    found: process.versions.node,
    ...(nodeFine ? {} : { fix: 'install Node 20.19 or newer' }),
  });
  checks.push(python(), stateFolder(), allowedTrainers());
  try {
    const named = namedCluster();
    if (named)
      checks.push({
        name: 'Temporal',
        state: 'note',
        found: `${named.by} names ${named.settings.address}, nothing is started here`,
      });
    else checks.push(...(await embeddedServer()));
    checks.push(payloadCodec());
    await withClient(async (client) => {
      const { namespace } = client.options;
      checks.push({ name: 'server', state: 'fine', found: `it answers, with namespace ${namespace}` });
      const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
      const missing = Object.entries(searchAttributes).filter(([name]) => !(name in (customAttributes ?? {})));
      const type = { KEYWORD: 'Keyword', INT: 'Int', DOUBLE: 'Double' } as const;
      const flags = missing.map(([name, kind]) => `--name ${name} --type ${type[kind]}`).join(' ');
      checks.push({
        name: 'search attributes',
        state: missing.length === 0 ? 'fine' : 'wrong',
        found: missing.length === 0 ? 'registered' : `missing: ${missing.map(([name]) => name).join(', ')}`,
        ...(missing.length === 0 ? {} : { fix: `temporal operator search-attribute create ${flags}` }),
      });
    });
    const [idle, running] = [await missingPollers(Object.values(taskQueues)), await withClient(studies)];
    // What a study waits for says more than who was seen at the queue.
    const waits = [...running.values()].flat().some(({ kind }) => kind === 'waits');
    for (const [role, queue] of Object.entries(taskQueues)) {
      checks.push(worker(role, !idle.includes(queue), waits && queue === taskQueues.orchestrate));
    }
    checks.push(...troubleChecks(running));
  } catch (error) {
    const [found = '', fix = 'everband server'] = (error as Error).message.split(/\. Fix: /);
    checks.push({ name: 'server', state: 'wrong', found, fix: fix.replaceAll('`', '').replace(/\.$/, '') });
  }
  return checks;
}

function worker(role: string, polled: boolean, waits: boolean): Check {
  const name = `worker ${role}`;
  const fix = `everband worker ${role}`;
  if (!polled) return { name, state: 'note', found: 'no worker polls', fix };
  if (waits) return { name, state: 'wrong', found: 'a worker was seen, but a study waits for one in vain', fix };
  return { name, state: 'fine', found: 'a worker polls' };
}

/** The studies that run, with what keeps them from going on. */
async function studies(client: Client): Promise<ReadonlyMap<string, readonly Trouble[]>> {
  const prefix = workflowIds.study('');
  const names = new Set<string>();
  const query = `WorkflowType = '${workflowTypes.study}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) names.add(workflowId.replace(prefix, ''));
  return new Map(await Promise.all([...names].map(async (name) => [name, await troublesOf(client, name)] as const)));
}

/** A line for each trouble of a study that runs. */
function troubleChecks(running: ReadonlyMap<string, readonly Trouble[]>): Check[] {
  const wrong = [...running].flatMap(([name, troubles]) =>
    troubles.map<Check>(({ says, fix }) => ({ name: `study ${name}`, state: 'wrong', found: says, fix }))
  );
  return wrong.length > 0
    ? wrong
    : [{ name: 'studies', state: 'fine', found: `${running.size} running, none in trouble` }];
}

async function embeddedServer(): Promise<Check[]> {
  const cli = await findTemporalCli();
  const problem = stateFileProblem(stateDir());
  return [
    {
      name: 'Temporal CLI',
      state: cli.program === null ? 'note' : 'fine',
      found: cli.program === null ? cli.tried.join(', ') : cli.where,
      ...(cli.program === null ? { fix: 'everband server (finds, downloads or builds it)' } : {}),
    },
    {
      name: 'server state',
      state: problem ? 'wrong' : 'fine',
      found: problem ?? 'sound',
      ...(problem
        ? { fix: 'end the Temporal server of this folder if one still runs, remove that file, then everband server' }
        : {}),
    },
  ];
}

/** Only trainers written in Python need it. */
function python(): Check {
  const { status, stdout } = spawnSync('python3', ['--version'], { encoding: 'utf8', timeout: 10_000 });
  if (status === 0) return { name: 'Python', state: 'fine', found: stdout.trim().replace('Python ', '') };
  return {
    name: 'Python',
    state: 'note',
    found: 'no python3 on PATH',
    fix: 'install Python 3.10 or newer, if your trainer needs it',
  };
}

/** What workers of this state folder may run. */
function allowedTrainers(): Check {
  const lines = allowedEntries(stateDir()).map(({ file, entry }) => `\n        ${allowedText(entry)} (${file})`);
  return { name: 'allowed trainers', state: 'fine', found: lines.length === 0 ? 'none yet' : lines.join('') };
}

function payloadCodec(): Check {
  const file = codecFile();
  if (file === null) return { name: 'payload codec', state: 'fine', found: `off, ${keysVariable} is not set` };
  const { current, keys } = readCodecKeys(file);
  const others = [...keys.keys()].filter((id) => id !== current);
  const also = others.length > 0 ? `; ${others.join(', ')} only to read` : '';
  return { name: 'payload codec', state: 'fine', found: `on, key ${current} of ${file}${also}` };
}

function stateFolder(): Check {
  const folder = stateDir();
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    const free = (bavail * bsize) / 1e9;
    const enough = free > 1;
    return {
      name: 'state folder',
      state: enough ? 'fine' : 'wrong',
      found: `${folder}, ${free.toFixed(0)} GB free`,
      ...(enough ? {} : { fix: 'free some disk space, or set EVERBAND_HOME to a folder on a larger disk' }),
    };
  } catch {
    return {
      name: 'state folder',
      state: 'wrong',
      found: `${folder} cannot be written`,
      fix: 'set EVERBAND_HOME to a folder you own',
    };
  }
}

export function printChecks(checks: readonly Check[]): string {
  const mark = { fine: pc.green('ok   '), note: pc.yellow('note '), wrong: pc.red('WRONG') };
  return checks
    .map(({ name, state, found, fix }) => `${mark[state]} ${name}: ${found}${fix ? `\n      fix: ${fix}` : ''}`)
    .join('\n');
}
