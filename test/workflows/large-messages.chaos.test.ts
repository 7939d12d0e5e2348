import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Cluster, ended, itReplays, nameless, reference, studyOf } from '../harness.js';

describe('configurations of which only a few fit into a message', function () {
  this.timeout(120_000);
  const cluster = new Cluster();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-large-'));
  const curves = path.join(folder, 'curves.csv');

  before(async () => {
    // 10 KB a configuration: 600 of them are 6 MB, and the server takes 4 MB at a time.
    const names = Array.from({ length: 200 }, (_, i) => `parameter_with_a_long_name_${i}`);
    const lines = Array.from({ length: 600 }, (_, row) => {
      const value = ((row * 7919) % 600) / 600;
      return [...names.map((_, i) => `value ${row} of ${i} ...`), value + 1, value].join(',');
    });
    writeFileSync(curves, [[...names, 'loss_1', 'loss_2'].join(','), ...lines].join('\n'));
    await cluster.start();
  });
  after(async () => {
    await cluster.end();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const scheduler of [
    { type: 'successiveHalving', trials: 600, maxBudget: 2, eta: 2 },
    { type: 'asha', trials: 600, maxBudget: 2, eta: 2 },
  ]) {
    it(`are drawn, trained and looked up in as many as it takes: ${scheduler.type}`, async () => {
      const trainer = { replay: curves, columns: 'loss_' };
      const study = studyOf({ name: scheduler.type.toLowerCase(), seed: 1, trainer, scheduler, parallelism: 300 });
      const workers = [await cluster.worker(['orchestrate', 'predict']), await cluster.worker(['train'], 8)];
      await cluster.begin(study);
      const result = await cluster.result(study);
      assert.equal(result.trials, 600);
      if (scheduler.type !== 'asha') assert.equal(nameless(cluster.record(study)), nameless(await reference(study)));
      for (const worker of workers) await ended(worker);
    });
  }

  itReplays(cluster, 5);
});
