import assert from 'node:assert/strict';
import { trainPolicy } from '../../workflows/policies.js';
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
