import assert from 'node:assert/strict';
import fc from 'fast-check';
import { maxSobolDimensions, sobolSequence } from '../../core/sobol.js';
import { committed, sobolAgrees } from './samplers-reference.js';

/** How many of the points 0 ... 2^m - 1 fall in each of 2^m equal intervals of one axis. */
function perInterval(sequence: (n: number) => number[], dimension: number, m: number): number[] {
  const counts = Array.from({ length: 2 ** m }, () => 0);
  for (let n = 0; n < 2 ** m; n++) {
    const interval = Math.floor((sequence(n)[dimension] as number) * 2 ** m);
    counts[interval] = (counts[interval] as number) + 1;
  }
  return counts;
}

describe('sobol', function () {
  this.timeout(120_000);

  it("gives SciPy's unscrambled points, committed", () => sobolAgrees(committed()));

  it('fills every interval of every axis once, scrambled or not', () => {
    for (const seed of [null, 0, 1, 4294967295]) {
      const sequence = sobolSequence(maxSobolDimensions, seed);
      for (let dimension = 0; dimension < maxSobolDimensions; dimension++) {
        assert.ok(
          perInterval(sequence, dimension, 7).every((count) => count === 1),
          `${dimension} of seed ${seed}`
        );
      }
    }
  });

  it('keeps the net of the first two dimensions when scrambled: 256 points, one in each of 16 x 16 squares', () => {
    const sequence = sobolSequence(2, 3);
    const squares = new Set(
      Array.from({ length: 256 }, (_, n) => sequence(n).map((x) => Math.floor(x * 16))).map(String)
    );
    assert.equal(squares.size, 256);
  });

  it('moves every point with the seed: point 0 alone is uniform', () => {
    const firsts = Array.from({ length: 2000 }, (_, seed) => sobolSequence(2, seed)(0));
    for (const d of [0, 1]) {
      const mean = firsts.reduce((sum, point) => sum + (point[d] as number), 0) / firsts.length;
      // Standard error of a uniform mean over 2,000: 0.0065.
      assert.ok(Math.abs(mean - 0.5) < 0.026, `mean ${mean}`);
    }
    assert.notDeepEqual(sobolSequence(2, 1)(5), sobolSequence(2, 2)(5));
    assert.deepEqual(sobolSequence(2, 1)(5), sobolSequence(2, 1)(5));
  });

  it('gives a point whatever was asked before, each dimension whatever others there are', () => {
    const whole = sobolSequence(5, 9);
    fc.assert(
      fc.property(fc.array(fc.nat(4294967295), { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (asked, few) => {
        const sequence = sobolSequence(few, 9);
        for (const n of asked) {
          const point = sequence(n);
          assert.deepEqual(point, whole(n).slice(0, few));
          assert.ok(point.every((x) => x >= 0 && x < 1));
        }
      })
    );
  });

  it('refuses more dimensions than it has', () => {
    assert.equal(maxSobolDimensions, 64);
    assert.throws(() => sobolSequence(65, 1), /64 dimensions here, not 65/);
  });
});
