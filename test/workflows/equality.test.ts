import assert from 'node:assert/strict';
import path from 'node:path';
import { canonicalJson } from '../../core/record.js';
import { Cluster, dataFolder, generatedCurves, reference } from '../harness.js';
import { replayed } from './replayed.js';

describe('a study through Temporal', function () {
  this.timeout(300_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate']);
    await cluster.worker(['train', 'predict'], 20);
  });
  after(() => cluster.end());

  it('spends 3213 epochs on 163 trials for Hyperband (100, 2) on mlpf', async function () {
    const study = replayed('hb100', path.join(dataFolder(this), 'curves', 'mlpf.csv'), {});
    await cluster.begin(study);
    const { epochs, trials } = await cluster.result(study);
    assert.deepEqual([epochs, trials], [3213, 163]);
    assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
  });

  it('is byte for byte what runs in memory, Swift-Hyperband on mlpf, seeds 0 to 2', async function () {
    const file = path.join(dataFolder(this), 'curves', 'mlpf.csv');
    const studies = Array.from({ length: 3 }, (_, seed) => replayed(`swift-${seed}`, file, { seed, pruner: 'swift' }));
    for (const study of studies) {
      await cluster.begin(study);
      await cluster.result(study);
      assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)), study.name);
    }
  });

  it('counts divergence as a result: taskset, where rows end in NaN', async function () {
    const study = replayed('taskset', path.join(dataFolder(this), 'curves', 'taskset.csv'), {
      scheduler: { type: 'hyperband', R: 50, eta: 2 },
      pruner: 'swift',
    });
    await cluster.begin(study);
    const { fates } = await cluster.result(study);
    assert.ok(fates.diverged > 0);
    const text = canonicalJson(cluster.record(study));
    assert.equal(text, canonicalJson(await reference(study)));
    assert.doesNotMatch(text, /NaN|Infinity/);
  });

  it('keeps to its event budget: R=81 under 1,000', async () => {
    const study = replayed('events-81', generatedCurves(1300, 81), {
      scheduler: { type: 'hyperband', R: 81, eta: 3 },
      parallelism: 100,
    });
    await cluster.begin(study);
    await cluster.result(study);
    const { total } = await cluster.events(study);
    assert.ok(total < 1000, `${total} events`);
  });
});
