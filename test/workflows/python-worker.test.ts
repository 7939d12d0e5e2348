import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson } from '../../core/record.js';
import { Cluster, reference, studyOf } from '../harness.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const python = path.join(root, 'python', '.venv', 'bin', 'python');

describe('a Python worker on the temporalio package', function () {
  this.timeout(120_000);
  const cluster = new Cluster();
  after(() => cluster.end());

  it('trains a study on its own task queue, diverging trials included', async function () {
    if (!existsSync(python)) {
      const message = 'python/.venv is missing: npm run setup -- --python';
      if (process.env['CI']) throw new Error(message);
      console.log(`      skipped: ${message}`);
      this.skip();
    }
    const server = await cluster.start();
    await cluster.worker(['orchestrate', 'predict']);
    const script = path.join(root, 'test', 'fixtures', 'python_worker.py');
    const worker = spawn(python, [script, server.address, path.join(cluster.stateDir, 'python')], {
      env: { ...process.env, PYTHONPATH: path.join(root, 'python') },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    try {
      const study = studyOf({
        name: 'python',
        seed: 5,
        space: { x: { float: [0, 1] } },
        scheduler: { type: 'hyperband', R: 9, eta: 3 },
        predictor: { type: 'swift', minCurves: 4 },
        trainer: { activity: 'trainSegment', taskQueue: 'python-train' },
        parallelism: 4,
      });
      await cluster.begin(study);
      const result = await cluster.result(study);
      assert.ok(result.fates.diverged > 0);
      const wanted = await reference(study, ({ config }, from, to) => {
        const x = Number(config['x']);
        const values: number[] = [];
        for (let epoch = from + 1; epoch <= to; epoch++) {
          if (x > 0.8 && epoch >= 3) return { outcome: 'diverged', values, nonFinite: 'nan' };
          values.push(x + 1 / epoch);
        }
        return { outcome: 'completed', values };
      });
      assert.equal(canonicalJson(cluster.record(study)), canonicalJson(wanted));
    } finally {
      const gone = new Promise((resolve) => worker.once('exit', resolve));
      worker.kill('SIGKILL');
      await gone;
    }
  });
});
