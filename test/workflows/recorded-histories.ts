/** Makes the histories in `histories/` anew, all of them or those of the studies that are named. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import proto from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import {
  failureTypes,
  queryNames,
  updateNames,
  workflowIds,
  type Progress,
  type TrainSegmentInput,
  type TrainSegmentResult,
} from '../../workflows/messages.js';
import { Cluster, ended, sleep, studyOf } from '../harness.js';

const { History } = proto.temporal.api.history.v1;
export const folder = fileURLToPath(new URL('./histories/', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const taskQueue = 'history-train';

interface Recorded {
  /** What its study file says beside the usual. */
  readonly study: object;
  /** Events after which the server suggests a new run; absent: as many as usual. */
  readonly suggestNewRunAfter?: number;
  /** What operators do while it runs. */
  readonly operate?: (client: Client, study: string) => Promise<void>;
}

const small = { type: 'hyperband', R: 9, eta: 3 };
/** Large enough that its predictor is asked. */
const asked = { type: 'hyperband', R: 27, eta: 3, brackets: 1 };
const dwave = { type: 'annealer', solver: 'dwave', reads: 10 };

/** One small study for every kind of workflow, and for everything that leaves its own events in a history. */
export const recorded: Record<string, Recorded> = {
  history: { study: { scheduler: small, pruner: { type: 'swift', minCurves: 4 } } },
  'history-fast': {
    study: { scheduler: { type: 'bohb', R: 9, eta: 3, brackets: 1 }, pruner: { type: 'fast', minCurves: 2 } },
  },
  'history-together': { study: { scheduler: { ...small, order: 'together' }, pruner: 'median' } },
  'history-asha': {
    study: { scheduler: { type: 'asha', R: 9, eta: 3, trials: 20 }, pruner: { type: 'swift', minCurves: 2 } },
  },
  // Its worst case is more than a round may train itself; that every trial diverges early keeps the histories small.
  'history-shards': {
    study: {
      scheduler: { type: 'full', trials: 2, R: 251 },
      training: { segmentEpochs: 1 },
      space: { x: { float: [0, 1] }, divergesAt: { fixed: 20 } },
    },
    suggestNewRunAfter: 60,
  },
  'history-runs': {
    study: { scheduler: { ...small, iterations: 2 }, pruner: { type: 'fast', minCurves: 2 } },
    suggestNewRunAfter: 40,
  },
  'history-runs-asha': { study: { scheduler: { type: 'asha', R: 9, eta: 3, trials: 20 } }, suggestNewRunAfter: 40 },
  'history-population': {
    study: { scheduler: { type: 'populationBased', trials: 4, R: 6, interval: 2 }, space: { x: { float: [0, 0.7] } } },
  },
  'history-runs-population': {
    study: {
      scheduler: { type: 'asyncPopulationBased', trials: 6, R: 8, interval: 2 },
      space: { x: { float: [0, 0.7] } },
    },
    suggestNewRunAfter: 40,
  },
  'history-updates': {
    study: { scheduler: small, space: { x: { float: [0, 1] }, ms: { fixed: 400 } }, parallelism: 2 },
    operate: async (client, study) => {
      const handle = client.workflow.getHandle(workflowIds.study(study));
      await running(client, study);
      await handle.executeUpdate(updateNames.pause);
      await sleep(1000);
      await handle.executeUpdate(updateNames.resume);
      await handle.executeUpdate(updateNames.setParallelism, { args: [{ parallelism: 4 }] });
      await sleep(1000);
      await handle.executeUpdate(updateNames.stop);
    },
  },
  'history-parked': {
    study: {
      scheduler: { type: 'full', trials: 3, R: 3 },
      space: { x: { float: [0, 1] }, breaks: { fixed: true } },
      training: { attempts: 1, backoffSeconds: 0 },
    },
    operate: async (client, study) => {
      const round = client.workflow.getHandle(workflowIds.round(study, 'b0', 0));
      const [retried, dropped] = await parked(client, study, 2);
      await round.executeUpdate(updateNames.retryTrial, { args: [{ trial: retried, resetCheckpoint: true }] });
      await round.executeUpdate(updateNames.dropTrial, { args: [{ trial: dropped }] });
    },
  },
  'history-late': {
    study: {
      scheduler: small,
      space: { x: { float: [0, 0.7] }, ms: { fixed: 200 }, breaks: { fixed: true } },
      training: { attempts: 1, parkSeconds: 0 },
      parallelism: 2,
    },
    operate: async (client, study) => {
      const [trial, last] = ['b2-t000', workflowIds.round(study, 'b2', 1)];
      await until(client, last, (progress) => progress.running.length > 0);
      const handle = client.workflow.getHandle(workflowIds.study(study));
      await handle.executeUpdate(updateNames.retryLate, { args: [{ trial, reset: false, queue: null }] });
      await client.workflow.getHandle(workflowIds.late(study, trial)).result();
    },
  },
  'history-annealer': {
    study: { scheduler: asked, pruner: { type: 'swift', minCurves: 4, predictor: { type: 'annealer', reads: 10 } } },
  },
  'history-dwave': { study: { scheduler: asked, pruner: { type: 'swift', minCurves: 4, predictor: dwave } } },
  'history-dwave-fallback': {
    study: { scheduler: asked, pruner: { type: 'swift', minCurves: 4, predictor: { ...dwave, taskQueue } } },
  },
};

/** `names`: of the studies whose histories are made anew; the others stay as they are. */
export async function recordHistories(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !recorded[name]);
  if (unknown.length > 0) throw new RangeError(`no study is recorded as ${unknown.join(', ')}`);
  mkdirSync(folder, { recursive: true });
  const limits = new Set(names.map((name) => recorded[name]?.suggestNewRunAfter));
  for (const limit of limits) {
    await recordOn(
      limit === undefined ? {} : { 'limit.historyCount.suggestContinueAsNew': limit },
      names.filter((name) => recorded[name]?.suggestNewRunAfter === limit)
    );
  }
}

async function recordOn(settings: Record<string, number>, names: readonly string[]): Promise<void> {
  const cluster = new Cluster();
  try {
    const { address } = await cluster.start(settings);
    await cluster.worker(['orchestrate', 'predict']);
    const connection = await NativeConnection.connect({ address });
    const trainer = await Worker.create({
      connection,
      taskQueue,
      activities: activities(),
      // A trainer learns with its heartbeat that it is to save itself and stop.
      maxHeartbeatThrottleInterval: '100ms',
      defaultHeartbeatThrottleInterval: '100ms',
    });
    const running = trainer.run();
    const solver = names.includes('history-dwave') ? solverAt(cluster, address) : null;
    const client = await cluster.client();
    for (const name of names) {
      const { study: more, operate } = recorded[name] as Recorded;
      const study = studyOf({
        name,
        seed: 2,
        space: { x: { float: [0, 1] } },
        trainer: { activity: 'trainSegment', taskQueue },
        ...more,
      });
      await cluster.begin(study);
      await operate?.(client, name);
      await cluster.result(study);
      await keep(client, name);
    }
    if (solver) await ended(solver);
    trainer.shutdown();
    await running;
    await connection.close();
  } finally {
    await cluster.end();
  }
}

/** Trainers that are activities: no path of this machine gets into the histories. */
function activities() {
  const broken = new Set<string>();
  return {
    trainSegment: async ({ trial, from, to }: TrainSegmentInput): Promise<TrainSegmentResult> => {
      const { x, ms, breaks, divergesAt } = trial.config;
      for (let slept = 0; slept < Number(ms ?? 0); slept += 50) {
        Context.current().heartbeat();
        await Context.current().sleep(50);
      }
      if (breaks && trial.index < 2 && !broken.has(trial.id)) {
        broken.add(trial.id);
        throw failure('the data set is not there', failureTypes.trialFailed);
      }
      const values = Array.from({ length: to - from }, (_, i) => Number(x) + 1 / (from + i + 1));
      const bad = Number(divergesAt ?? 3);
      if ((divergesAt === undefined && Number(x) <= 0.8) || to < bad) return { outcome: 'completed', values };
      return { outcome: 'diverged', values: values.slice(0, Math.max(0, bad - 1 - from)), nonFinite: 'nan' };
    },
    sampleQubo: () => Promise.reject(failure('no QPU time is left', 'QpuLimit')),
  };
}

/** Without a stack, which names files of this machine. */
function failure(message: string, type: string): ApplicationFailure {
  const error = ApplicationFailure.nonRetryable(message, type);
  error.stack = '';
  return error;
}

function solverAt(cluster: Cluster, address: string) {
  const python = path.join(root, 'python', '.venv', 'bin', 'python');
  if (!existsSync(python)) throw new Error('python/.venv is missing: npm run setup -- --integrations');
  return spawn(python, ['-m', 'everband.qubo', '--address', address, '--solver', 'mock'], {
    env: { ...cluster.environment, PYTHONPATH: path.join(root, 'python') },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Resolves once a trial of the first round trains. */
async function running(client: Client, study: string): Promise<void> {
  await until(client, workflowIds.round(study, 'b2', 0), (progress) => progress.running.length > 0);
}

/** Ids of trials that wait for an operator, once there are so many. */
async function parked(client: Client, study: string, count: number): Promise<string[]> {
  const progress = await until(client, workflowIds.round(study, 'b0', 0), (one) => one.parked.length === count);
  return progress.parked.map(({ trial }) => trial).sort();
}

async function until(client: Client, id: string, holds: (progress: Progress) => boolean): Promise<Progress> {
  for (let tries = 0; tries < 100; tries++) {
    const found = await client.workflow
      .getHandle(id)
      .query<Progress>(queryNames.progress)
      .catch(() => null);
    if (found && holds(found)) return found;
    await sleep(100);
  }
  throw new Error(`${id} does not come to what was waited for`);
}

/** Writes the histories of a study: `everband.<study>.b0.r0.bin.gz`, and `...~2.bin.gz` of the second run. */
async function keep(client: Client, study: string): Promise<void> {
  const own = new RegExp(`^everband\\.${study}(\\.[^~]+)?(~\\d+)?\\.bin\\.gz$`);
  for (const file of readdirSync(folder)) if (own.test(file)) rmSync(path.join(folder, file));
  const found: { workflowId: string; runId: string; startTime: Date }[] = [];
  for await (const run of client.workflow.list()) if (run.workflowId.split('/')[1] === study) found.push(run);
  found.sort((a, b) => a.startTime.getTime() - b.startTime.getTime());
  const runs = new Map<string, number>();
  for (const { workflowId, runId } of found) {
    const run = (runs.get(workflowId) ?? 0) + 1;
    runs.set(workflowId, run);
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    const bytes = anonymous(History.encode(history).finish());
    if (bytes.includes(root.slice(0, -1)))
      throw new Error(`the history of ${workflowId} names a folder of this machine`);
    const name = `${workflowId.replaceAll('/', '.')}${run === 1 ? '' : `~${run}`}.bin.gz`;
    writeFileSync(path.join(folder, name), gzipSync(bytes, { level: 9 }));
  }
}

/** Without this machine's name, which is in the identity of every worker; as long as before, for lengths are encoded. */
function anonymous(bytes: Uint8Array): Buffer {
  const name = os.hostname();
  return Buffer.from(
    Buffer.from(bytes).toString('latin1').replaceAll(name, 'host'.padEnd(name.length, '-').slice(0, name.length)),
    'latin1'
  );
}
