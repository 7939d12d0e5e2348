import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import type { SegmentOutcome, Trial } from '../../core/trial.js';
import { Cluster, ended, pythonOf, reference, sleep, studyOf, until } from '../harness.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('a Python worker on the temporalio package', function () {
  this.timeout(120_000);
  const cluster = new Cluster();
  const workers = new Set<ChildProcess>();
  let python: string;
  let address: string;
  let folder: string;

  before(async function () {
    python = pythonOf(this);
    ({ address } = await cluster.start());
    await cluster.worker(['orchestrate', 'predict']);
    folder = path.join(cluster.stateDir, 'python');
    mkdirSync(folder);
  });
  afterEach(async () => {
    for (const worker of workers) await ended(worker, 'SIGKILL');
  });
  after(() => cluster.end());

  /** A worker of its own task queue; resolves once it polls. */
  async function worker(taskQueue: string, slots: number): Promise<ChildProcess> {
    const script = path.join(root, 'test', 'fixtures', 'python_worker.py');
    const child = spawn(python, [script, address, folder, taskQueue, String(slots)], {
      env: { ...process.env, PYTHONPATH: path.join(root, 'python'), EVERBAND_HOME: cluster.stateDir },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    workers.add(child);
    child.once('exit', () => workers.delete(child));
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', (line: Buffer) => {
        assert.equal(line.toString().trimEnd(), `worker ready: task queue ${taskQueue} at ${address}`);
        resolve();
      });
      child.once('exit', (code) => reject(new Error(`worker ended with ${code}`)));
    });
    return child;
  }

  const study = (name: string, more: object) =>
    studyOf({
      name,
      seed: 5,
      space: { x: { float: [0, 1] } },
      trainer: { activity: 'trainSegment', taskQueue: name },
      parallelism: 4,
      ...more,
    });

  /** Trials of four epochs, one for each way to hang. */
  const hanging = (name: string, ways: readonly string[], more: object) =>
    study(name, {
      space: { x: { float: [0, 0.8] }, hangs: { choice: ['no', 'once', 'always', 'deaf'] } },
      tryFirst: ways.map((hangs, i) => ({ x: i / 10, hangs })),
      scheduler: { type: 'full', trials: ways.length, R: 4 },
      training: { epochTimeoutSeconds: 10, attempts: 2, backoffSeconds: 1, parkSeconds: 3 },
      ...more,
    });

  /** What the fixture comes to. */
  function segmentOf({ config }: Trial, from: number, to: number): SegmentOutcome {
    const x = Number(config['x']);
    const values: number[] = [];
    if (config['hangs'] === 'always' || config['hangs'] === 'deaf') {
      return { outcome: 'failed', values: [x + 1], reason: 'timeout: hung: no epoch within 10 s after epoch 1' };
    }
    for (let epoch = from + 1; epoch <= to; epoch++) {
      if (x > 0.8 && epoch >= 3) return { outcome: 'diverged', values, nonFinite: 'nan' };
      values.push(x + 1 / epoch);
    }
    return { outcome: 'completed', values };
  }

  /** The attempts the trainers saw. */
  function attempts(one: Study): { trial: string; from: number; pid: number }[] {
    const file = path.join(folder, `${one.name}.jsonl`);
    if (!existsSync(file)) return [];
    // The last one may still be written.
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as { trial: string; from: number; pid: number });
  }

  async function finished(one: Study): Promise<void> {
    await cluster.result(one);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
  }

  it('trains a study on its own task queue, diverging trials included', async () => {
    const one = study('python', {
      scheduler: { type: 'hyperband', R: 9, eta: 3 },
      pruner: { type: 'swift', minCurves: 4 },
    });
    await worker(one.name, 4);
    await cluster.begin(one);
    assert.ok((await cluster.result(one)).fates.diverged > 0);
    await finished(one);
    // Processes are kept: 4 of them train everything.
    const pids = attempts(one).map(({ pid }) => pid);
    assert.ok(pids.length > 20 && new Set(pids).size <= 4, `${new Set(pids).size} processes for ${pids.length}`);
    // Only the best trial's checkpoint outlives the study.
    const checkpoints = path.join(cluster.stateDir, 'studies', one.name, 'checkpoints');
    assert.deepEqual(readdirSync(checkpoints), [cluster.record(one).result.best?.trial]);
  });

  it('a hang is a failed attempt; the next goes on from the checkpoint', async () => {
    const one = hanging('python-hangs-once', ['no', 'once', 'no'], {});
    await worker(one.name, 2);
    await cluster.begin(one);
    await finished(one);
    const trial = cluster.record(one).trials.find(({ config }) => config['hangs'] === 'once');
    assert.deepEqual(
      attempts(one).flatMap((attempt) => (attempt.trial === trial?.id ? attempt.from : [])),
      [0, 1]
    );
  });

  for (const [slots, ways] of [
    [2, ['always', 'no', 'no', 'deaf', 'no']],
    [1, ['deaf', 'no', 'always', 'no']],
  ] as const) {
    it(`a trial that always hangs is parked and fails, the others are trained: ${slots} slots`, async () => {
      const one = hanging(`python-hangs-${slots}`, ways, {});
      await worker(one.name, slots);
      await cluster.begin(one);
      await finished(one);
      const { fates } = cluster.record(one).result;
      assert.deepEqual([fates.failed, fates.completed], [2, ways.length - 2]);
      assert.equal(attempts(one).length, ways.length + 2);
      const [first] = attempts(one);
      assert.throws(() => process.kill(first?.pid ?? 0, 0), 'the process that hung is gone');
    });
  }

  const slow = (name: string) =>
    study(name, {
      space: { x: { float: [0, 0.8] }, seconds: { float: [0, 1] } },
      tryFirst: [{ x: 0.1, seconds: 0.4 }],
      scheduler: { type: 'full', trials: 1, R: 24 },
      training: { heartbeatSeconds: 3 },
    });

  it('a pause reaches the trainer, which saves; resume goes on from there', async () => {
    const one = slow('python-paused');
    await worker(one.name, 1);
    await cluster.begin(one);
    await until('it trains', () => attempts(one).length === 1);
    await sleep(1000);
    const paused = await cluster.everband('pause', one.name);
    assert.equal(paused.code, 0, paused.err);
    await sleep(3000);
    assert.equal(attempts(one).length, 1);
    assert.equal((await cluster.everband('resume', one.name)).code, 0);
    await finished(one);
    const [, second, ...more] = attempts(one);
    assert.deepEqual(more, []);
    assert.ok(second && second.from >= 2 && second.from < 24, JSON.stringify(second));
  });

  it('SIGTERM lets trainers save, SIGKILL takes them along; another worker goes on', async () => {
    const one = slow('python-restarted');
    const first = await worker(one.name, 1);
    await cluster.begin(one);
    await until('it trains', () => attempts(one).length === 1);
    await sleep(600);
    await ended(first);
    assert.equal(first.exitCode, 0);
    const second = await worker(one.name, 1);
    await until('it trains again', () => attempts(one).length === 2);
    await sleep(600);
    await ended(second, 'SIGKILL');
    const pid = attempts(one)[1]?.pid ?? 0;
    await until('the trainer has gone too', () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
    await worker(one.name, 1);
    await finished(one);
    const [a, b, c] = attempts(one).map(({ from }) => from);
    assert.ok(a === 0 && b !== undefined && c !== undefined && b > 0 && b < 24 && c >= b, `${a}, ${b}, ${c}`);
  });
});
