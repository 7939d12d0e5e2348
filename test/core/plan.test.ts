import assert from 'node:assert/strict';
import { roundHalfEven } from '../../core/engine/plan.js';
import { planOf, type HyperbandScheduler, type PrunerSettings, type SchedulerSettings } from '../../core/study.js';

const hyperband = (maxBudget: number, eta: number, more: Partial<HyperbandScheduler> = {}): HyperbandScheduler => ({
  type: 'hyperband',
  maxBudget,
  eta,
  minBudget: 1,
  brackets: 'all',
  bracketFormula: 'ceil',
  order: 'sequential',
  iterations: 1,
  ...more,
});
const none = { type: 'none' } as const;
const planStudy = (scheduler: SchedulerSettings, pruner: PrunerSettings) => planOf({ scheduler, pruner }).table();

describe('plan', () => {
  const published: [number, number, number, number][] = [
    [20, 2, 341, 43],
    [60, 2, 1514, 84],
    [100, 2, 3213, 163],
    [200, 2, 8294, 314],
    [300, 2, 15380, 608],
    [81, 3, 1581, 143],
    [27, 3, 357, 49],
    [729, 3, 27120, 1214],
  ];
  for (const [R, eta, epochs, trials] of published) {
    it(`R=${R}, eta=${eta} costs ${epochs} epochs with ${trials} configurations`, () => {
      const plan = planStudy(hyperband(R, eta), none);
      assert.deepEqual([plan.epochs, plan.trials], [epochs, trials]);
    });
  }

  it('loses no bracket where a floating-point logarithm does', () => {
    assert.equal(planStudy(hyperband(243, 3), none).brackets.length, 6);
    assert.equal(planStudy(hyperband(1000, 10), none).brackets.length, 4);
    assert.equal(planStudy(hyperband(1_000_000, 10), none).brackets.length, 7);
  });

  it('rounds half to even', () => {
    assert.deepEqual(
      [roundHalfEven(25, 2), roundHalfEven(27, 2), roundHalfEven(7, 3), roundHalfEven(8, 3)],
      [12, 14, 2, 3]
    );
  });

  it('has both bracket formulas', () => {
    const sizes = (bracketFormula: 'ceil' | 'floor') =>
      planStudy(hyperband(81, 3, { bracketFormula }), none).brackets.map((bracket) => bracket.trials);
    assert.deepEqual(sizes('ceil'), [81, 34, 15, 8, 5]);
    assert.deepEqual(sizes('floor'), [81, 27, 9, 6, 5]);
  });

  it('costs 1902 epochs from scratch at R=81, eta=3', () => {
    assert.equal(planStudy(hyperband(81, 3), none).epochsFromScratch, 1902);
  });

  it('numbers trials over brackets and iterations', () => {
    const plan = planStudy(hyperband(9, 3, { iterations: 2, brackets: 2 }), none);
    assert.deepEqual(
      plan.brackets.map(({ id, offset, trials }) => [id, offset, trials]),
      [
        ['b2', 0, 9],
        ['b1', 9, 5],
        ['i2-b2', 14, 9],
        ['i2-b1', 23, 5],
      ]
    );
  });

  it('adds R as the last rung of successive halving', () => {
    const plan = planStudy({ type: 'successiveHalving', trials: 20, minBudget: 1, maxBudget: 20, eta: 2 }, none);
    assert.deepEqual(
      plan.brackets[0]?.rounds.map((round) => round.to),
      [1, 2, 4, 8, 16, 20]
    );
  });

  it('puts the decision point half-way between two rungs and none where it is the rung', () => {
    const swift = {
      type: 'swift',
      predictor: { type: 'svr' },
      minCurves: 15,
      completeShare: 0.5,
      decisionPoint: 0.5,
    } as const;
    const rounds = planStudy(hyperband(100, 2), swift).brackets[0]?.rounds ?? [];
    assert.deepEqual(
      rounds.map((round) => [round.to, round.decisionPoint]),
      [
        [2, 1],
        [3, null],
        [6, 5],
        [12, 9],
        [25, 19],
        [50, 38],
        [100, 75],
      ]
    );
  });

  it('puts the decision point where a decimal share says, whatever its digits in floating point', () => {
    const full = { type: 'full', trials: 1, maxBudget: 100 } as const;
    for (let percent = 1; percent < 100; percent++) {
      const median = {
        type: 'median',
        minTrials: 5,
        decisionPoint: Number(`0.${String(percent).padStart(2, '0')}`),
      } as const;
      assert.equal(planStudy(full, median).brackets[0]?.rounds[0]?.decisionPoint, percent);
    }
    const third = { type: 'median', minTrials: 5, decisionPoint: 0.333 } as const;
    assert.equal(planStudy(full, third).brackets[0]?.rounds[0]?.decisionPoint, 34);
  });

  it('bounds the epochs of a study where its plan or its limit does', () => {
    const asha = { type: 'asha', trials: 49, maxBudget: 27, minBudget: 1, eta: 3 } as const;
    const bound = (scheduler: SchedulerSettings, epochs?: number) =>
      planOf({ scheduler, pruner: none }).epochBound(epochs === undefined ? {} : { epochs });
    assert.equal(bound(hyperband(27, 3)), 357);
    assert.equal(bound(hyperband(27, 3, { iterations: 2 })), 714);
    assert.equal(bound(hyperband(27, 3, { iterations: 'untilLimit' })), null);
    assert.equal(bound(hyperband(27, 3, { iterations: 'untilLimit' }), 1000), 1000);
    assert.equal(bound(hyperband(27, 3), 200), 200);
    assert.equal(bound(hyperband(27, 3), 400), 357);
    assert.equal(bound(asha), null);
    assert.equal(bound(asha, 200), 200);
  });
});
