import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pow } from '../../../core/math.js';
import { decaysUpTo, fitPowerLaw, powerLaw, type PowerLaw } from '../../../core/predictors/power-law.js';

const law = (a: number, b: number, c: number, epochs: number) =>
  Array.from({ length: epochs }, (_, i) => a + b * pow(i + 1, -c));
const at = ({ a, b, c }: PowerLaw, t: number) => a + b * pow(t, -c);
const near = (x: number, y: number, most: number) => assert.ok(Math.abs(x - y) < most, `${x}, not ${y}`);
const context = { settings: { type: 'power-law' }, seed: 0 } as const;

describe('power-law', () => {
  it('finds the law of a curve that follows one', () => {
    const { a, b, c } = fitPowerLaw(law(2, 3, 0.5, 20), decaysUpTo(20));
    near(a, 2, 1e-9);
    near(b, 3, 1e-9);
    assert.equal(c, 0.5);
  });

  it('is not bent by one spike', () => {
    const clean = law(2, 3, 1, 25);
    const spiked = clean.map((value, i) => (i === 24 ? value + 50 : value));
    near(at(fitPowerLaw(spiked, decaysUpTo(25)), 100), 2.03, 0.05);
  });

  it('holds a rising or constant curve at its level', () => {
    const rising = fitPowerLaw([1, 2, 3, 4, 5], decaysUpTo(5));
    assert.equal(rising.b, 0);
    near(rising.a, 3, 0.1);
    assert.deepEqual(fitPowerLaw([7, 7, 7], decaysUpTo(3)), { a: 7, b: 0, c: 1 });
    assert.deepEqual(fitPowerLaw([7], decaysUpTo(1)), { a: 7, b: 0, c: 1 });
  });

  it('learns from complete curves how far away the rung is', () => {
    const curves = [0.5, 1, 2].map((c, i) => law(i, 4 + i, c, 80));
    const fitted = powerLaw.fit(
      curves.map((curve) => curve.slice(0, 20)),
      curves.map((curve) => curve[79] as number),
      context
    );
    assert.ok('predict' in fitted);
    near(fitted.predict(law(1, 6, 1, 20)), 1 + 6 / 80, 1e-9);
  });

  it('gives a number for any curve of numbers', () => {
    const loss = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(fc.array(loss, { minLength: 1, maxLength: 40 }), (row) => {
        const fitted = fitPowerLaw(row, decaysUpTo(row.length));
        assert.ok(fitted.b >= 0);
        assert.ok(Number.isFinite(at(fitted, 8 * row.length)));
      })
    );
  });
});
