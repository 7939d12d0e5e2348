import assert from 'node:assert/strict';
import { endsOf, flat, play } from './group.js';

const curves = (...losses: number[]) => losses.map((loss) => flat(loss, 4));
const four = { to: 4, places: 1 };

describe('the pruner none', () => {
  it('trains everybody to the rung at once', () => {
    const played = play({ type: 'none' }, [flat(1, 4), [2, NaN], flat(3, 4)], four);
    assert.deepEqual(played.trained, ['t0 0-4', 't1 0-4', 't2 0-4']);
    assert.equal(endsOf(played), 'rung diverged rung');
    assert.deepEqual([played.decision, played.closing.losses, played.closing.epochs], [null, [1, null, 3], 10]);
  });
});

describe('the median rule', () => {
  const median = { type: 'median', decisionPoint: 0.5, minTrials: 3 } as const;

  it('stops who is worse at p than the median of at least minTrials earlier ones', () => {
    const played = play(median, curves(3, 1, 2, 2, 2.5, 0.5), four);
    // The first three are too few; then the medians are 2, 2 and 2.
    assert.equal(endsOf(played), 'rung rung rung rung stopped rung');
    assert.equal(played.decision?.epoch, 2);
    assert.deepEqual(played.decision?.sentOn, ['b0-t000', 'b0-t001', 'b0-t002']);
    assert.deepEqual(
      played.decision?.predictions.map(({ threshold, goesOn }) => [threshold, goesOn]),
      [
        [2, true],
        [2, false],
        [2, true],
      ]
    );
    assert.equal(played.closing.epochs, 5 * 4 + 2);
  });

  it('remembers what was seen at p for later rounds', () => {
    const { memory } = play(median, curves(3, 1, 2), four);
    assert.deepEqual(memory.seen, { '2': [3, 1, 2] });
    assert.equal(endsOf(play(median, curves(2.1, 2), { ...four, memory })), 'stopped rung');
  });

  it('asks nobody where no epoch lies between', () => {
    const played = play(median, [[9], [1], [1], [1], [8]], { to: 1, places: 1 });
    assert.equal(endsOf(played), 'rung rung rung rung rung');
    assert.equal(played.decision, null);
  });
});

describe("Swift-Hyperband's rule", () => {
  const swift = {
    type: 'swift',
    predictor: { type: 'last' },
    minCurves: 2,
    completeShare: 0.5,
    decisionPoint: 0.5,
  } as const;
  const ends = (losses: readonly number[]) => ({ outcome: 'predicted', losses }) as const;

  it('sends the first m on unasked, and stops who is predicted to end above the quantile of those', () => {
    const played = play(swift, curves(1, 2, 3, 0.5, 4), { to: 4, places: 2 }, () => ends([3, 0.5, 4]));
    assert.deepEqual(played.trained.slice(0, 5), ['t0 0-4', 't1 0-4', 't2 0-2', 't3 0-2', 't4 0-2']);
    assert.deepEqual(played.trained.slice(5), ['t3 2-4']);
    assert.equal(endsOf(played), 'rung rung stopped rung stopped');
    assert.deepEqual(played.decision?.sentOn, ['b0-t000', 'b0-t001']);
    // The lower quartile of 1 and 2.
    assert.deepEqual([played.decision?.threshold, played.decision?.trainedOn], [1.25, 2]);
    assert.equal(played.decision?.predictorsTrained, 1);
    assert.deepEqual(played.memory.rungs['4']?.trained, { '2': 2 });
  });

  it('fills the places with the best predicted', () => {
    const played = play(swift, curves(1, 2, 3, 5, 4), { to: 4, places: 3 }, () => ends([5, 4, 3]));
    assert.equal(endsOf(played), 'rung rung stopped stopped rung');
  });

  it('sends the next on where one was lost before p, and nobody where one was lost after it', () => {
    const lost = [[1, NaN], flat(2, 4), flat(3, 4), [4, 4, NaN], flat(5, 4)];
    const played = play(swift, lost, { to: 4, places: 2 }, () => ends([1, 9]));
    assert.deepEqual(played.decision?.sentOn, ['b0-t001', 'b0-t002']);
    assert.equal(endsOf(played), 'diverged rung rung diverged stopped');
  });

  it('lets everybody go on where nothing is predicted, and says why', () => {
    const played = play(swift, curves(1, 2, 9, 9), four, () => ({ outcome: 'impossible', reason: 'no luck' }));
    assert.equal(endsOf(played), 'rung rung rung rung');
    assert.equal(played.decision?.error, 'no luck');
    assert.deepEqual([played.decision?.trainedOn, played.decision?.predictorsTrained], [0, 0]);
    const nan = play(swift, curves(1, 2, 9, 9), four, () => ends([NaN, 1]));
    assert.match(nan.decision?.error ?? '', /no number/);
  });

  it('keeps its predictor for later brackets', () => {
    const { memory } = play(swift, curves(1, 2, 3), { to: 4, places: 1 }, () => ends([9]));
    const later = play(swift, curves(1, 2), { to: 4, places: 1, memory }, () => ends([9]));
    assert.deepEqual(later.asked[0]?.training, ['b0-t000', 'b0-t001']);
    assert.deepEqual([later.decision?.trainedOn, later.decision?.predictorsTrained], [2, 0]);
  });
});

describe("Fast-Hyperband's round", () => {
  const fast = { type: 'fast', predictor: { type: 'last' }, minCurves: 2, completeShare: 1, confidence: 0.95 } as const;
  const says = (loss: number, deviation: number) => () => {
    return { outcome: 'predicted', losses: [loss], deviation } as const;
  };

  it('trains one after the other, and asks after every epoch once places and curves are complete', () => {
    const played = play(fast, curves(1, 2, 3), { to: 4, places: 2 }, says(2.1, 1));
    assert.deepEqual(played.trained, ['t0 0-4', 't1 0-4', 't2 0-1', 't2 1-2', 't2 2-3', 't2 3-4']);
    assert.deepEqual(
      played.asked.map(({ epochs, uncertainty }) => [epochs, uncertainty]),
      [
        [1, true],
        [2, true],
        [3, true],
      ]
    );
    assert.equal(endsOf(played), 'rung rung rung');
    // The last question of a trial counts.
    assert.deepEqual(played.decision?.predictions, [
      { trial: 'b0-t002', epoch: 3, predicted: 2.1, threshold: 2, goesOn: true },
    ]);
  });

  it('stops at the first epoch at which ending above the threshold is as probable as the confidence', () => {
    const played = play(fast, curves(1, 2, 3), { to: 4, places: 2 }, ({ epochs }) => says(3, epochs === 1 ? 1 : 0.6)());
    // P(loss > 2) is .84 with a deviation of 1, .952 with .6.
    assert.equal(endsOf(played), 'rung rung stopped');
    assert.equal(played.closing.epochs, 4 + 4 + 2);
  });

  it('goes on where nothing is predicted, and says why', () => {
    const played = play(fast, curves(1, 2, 3), { to: 4, places: 2 }, () => ({ outcome: 'impossible', reason: 'none' }));
    assert.equal(endsOf(played), 'rung rung rung');
    assert.equal(played.decision?.error, 'none');
  });
});
