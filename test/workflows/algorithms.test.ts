import assert from 'node:assert/strict';
import path from 'node:path';
import { audit } from '../../core/audit.js';
import { canonicalJson } from '../../core/record.js';
import type { ReplayTrainer } from '../../core/study.js';
import { readTable } from '../../trainers/replay.js';
import { Cluster, dataFolder, reference, studyOf, itReplays } from '../harness.js';

/** Every synchronous algorithm on taskset, whose rows diverge, at a size that takes seconds. */
const algorithms: Record<string, object> = {
  full: { scheduler: { type: 'full', trials: 20, R: 20 } },
  'full-median': { scheduler: { type: 'full', trials: 30, R: 20 }, pruner: 'median' },
  'successive-halving': { scheduler: { type: 'successiveHalving', trials: 40, R: 50, eta: 2 } },
  hyperband: {},
  bohb: { scheduler: { type: 'bohb', R: 27, eta: 3 } },
  'bohb-swift': { scheduler: { type: 'bohb', R: 27, eta: 3 }, pruner: { type: 'swift', minCurves: 5 } },
  median: { pruner: 'median' },
  fast: { scheduler: { type: 'hyperband', R: 27, eta: 3 }, pruner: { type: 'fast', minCurves: 5 } },
  'fast-bohb': { scheduler: { type: 'bohb', R: 9, eta: 3 }, pruner: { type: 'fast', minCurves: 2 } },
  swift: { pruner: { type: 'swift', minCurves: 5 } },
  'swift-extra-trees': { pruner: { type: 'swift', minCurves: 5, predictor: 'extra-trees' } },
  'quantum-swift': { pruner: { type: 'quantum-swift', minCurves: 5 } },
};

describe('every algorithm through Temporal', function () {
  this.timeout(300_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'train', 'predict'], 20);
  });
  after(() => cluster.end());

  const study = (test: Mocha.Context, name: string, more: object) =>
    studyOf({
      name,
      scheduler: { type: 'hyperband', R: 50, eta: 2 },
      trainer: { replay: path.join(dataFolder(test), 'curves', 'taskset.csv'), columns: 'loss_' },
      parallelism: 50,
      ...more,
    });

  for (const [name, more] of Object.entries(algorithms)) {
    it(`is byte for byte what runs in memory: ${name}`, async function () {
      const one = study(this, name, more);
      await cluster.begin(one);
      await cluster.result(one);
      const text = canonicalJson(cluster.record(one));
      assert.equal(text, canonicalJson(await reference(one)));
      assert.doesNotMatch(text, /NaN|Infinity/);
    });
  }

  const asynchronous: Record<string, object> = {
    asha: {},
    'asha-median': { pruner: 'median' },
    'swift-asha': { pruner: { type: 'swift', minCurves: 5 } },
    'asha-tpe': { sampler: 'tpe' },
  };
  for (const [name, more] of Object.entries(asynchronous)) {
    it(`follows from its recorded order, and has the curves of the table: ${name}`, async function () {
      const one = study(this, name, { scheduler: { type: 'asha', R: 50, eta: 3, trials: 150 }, ...more });
      await cluster.begin(one);
      await cluster.result(one);
      const record = cluster.record(one);
      const table = readTable(one.trainer as ReplayTrainer);
      assert.deepEqual(audit(record), []);
      for (const { config, values } of record.trials) {
        const curve = table.values[Number(config['row'])] ?? [];
        assert.deepEqual(values, curve.slice(0, values.length));
      }
      assert.ok(name !== 'swift-asha' || record.result.fates.stopped > 0);
    });
  }

  itReplays(cluster, 20);
});
