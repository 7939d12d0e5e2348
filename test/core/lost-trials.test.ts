import assert from 'node:assert/strict';
import { defineStudy, runInMemory, type SegmentOutcome, type StudyInput } from '../../core/index.js';
import { effectsOf } from './world.js';

const space = { x: { type: 'float', low: 0, high: 1 } } as const;

/** Rounds of the only bracket when trial i diverges at epoch `at(i)` and is otherwise as good as its index is small. */
async function rounds(settings: Omit<StudyInput, 'space'>, at: (index: number) => number) {
  const study = defineStudy({ space, ...settings });
  const train = ({ index }: { index: number }, from: number, to: number): SegmentOutcome => {
    const values = Array.from({ length: Math.min(to, at(index) - 1) - from }, (_, i) => index + 1 / (from + i + 1));
    return at(index) > to ? { outcome: 'completed', values } : { outcome: 'diverged', values, nonFinite: 'nan' };
  };
  const record = await runInMemory(study, effectsOf(study, train));
  return record.brackets[0]?.rounds ?? [];
}

describe('rounds that lose trials', () => {
  const halving = { type: 'successiveHalving', trials: 27, maxBudget: 27 } as const;

  it('promote as many as the plan has places, however few entered', async () => {
    const found = await rounds({ scheduler: halving }, (index) => (index < 19 ? 1 : Infinity));
    assert.deepEqual(
      found.map(({ trials }) => trials.length),
      [27, 8, 3, 1]
    );
  });

  it('end the bracket when nobody is left', async () => {
    const found = await rounds({ scheduler: halving }, () => 2);
    assert.deepEqual(
      found.map(({ trials }) => trials.length),
      [27, 9]
    );
  });

  it('skip whoever diverges before Swift looks, and replace nobody who does so later', async () => {
    const found = await rounds(
      { scheduler: { ...halving, trials: 9, minBudget: 3, maxBudget: 9 }, pruner: { type: 'swift', minCurves: 4 } },
      (index) => [1, 3][index] ?? Infinity
    );
    assert.equal(found[0]?.decision?.epoch, 2);
    assert.deepEqual(found[0]?.decision?.sentOn, ['b1-t001', 'b1-t002', 'b1-t003', 'b1-t004']);
    assert.deepEqual(found[1]?.trials, ['b1-t002', 'b1-t003', 'b1-t004']);
  });
});
