import assert from 'node:assert/strict';
import { foreignPolicy, predictPolicy, trainPolicy } from '../../workflows/policies.js';
import { defineStudy } from '../../core/define-study.js';

describe('the policy of training', () => {
  const { trainer, training } = defineStudy({ scheduler: { type: 'full', trials: 1, maxBudget: 9 } });
  const secondsFor = (epochs: number, more: Partial<typeof training>) =>
    Number(trainPolicy({ trainer, training: { ...training, ...more } }, epochs).startToCloseTimeout) / 1000;

  it('leaves every epoch its timeout, and a trainer its grace before and after SIGTERM, however long it is', () => {
    for (const graceSeconds of [0, 10, 7200, 86_400]) {
      const seconds = secondsFor(3, { epochTimeoutSeconds: 60, graceSeconds });
      assert.ok(seconds > 3 * 60 + 2 * graceSeconds, `${seconds} s with a grace of ${graceSeconds} s`);
    }
    assert.equal(secondsFor(4, {}) - secondsFor(3, {}), training.epochTimeoutSeconds);
  });
});

describe('the policy of predicting', () => {
  it('finds out a silent worker of ours, and leaves a fit as long as it takes', () => {
    assert.equal(predictPolicy.heartbeatTimeout, '5s');
    assert.equal(predictPolicy.startToCloseTimeout, '365d');
  });

  it("wants no heartbeats of somebody else's worker, unless its study says that it sends some", () => {
    const silent = foreignPolicy('mine', undefined);
    assert.deepEqual(
      [silent.taskQueue, silent.heartbeatTimeout, silent.startToCloseTimeout],
      ['mine', undefined, '120s']
    );
    const beating = foreignPolicy('mine', 4);
    assert.deepEqual(
      [beating.taskQueue, beating.heartbeatTimeout, beating.startToCloseTimeout],
      ['mine', 4000, '365d']
    );
  });
});
