import assert from 'node:assert/strict';
import fc from 'fast-check';
import { stream } from '../../core/rng.js';

const take = (seed: number, ...path: (string | number)[]) => {
  const random = stream(seed, ...path);
  return Array.from({ length: 4 }, () => random.uint32());
};

describe('rng', () => {
  it('gives the committed numbers', () => {
    assert.deepEqual(
      {
        plain: take(0),
        config: take(1, 'config', 0),
        large: take(4294967295, 'order', 1000000),
        text: take(7, 'ü', ''),
      },
      {
        plain: [2040553127, 2671230994, 3535833209, 446703493],
        config: [214913913, 3125709865, 238869282, 2139890429],
        large: [2180672978, 4041370319, 777472356, 2871511385],
        text: [2385578967, 1178916942, 2113326722, 908110558],
      }
    );
    const random = stream(42, 'trial');
    assert.deepEqual(
      [random.uniform(), random.uniform(), random.below(10), random.permutation(10)],
      [0.8644853915313495, 0.6361731533139242, 2, [6, 7, 3, 9, 4, 2, 8, 5, 0, 1]]
    );
  });

  it('keeps streams of different seeds and paths apart', () => {
    const paths: (string | number)[][] = [[], ['a', 1], ['a', '1'], ['a1'], ['a', 1, ''], [1, 'a'], ['b', 1]];
    const seen = [0, 1, 4294967295].flatMap((seed) => paths.map((path) => take(seed, ...path).join()));
    assert.equal(new Set(seen).size, 21);
    const first = Array.from({ length: 20_000 }, (_, index) => stream(3, 'config', index).uint32());
    // 20,000 of 2^32: 0.05 collisions expected.
    assert.ok(new Set(first).size >= 19_998);
  });

  it('stays in range', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4294967295 }), fc.integer({ min: 1, max: 4294967296 }), (seed, n) => {
        const random = stream(seed, 'range');
        const u = random.uniform();
        const k = random.below(n);
        assert.ok(u >= 0 && u < 1 && Number.isInteger(k) && k >= 0 && k < n);
      })
    );
    for (const n of [0, -1, 1.5, NaN, 4294967297]) assert.throws(() => stream(0).below(n), RangeError);
  });

  it('is even', () => {
    const random = stream(5, 'even');
    const bins = new Array<number>(12).fill(0);
    for (let i = 0; i < 120_000; i++) {
      const k = random.below(12);
      bins[k] = (bins[k] ?? 0) + 1;
    }
    for (const bin of bins) assert.ok(Math.abs(bin - 10_000) < 500, `${bin} of about 10,000`);
    const uniform = Array.from({ length: 100_000 }, () => random.uniform());
    const mean = uniform.reduce((sum, u) => sum + u, 0) / uniform.length;
    assert.ok(Math.abs(mean - 0.5) < 0.005, `mean ${mean}`);
  });

  it('permutes everything once', () => {
    fc.assert(
      fc.property(fc.nat(200), (n) => {
        const order = stream(n, 'p').permutation(n);
        assert.deepEqual(
          [...order].sort((a, b) => a - b),
          Array.from({ length: n }, (_, i) => i)
        );
      })
    );
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const key = stream(9, i).permutation(3).join('');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    assert.equal(counts.size, 6);
    for (const [key, seen] of counts) assert.ok(Math.abs(seen - 1000) < 150, `${key}: ${seen} of about 1000`);
  });
});
