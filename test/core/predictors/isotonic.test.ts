import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fitIsotonic, isotonic } from '../../../core/predictors/isotonic.js';
import { agrees, committed } from './isotonic-reference.js';

describe('isotonic', () => {
  it('pools violators, averages twins, interpolates and clips', () => {
    const line = fitIsotonic([3, 1, 2, 4, 4], [2, 1, 4, 6, 8]);
    // 4 and 2 at x = 2 and 3 are out of order: 3 for both. The twins at 4 share 7.
    assert.deepEqual([0, 1, 1.5, 2, 2.5, 3, 3.5, 4, 9].map(line), [1, 1, 2, 3, 3, 3, 5, 7, 7]);
    assert.deepEqual([-1, 0, 1].map(fitIsotonic([1, 2, 3], [3, 2, 1])), [2, 2, 2]);
  });

  it('looks at the smallest of the last five losses', () => {
    const rows = [
      [0, 9, 1, 9, 9, 9],
      [0, 9, 9, 9, 9, 3],
    ];
    const fitted = isotonic.fit(rows, [10, 30], { settings: { type: 'isotonic' }, seed: 0 });
    assert.ok('predict' in fitted);
    assert.equal(fitted.predict([0, 9, 9, 2, 9, 9]), 20);
    assert.equal(fitted.predict([0, 0, 9, 9, 9, 9]), 10);
  });

  it('never falls and stays within the targets', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const points = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(points, fc.array(value, { minLength: 2, maxLength: 20 }), (known, asked) => {
        const y = known.map(([, yi]) => yi);
        const line = fitIsotonic(
          known.map(([xi]) => xi),
          y
        );
        const along = [...asked, ...known.map(([xi]) => xi)].sort((p, q) => p - q).map(line);
        const rounding = 1e-9 * Math.max(...y.map(Math.abs), 1e-300);
        along.forEach((at, i) => {
          if (i > 0) assert.ok(at >= (along[i - 1] as number), `${along[i - 1]} then ${at}`);
          assert.ok(at >= Math.min(...y) - rounding && at <= Math.max(...y) + rounding);
        });
      })
    );
  });

  it('predicts what scikit-learn predicted on the committed problems, to 1e-9', () => {
    agrees(committed());
  });
});
