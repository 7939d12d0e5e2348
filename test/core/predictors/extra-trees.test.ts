import assert from 'node:assert/strict';
import fc from 'fast-check';
import { extraTrees, summarise } from '../../../core/predictors/extra-trees.js';
import { stream } from '../../../core/rng.js';

const fitted = (rows: readonly (readonly number[])[], targets: readonly number[], seed = 1) => {
  const model = extraTrees.fit(rows, targets, { settings: { type: 'extra-trees' }, seed });
  assert.ok('predict' in model);
  return model;
};

describe('extra-trees', () => {
  it('summarises a curve', () => {
    assert.deepEqual(summarise([9, 1, 5, 6, 2, 8, 7], { known: 4, rung: 3 }), [1, 6, 7, 2, 9, 3, 1]);
    assert.deepEqual(summarise([3, 1], { known: 2, rung: 2 }), [1, 2, 1, 2, 3, 2, 0]);
  });

  it('tells groups of curves apart', () => {
    const random = stream(3);
    const rows = Array.from({ length: 60 }, (_, i) => [10, 9, (i % 3) + 0.1 * random.uniform()]);
    const model = fitted(
      rows,
      rows.map((_, i) => (i % 3) * 100)
    );
    [0, 1, 2].forEach((group) => assert.ok(Math.abs(model.predict([10, 9, group + 0.05]) - group * 100) < 1));
  });

  it('does not split fewer than five curves: all trees answer their mean', () => {
    const model = fitted([[4], [3], [2], [1]], [4, 3, 2, 7]);
    assert.equal(model.predict([1]), 4);
    assert.equal(model.predict([4]), 4);
  });

  it('is the same for the same seed and another for another', () => {
    const random = stream(5);
    const rows = Array.from({ length: 30 }, () => Array.from({ length: 6 }, () => random.uniform()));
    const targets = rows.map((row) => (row[5] as number) + random.uniform());
    const asked = rows.map((row) => row.map((value) => value * 0.9));
    const ask = (seed: number) => asked.map((row) => fitted(rows, targets, seed).predict(row));
    assert.deepEqual(ask(1), ask(1));
    assert.notDeepEqual(ask(1), ask(2));
  });

  it('stays within the targets', () => {
    const loss = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const row = fc.array(loss, { minLength: 4, maxLength: 4 });
    const cases = fc.array(fc.tuple(row, loss), { minLength: 2, maxLength: 25 });
    fc.assert(
      fc.property(cases, row, fc.nat(), (known, asked, seed) => {
        const targets = known.map(([, target]) => target);
        const model = fitted(
          known.map(([one]) => one),
          targets,
          seed
        );
        const answer = model.predict(asked);
        const rounding = 1e-9 * Math.max(...targets.map(Math.abs));
        assert.ok(answer >= Math.min(...targets) - rounding && answer <= Math.max(...targets) + rounding);
      }),
      { numRuns: 50 }
    );
  });
});
