import assert from 'node:assert/strict';
import path from 'node:path';
import { canonicalJson } from '../../core/record.js';
import { Cluster, dataFolder, generatedCurves, reference, studyOf } from '../harness.js';

const replayed = (name: string, file: string, more: object) =>
  studyOf({
    name,
    scheduler: { type: 'hyperband', R: 100, eta: 2 },
    trainer: { replay: file, columns: 'loss_' },
    parallelism: 200,
    ...more,
  });

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

  it('spends 15380 epochs on 608 trials for Hyperband (300, 2) on generated curves', async () => {
    const study = replayed('hb300', generatedCurves(700, 300), { scheduler: { type: 'hyperband', R: 300, eta: 2 } });
    await cluster.begin(study);
    const { epochs, trials } = await cluster.result(study);
    assert.deepEqual([epochs, trials], [15380, 608]);
  });

  it('is byte for byte what runs in memory, Swift-Hyperband on mlpf, seeds 0 to 9', async function () {
    const file = path.join(dataFolder(this), 'curves', 'mlpf.csv');
    const studies = Array.from({ length: 10 }, (_, seed) =>
      replayed(`swift-${seed}`, file, { seed, predictor: 'swift' })
    );
    for (const study of studies) {
      await cluster.begin(study);
      await cluster.result(study);
      assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)), study.name);
    }
  });

  it('counts divergence as a result: taskset, where rows end in NaN', async function () {
    const study = replayed('taskset', path.join(dataFolder(this), 'curves', 'taskset.csv'), {
      scheduler: { type: 'hyperband', R: 50, eta: 2 },
      predictor: 'swift',
    });
    await cluster.begin(study);
    const { fates } = await cluster.result(study);
    assert.ok(fates.diverged > 0);
    const text = canonicalJson(cluster.record(study));
    assert.equal(text, canonicalJson(await reference(study)));
    assert.doesNotMatch(text, /NaN|Infinity/);
  });

  it('keeps to its event budgets: R=81 under 1,500, R=729 under 12,000, no workflow over 4,096', async () => {
    const file = generatedCurves(1300, 729);
    for (const [R, budget] of [
      [81, 1500],
      [729, 12_000],
    ] as const) {
      const study = replayed(`events-${R}`, file, { scheduler: { type: 'hyperband', R, eta: 3 }, parallelism: 100 });
      await cluster.begin(study);
      await cluster.result(study);
      const { total, most } = await cluster.events(study);
      console.log(`      R=${R}: ${total} events, at most ${most} in a workflow`);
      assert.ok(total < budget, `${total} events`);
      assert.ok(most <= 4096, `${most} events in one workflow`);
    }
  });
});
