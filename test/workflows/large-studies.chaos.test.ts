import assert from 'node:assert/strict';
import path from 'node:path';
import { canonicalJson } from '../../core/record.js';
import { Cluster, dataFolder, generatedCurves, reference } from '../harness.js';
import { replayed } from './replayed.js';

describe('a large study through Temporal', function () {
  this.timeout(600_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate']);
    await cluster.worker(['train', 'predict'], 20);
  });
  after(() => cluster.end());

  it('spends 15380 epochs on 608 trials for Hyperband (300, 2) on generated curves', async () => {
    const study = replayed('hb300', generatedCurves(700, 300), { scheduler: { type: 'hyperband', R: 300, eta: 2 } });
    await cluster.begin(study);
    const { epochs, trials } = await cluster.result(study);
    assert.deepEqual([epochs, trials], [15380, 608]);
  });

  it('is byte for byte what runs in memory, Swift-Hyperband on mlpf, seeds 3 to 9', async function () {
    const file = path.join(dataFolder(this), 'curves', 'mlpf.csv');
    for (let seed = 3; seed < 10; seed++) {
      const study = replayed(`swift-${seed}`, file, { seed, pruner: 'swift' });
      await cluster.begin(study);
      await cluster.result(study);
      assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)), study.name);
    }
  });

  it('keeps to its event budget: R=729 under 12,000, no workflow over 4,096', async () => {
    const study = replayed('events-729', generatedCurves(1300, 729), {
      scheduler: { type: 'hyperband', R: 729, eta: 3 },
      parallelism: 100,
    });
    await cluster.begin(study);
    await cluster.result(study);
    const { total, most } = await cluster.events(study);
    console.log(`      R=729: ${total} events, at most ${most} in a workflow`);
    assert.ok(total < 12_000, `${total} events`);
    assert.ok(most <= 4096, `${most} events in one workflow`);
  });
});
