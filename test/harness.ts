/** A real server and real worker processes in a folder of their own, for tests. Ends only what it started. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { readRecord } from '../activities/record-store.js';
import { ownPorts } from '../chaos/ports.js';
import { found } from '../chaos/processes.js';
import { createSampler } from '../core/sampler.js';
import { runInMemory } from '../core/in-memory.js';
import { predict } from '../core/predictors/predict.js';
import { stream } from '../core/rng.js';
import { canonicalJson, type StudyRecord, type StudyResult } from '../core/record.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome, Trial } from '../core/trial.js';
import { dataConverter } from '../cluster/codec.js';
import { startServer, stopServer, type ServerInfo } from '../cluster/server.js';
import { parseStudy } from '../study/parse.js';
import { classify } from '../trainers/protocol.js';
import { readTable } from '../trainers/replay.js';
import { makeSealKeys } from '../trust/key.js';
import { grantOf, sealOf } from '../trust/seal.js';
import { taskQueues, workflowIds, workflowTypes, type SealedStudy } from '../workflows/messages.js';
import { allowTrainer } from './trusted.js';

// Whatever cluster is named outside, by variables or in a home folder: tests start servers of their own.
for (const name of Object.keys(process.env)) if (/^(TEMPORAL|EVERBAND_KEY)/.test(name)) delete process.env[name];
process.env['TEMPORAL_CONFIG_FILE'] = path.join(os.tmpdir(), 'everband-no-temporal.toml');

/** The workflows as built. */
export const bundle = fileURLToPath(new URL('../dist/workflows/bundle.js', import.meta.url));
/** The command as built. */
export const cli = fileURLToPath(new URL('../dist/scripts/everband.js', import.meta.url));

/** Folder of the recorded curves; without it the test says what is missing, and fails in CI. */
export function dataFolder(test: Mocha.Context): string {
  const folder = process.env['EVERBAND_DATA'];
  if (folder) return folder;
  const message =
    'EVERBAND_DATA is not set: `everband data` fetches curves/mlpf.csv and its like, and says what to set';
  if (process.env['CI']) throw new Error(message);
  console.log(`      skipped: ${message}`);
  return test.skip();
}

/** The Python of python/.venv; without it the test says what is missing, and fails in CI. */
export function pythonOf(test: Mocha.Context): string {
  const python = fileURLToPath(new URL('../python/.venv/bin/python', import.meta.url));
  if (existsSync(python)) return python;
  const message = 'python/.venv is missing: npm run setup -- --python';
  if (process.env['CI']) throw new Error(message);
  console.log(`      skipped: ${message}`);
  return test.skip();
}

export function studyOf(file: object): Study {
  const parsed = parseStudy(file, { baseDir: process.cwd() });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.study;
}

/** What every run of the study must come to. `train` stands in for a trainer that is not replayed. */
export function reference(
  study: Study,
  train?: (trial: Trial, from: number, to: number) => SegmentOutcome
): Promise<StudyRecord> {
  const table = study.trainer.type === 'replay' ? readTable(study.trainer) : null;
  return runInMemory(study, {
    propose: createSampler(study, table?.rows ?? null).propose,
    train: train ?? ((trial, from, to) => recorded(table?.values[Number(trial.config['row'])] ?? [], from, to)),
    predict,
  });
}

/** Epochs from + 1 ... to of a recorded curve. */
function recorded(curve: readonly number[], from: number, to: number): SegmentOutcome {
  const values = curve.slice(from, to);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad === -1) return { outcome: 'completed', values };
  const nonFinite = classify(values[bad] as number) as 'nan' | 'inf' | '-inf';
  return { outcome: 'diverged', values: values.slice(0, bad), nonFinite };
}

/** A CSV file of seeded power-law curves, in columns `loss_1`, `loss_2` ... */
export function generatedCurves(rows: number, epochs: number): string {
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'everband-curves-')), 'curves.csv');
  const head = Array.from({ length: epochs }, (_, e) => `loss_${e + 1}`);
  const lines = Array.from({ length: rows }, (_, row) => {
    const random = stream(7, row);
    const [floor, height] = [random.uniform(), random.uniform()];
    return head.map((_, e) => floor + height / (e + 1)).join(',');
  });
  writeFileSync(file, [head.join(','), ...lines].join('\n'));
  return file;
}

/** A study's name is in its record, and so in its digests; everything else must be the same. */
export const nameless = (record: StudyRecord) => canonicalJson({ ...record, study: '', digests: [] });

/** What a command came to. */
export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a build of the command to its end. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string }
): Promise<Printed> {
  const child = spawn(process.execPath, [command, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? -1)));
  return { code, out, err };
}

export type Victim = 'trainer' | 'orchestrator' | 'server';

export class Cluster {
  readonly stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-test-'));
  private readonly workers = new Set<ChildProcess>();
  /** State folders of its workers. */
  private readonly folders = new Set([this.stateDir]);
  private readonly builds: string[] = [];
  private server: ServerInfo | null = null;
  private settings: Record<string, string | number> = {};
  private connection: Connection | null = null;

  constructor() {
    ownPorts(this.stateDir);
  }

  async start(settings: Record<string, string | number> = {}): Promise<ServerInfo> {
    this.settings = settings;
    this.server = await startServer(this.stateDir, () => undefined, settings);
    return this.server;
  }

  async client(): Promise<Client> {
    this.connection ??= await Connection.connect({ address: this.server?.address ?? '' });
    return new Client({ connection: this.connection, dataConverter: dataConverter('client') });
  }

  /** kill -9 of the server; `start` brings it back over the same database. */
  killServer(): void {
    if (this.server?.pid) process.kill(this.server.pid, 'SIGKILL');
  }

  /** kill -9 of the server and of every worker but `spared`; the database is gone, and a new server begins with none. */
  async loseDatabase(spared?: ChildProcess): Promise<void> {
    for (const worker of [...this.workers]) if (worker !== spared) await ended(worker, 'SIGKILL');
    this.killServer();
    await this.connection?.close();
    this.connection = null;
    while (found(this.server?.pid ?? 0)) await sleep(20);
    const folder = path.join(this.stateDir, 'server');
    for (const name of readdirSync(folder)) if (name.startsWith('temporal.db')) rmSync(path.join(folder, name));
    await this.start(this.settings);
  }

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, EVERBAND_HOME: this.stateDir, NO_COLOR: '1' };
  }

  /** A worker process; resolves once it polls. */
  async worker(roles: readonly string[], slots = 2, ...more: string[]): Promise<ChildProcess> {
    return this.workerIn(null, roles, slots, ...more);
  }

  /** The same with a state folder of its own, as another host's may be: it has the key from elsewhere. */
  async workerIn(folder: string | null, roles: readonly string[], slots = 2, ...more: string[]): Promise<ChildProcess> {
    const own = folder === null ? {} : this.elsewhere(folder);
    return this.workerOf(cli, own, roles, '--slots', String(slots), ...more);
  }

  /** What a worker with a state folder of its own is told. */
  private elsewhere(folder: string): NodeJS.ProcessEnv {
    this.folders.add(folder);
    makeSealKeys(this.stateDir);
    return {
      EVERBAND_HOME: folder,
      EVERBAND_KEY_FILE: path.join(this.stateDir, 'key'),
      TEMPORAL_ADDRESS: this.server?.address ?? '',
    };
  }

  /** The same of another build. */
  async workerOf(
    command: string,
    own: NodeJS.ProcessEnv,
    roles: readonly string[],
    ...more: string[]
  ): Promise<ChildProcess> {
    const child = spawn(process.execPath, [command, 'worker', ...roles, ...more], {
      env: { ...this.environment, ...own },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.workers.add(child);
    child.once('exit', () => this.workers.delete(child));
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)));
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (chunk: Buffer) => chunk.toString().includes('worker ready') && resolve());
      child.once('exit', (code) => reject(new Error(`worker ended with ${code}: ${errors}`)));
    });
    return child;
  }

  /** The command of another build, in which texts of some files are replaced. */
  otherBuild(changes: Readonly<Record<string, readonly (readonly [before: string, after: string])[]>>): string {
    const root = path.dirname(path.dirname(path.dirname(cli)));
    const tree = mkdtempSync(path.join(os.tmpdir(), 'everband-other-'));
    this.builds.push(tree);
    for (const part of ['dist', 'package.json'])
      cpSync(path.join(root, part), path.join(tree, part), { recursive: true });
    symlinkSync(path.join(root, 'node_modules'), path.join(tree, 'node_modules'));
    for (const [name, replacements] of Object.entries(changes)) {
      const file = path.join(tree, 'dist', name);
      let text = readFileSync(file, 'utf8');
      for (const [before, after] of replacements) {
        assert.ok(text.includes(before), `${before} is gone from ${name}`);
        text = text.replace(before, after);
      }
      writeFileSync(file, text);
    }
    return path.join(tree, 'dist/scripts/everband.js');
  }

  /** Runs a study while processes are killed with -9 and started again, one after the other, `pause()` ms apart. */
  async finishUnderFire(study: Study, victims: readonly Victim[], pause: () => number): Promise<StudyResult> {
    const start = {
      trainer: () => this.worker(['train'], 4),
      orchestrator: () => this.worker(['orchestrate', 'predict']),
    };
    const workers = { trainer: await start.trainer(), orchestrator: await start.orchestrator() };
    await this.begin(study);
    for (const victim of victims) {
      await sleep(pause());
      if (victim === 'server') {
        this.killServer();
        await sleep(300);
        await this.start(this.settings);
      } else {
        await ended(workers[victim], 'SIGKILL');
        workers[victim] = await start[victim]();
      }
    }
    const result = await this.result(study);
    await ended(workers.trainer);
    await ended(workers.orchestrator);
    return result;
  }

  /** Runs the command and gives what it printed. */
  everband(...args: string[]): Promise<Printed> {
    return this.everbandOf(cli, ...args);
  }

  /** The same of another build. */
  everbandOf(command: string, ...args: string[]): Promise<Printed> {
    return runCommand(command, args, { env: this.environment });
  }

  /** As `everband start` does it. */
  async begin(study: Study): Promise<void> {
    const client = await this.client();
    for (const folder of this.folders) allowTrainer(folder, study.trainer);
    await client.workflow.start(workflowTypes.study, {
      workflowId: workflowIds.study(study.name),
      taskQueue: taskQueues.orchestrate,
      args: [this.sealed(study)],
    });
  }

  sealed(study: Study): SealedStudy {
    return { study, seal: sealOf(makeSealKeys(this.stateDir), grantOf(study)) };
  }

  async result(study: Study): Promise<StudyResult> {
    const client = await this.client();
    return (await client.workflow.getHandle(workflowIds.study(study.name)).result()) as StudyResult;
  }

  record(study: Study): StudyRecord {
    const record = readRecord(this.stateDir, study.name);
    if (!record) throw new Error(`no record of ${study.name}`);
    return record;
  }

  /** Events of every workflow of the study. */
  async events(study: Study): Promise<{ total: number; most: number; bytes: number }> {
    const client = await this.client();
    let total = 0;
    let most = 0;
    let bytes = 0;
    for await (const { workflowId, runId } of client.workflow.list({
      query: `WorkflowId STARTS_WITH '${workflowIds.study(study.name)}'`,
    })) {
      const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
      const length = Number(raw.workflowExecutionInfo?.historyLength ?? 0);
      total += length;
      most = Math.max(most, length);
      bytes += Number(raw.workflowExecutionInfo?.historySizeBytes ?? 0);
    }
    return { total, most, bytes };
  }

  async end(): Promise<void> {
    const gone = [...this.workers].map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of this.workers) worker.kill('SIGKILL');
    await Promise.all(gone);
    await this.connection?.close();
    await stopServer(this.stateDir);
    for (const folder of [this.stateDir, ...this.builds]) rmSync(folder, { recursive: true, force: true });
  }
}

/** Epochs that stand in the logs of a study more than once; `trials`: in those of these trials. */
export function trainedAgain(stateDir: string, study: Study, trials: ReadonlySet<string> | null = null): number {
  const logs = path.join(stateDir, 'studies', study.name, 'logs');
  let again = 0;
  for (const file of readdirSync(logs)) {
    if (trials && !trials.has(path.basename(file, '.log'))) continue;
    const lines = readFileSync(path.join(logs, file), 'utf8').split('\n');
    const epochs = lines.flatMap((line) => /^\{"epoch":(\d+)/.exec(line)?.[1] ?? []);
    again += epochs.length - new Set(epochs).size;
  }
  return again;
}

let quiet = false;

/** A replay that fails is told by its result, not by the log. The options outlive the runtime, which goes with its last worker. */
export function quietRuntime(): void {
  if (quiet) return;
  quiet = true;
  const logging = { filter: 'ERROR', forward: {} };
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined), telemetryOptions: { logging } });
}

/** A worker that takes a workflow over goes through its history first: those of every workflow that ran so far, `least` or more. */
export function itReplays(cluster: Cluster, least: number): void {
  it('leaves only histories that replay', async function () {
    quietRuntime();
    const client = await cluster.client();
    const options = { workflowBundle: { code: readFileSync(bundle, 'utf8') }, dataConverter: dataConverter('worker') };
    const failed: string[] = [];
    let replayed = 0;
    const histories = client.workflow.list().intoHistories();
    for await (const { workflowId, error } of Worker.runReplayHistories(options, histories)) {
      replayed++;
      if (error) failed.push(`${workflowId}: ${error.message}`);
    }
    assert.deepEqual(failed, []);
    // Every other test of the suite was skipped, and said why.
    if (replayed === 0 && !process.env['CI']) return this.skip();
    assert.ok(replayed >= least, `${replayed} histories`);
  });
}

/** Ends a worker and waits until it has gone. */
export async function ended(worker: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const gone = new Promise((resolve) => worker.once('exit', resolve));
  worker.kill(signal);
  await gone;
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Looks again and again until there is something to see, and gives it. */
export async function until<T>(
  what: string,
  look: () => T | null | false | Promise<T | null | false>,
  seconds = 60
): Promise<T> {
  for (const since = Date.now(); ; await sleep(50)) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() - since < seconds * 1000, `waited ${seconds} s until ${what}`);
  }
}
