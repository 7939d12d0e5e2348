import assert from 'node:assert/strict';
import { canonicalJson } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { studyOf } from '../../simulate/algorithms.js';
import { runOnCluster } from '../../simulate/cluster.js';
import { replay } from '../../simulate/curves.js';
import { inOrder } from '../../simulate/in-order.js';
import { madeUpCurves, setting } from './curves.js';

const table = madeUpCurves(200, 27, { diverging: true });
const cluster = {
  workers: 7,
  epochSeconds: { type: 'lognormal', median: 10, sigma: 0.7 },
  stragglers: { share: 0.3, factor: 5 },
  predictorSeconds: 25,
} as const;

const medianAsha = (study: Study): Study => {
  return { ...study, predictor: { type: 'median', decisionPoint: 0.5, minTrials: 5 } };
};

describe('an asynchronous study in the order in which it happened', () => {
  for (const [name, study] of Object.entries({
    asha: studyOf('asha', setting(27, 3)),
    'asha with the median rule': medianAsha(studyOf('asha', setting(27, 3))),
    'swift-asha': studyOf('swift-asha:d=4', setting(27, 3)),
    'asha of so many trials': studyOf('asha:trials=40', setting(27, 3)),
    'asha with a target': { ...studyOf('asha', setting(27, 3)), limits: { target: 0.1, epochs: 3000 } },
  })) {
    it(`comes to the same record: ${name}`, async () => {
      for (const seed of [0, 1, 2]) {
        const { record } = await runOnCluster({ ...study, seed }, table, cluster);
        const order = record.brackets[0]?.order ?? [];
        assert.ok(order.length > 3, String(order.length));
        const again = await inOrder({ ...study, seed, parallelism: 7 }, replay({ ...study, seed }, table), order);
        assert.equal(canonicalJson(again), canonicalJson(record));
      }
    });
  }

  it('asks predictors in another order than trials train', async () => {
    const { record } = await runOnCluster(studyOf('swift-asha:d=4', setting(27, 3)), table, cluster);
    const order = record.brackets[0]?.order ?? [];
    const late = order.findIndex(
      (event, i) => event.includes('?') && parseInt(event, 10) !== parseInt(order[i - 1] ?? '', 10)
    );
    assert.notEqual(late, -1);
  });

  it('says what cannot happen', async () => {
    const study = { ...studyOf('asha', setting(27, 3)), parallelism: 7 };
    const effects = replay(study, table);
    await assert.rejects(inOrder(study, effects, ['99@1']), /event 0 of the order, 99@1, cannot happen/);
    await assert.rejects(inOrder(study, effects, ['2@1', '2?1']), /event 1 of the order, 2\?1, cannot happen/);
    await assert.rejects(inOrder(study, effects, ['2@3']), /event 0 of the order was 2@3, and is now 2@1/);
  });
});
