import assert from 'node:assert/strict';
import path from 'node:path';
import { canonicalJson } from '../../core/record.js';
import { Cluster, dataFolder, reference, studyOf } from '../harness.js';

describe('every algorithm through Temporal', function () {
  this.timeout(300_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'train', 'predict'], 20);
  });
  after(() => cluster.end());

  for (const [name, more] of Object.entries({
    median: { predictor: 'median' },
    fast: { predictor: 'fast' },
    'full-median': { scheduler: { type: 'full', trials: 30, R: 20 }, predictor: 'median' },
  })) {
    it(`is byte for byte what runs in memory: ${name}`, async function () {
      const study = studyOf({
        name,
        scheduler: { type: 'hyperband', R: 50, eta: 2 },
        trainer: { replay: path.join(dataFolder(this), 'curves', 'taskset.csv'), columns: 'loss_' },
        parallelism: 50,
        ...more,
      });
      await cluster.begin(study);
      await cluster.result(study);
      assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
      console.log('     ', JSON.stringify(await cluster.events(study)));
    });
  }
  for (const predictor of ['none', 'swift', 'median'])
    it(`asha ${predictor}`, async function () {
      const study = studyOf({
        name: 'asha-' + predictor,
        scheduler: { type: 'asha', R: 50, eta: 2, trials: 700 },
        predictor: predictor === 'swift' ? { type: 'swift', minCurves: 5 } : predictor,
        trainer: { replay: path.join(dataFolder(this), 'curves', 'taskset.csv'), columns: 'loss_' },
        parallelism: 50,
      });
      await cluster.begin(study);
      console.log(await cluster.result(study));
      console.log(
        '     ',
        JSON.stringify(await cluster.events(study)),
        cluster.record(study).brackets[0]?.order?.length
      );
    });
});
