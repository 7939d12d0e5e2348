import assert from 'node:assert/strict';
import { runInMemory } from '../../core/in-memory.js';
import { endless, studyOf, yardstick } from '../../simulate/algorithms.js';
import { anytime } from '../../simulate/anytime.js';
import { replay } from '../../simulate/curves.js';
import { epochsToMatch, gridPoints } from '../../simulate/match.js';
import { madeUpCurves, setting } from './curves.js';

/** A curve that falls from Infinity to each value at its grid point. */
function steps(...falls: (readonly [point: number, value: number])[]): Float64Array {
  return Float64Array.from({ length: gridPoints }, (_, point) => {
    return falls.findLast(([at]) => at <= point)?.[1] ?? Infinity;
  });
}

describe('epochs to match', () => {
  it('is where the mean of the best so far first reaches the mean to reach', () => {
    const first = steps([10, 8], [50, 4]);
    const second = steps([20, 6], [70, 2]);
    // The mean is 5 from point 50 on, 3 from point 70 on.
    assert.equal(epochsToMatch([first, second], [5, 5])?.multiple, 0.5);
    assert.equal(epochsToMatch([first, second], [4, 6])?.multiple, 0.5);
    assert.equal(epochsToMatch([first, second], [4, 4])?.multiple, 0.7);
    assert.equal(epochsToMatch([first, second], [9, 9])?.multiple, 0.2, 'every seed has a value by then');
    assert.equal(epochsToMatch([first, second], [2, 2])?.multiple, Infinity);
    assert.equal(epochsToMatch([steps([200, 1])], [1])?.multiple, 2);
    assert.equal(epochsToMatch([], []), null);
  });

  it('has an interval from resampled seeds, which pairs them with what they have to reach', () => {
    const curves = Array.from({ length: 40 }, (_, seed) => steps([0, 10], [30 + seed, 0]));
    const { multiple, low, high, seeds } = epochsToMatch(curves, new Array<number>(40).fill(5)) ?? assert.fail();
    assert.deepEqual([multiple, seeds], [0.49, 40]);
    // The median of 40 values spread evenly over 40 steps: about 1.25 x 40 / sqrt(12) / sqrt(40) steps of error or more.
    assert.ok(low >= 0.38 && low <= 0.47, String(low));
    assert.ok(high <= 0.6 && high >= 0.51, String(high));
    const own = curves.map((curve) => curve[100] as number);
    const exact = epochsToMatch(
      curves.map((_, seed) => steps([100, (own[seed] as number) + seed])),
      own.map((value, seed) => value + seed)
    );
    assert.deepEqual([exact?.low, exact?.high], [1, 1]);
  });
});

describe('the best so far against epochs', () => {
  const table = madeUpCurves(60, 20);

  it('comes after one Hyperband iteration to what the study comes to', async () => {
    const { epochs } = yardstick(20, 2);
    for (let seed = 0; seed < 10; seed++) {
      const study = { ...studyOf('hyperband', setting(20, 2)), seed };
      const { result } = await runInMemory(study, replay(study, table));
      const curve = await anytime(endless(study, 2 * epochs) ?? assert.fail(), table, epochs);
      assert.equal(curve[100], result.best?.value);
      assert.ok((curve[200] as number) <= (curve[100] as number));
      assert.equal(curve[0], Infinity);
    }
  });

  it('counts a value from the epoch that completes it', async () => {
    // Every trial takes 20 epochs, and so does an iteration: one value every hundred steps.
    const study = studyOf('random', setting(20, 2));
    const curve = await anytime(endless(study, 60) ?? assert.fail(), table, 20);
    const { result, trials } = await runInMemory(study, replay(study, table));
    assert.deepEqual([curve[99], curve[100]], [Infinity, trials[0]?.values[19]]);
    const two = Math.min(trials[0]?.values[19] as number, trials[1]?.values[19] as number);
    assert.deepEqual([curve[199], curve[200]], [trials[0]?.values[19], two]);
    assert.ok((result.best?.value as number) <= two);
  });
});
