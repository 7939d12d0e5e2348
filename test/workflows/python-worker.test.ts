import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson } from '../../core/record.js';
import type { SegmentOutcome, Trial } from '../../core/trial.js';
import { Cluster, ended, pythonOf, reference, studyOf } from '../harness.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('a Python worker on the temporalio package', function () {
  this.timeout(120_000);
  const cluster = new Cluster();

  let worker: ChildProcess | null = null;
  before(async function () {
    const python = pythonOf(this);
    const server = await cluster.start();
    await cluster.worker(['orchestrate', 'predict']);
    const script = path.join(root, 'test', 'fixtures', 'python_worker.py');
    const folder = path.join(cluster.stateDir, 'python');
    mkdirSync(folder);
    worker = spawn(python, [script, server.address, folder], {
      env: { ...process.env, PYTHONPATH: path.join(root, 'python') },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  });
  after(async () => {
    if (worker) await ended(worker, 'SIGKILL');
    await cluster.end();
  });

  const study = (name: string, more: object) =>
    studyOf({
      name,
      seed: 5,
      space: { x: { float: [0, 1] } },
      trainer: { activity: 'trainSegment', taskQueue: 'python-train' },
      parallelism: 4,
      ...more,
    });

  /** What the fixture comes to. */
  function segmentOf({ config }: Trial, from: number, to: number): SegmentOutcome {
    const x = Number(config['x']);
    const values: number[] = [];
    for (let epoch = from + 1; epoch <= to; epoch++) {
      if (x > 0.8 && epoch >= 3) return { outcome: 'diverged', values, nonFinite: 'nan' };
      values.push(x + 1 / epoch);
    }
    return { outcome: 'completed', values };
  }

  it('trains a study on its own task queue, diverging trials included', async () => {
    const one = study('python', {
      scheduler: { type: 'hyperband', R: 9, eta: 3 },
      predictor: { type: 'swift', minCurves: 4 },
    });
    await cluster.begin(one);
    const result = await cluster.result(one);
    assert.ok(result.fates.diverged > 0);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
  });

  it('stops beating when an epoch hangs: the server gives the trial to another slot', async () => {
    const one = study('python-hung', {
      space: { x: { float: [0, 0.8] }, hangs: { choice: [true, false] } },
      tryFirst: [true, false, false].map((hangs, i) => ({ x: i / 10, hangs })),
      scheduler: { type: 'full', trials: 3, R: 4 },
      training: { epochTimeoutSeconds: 2, heartbeatSeconds: 2 },
    });
    const since = Date.now();
    await cluster.begin(one);
    const { fates } = await cluster.result(one);
    assert.equal(fates.completed, 3);
    assert.ok(Date.now() - since > 2000, 'an epoch hung');
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
  });
});
