import assert from 'node:assert/strict';
import fc from 'fast-check';
import { stream } from '../../core/rng.js';
import { checkConfig, configKey, drawConfig, gridOf, inOrder } from '../../core/space.js';
import type { Config, FloatParameter, IntParameter, SearchSpace } from '../../core/study.js';

const float = (low: number, high: number, more: Partial<FloatParameter> = {}): FloatParameter => ({
  type: 'float',
  low,
  high,
  log: false,
  ...more,
});
const int = (low: number, high: number, more: Partial<IntParameter> = {}): IntParameter => ({
  type: 'int',
  low,
  high,
  log: false,
  step: 1,
  ...more,
});
const space: SearchSpace = {
  lr: float(1e-5, 1e-1, { log: true }),
  dropout: float(0, 0.5, { step: 0.1 }),
  layers: int(1, 4),
  width: int(16, 1024, { log: true }),
  opt: { type: 'choice', values: ['sgd', 'adam'] },
  momentum: float(0, 1, { when: { parameter: 'opt', in: ['sgd'] } }),
  nesterov: { type: 'choice', values: [true, false], when: { parameter: 'momentum', in: [2] } },
  epochs: { type: 'fixed', value: 3 },
};
const draws = (count: number, of: SearchSpace = space) =>
  Array.from({ length: count }, (_, i) => drawConfig(inOrder(of), stream(1, 'config', i)));

describe('space', () => {
  it('gives the committed configuration', () => {
    assert.deepEqual(draws(3), [
      { lr: 0.00002645229804668519, dropout: 0, layers: 3, width: 75, opt: 'adam', epochs: 3 },
      { lr: 0.00005253564011823254, dropout: 0.1, layers: 4, width: 30, opt: 'adam', epochs: 3 },
      {
        lr: 0.0007005956069707238,
        dropout: 0.1,
        layers: 3,
        width: 99,
        opt: 'sgd',
        momentum: 0.901579387837886,
        epochs: 3,
      },
    ]);
  });

  it('draws only what lies in the space', () => {
    for (const config of draws(2000)) assert.deepEqual(checkConfig(space, config), []);
  });

  it('leaves inactive parameters out, and what depends on them', () => {
    for (const config of draws(200)) {
      assert.equal('momentum' in config, config['opt'] === 'sgd');
      assert.ok(!('nesterov' in config));
    }
    const choice = (parameter: string, value: number) =>
      ({ type: 'choice', values: [1], when: { parameter, in: [value] } }) as const;
    const inherited: SearchSpace = Object.fromEntries([
      ['a', { type: 'fixed', value: 1 }],
      ['constructor', choice('a', 2)],
      ['b', choice('constructor', 1)],
    ]);
    assert.deepEqual(draws(1, inherited), [{ a: 1 }]);
  });

  it('draws evenly, in the logarithm where asked', () => {
    const all = draws(8000);
    const share = (of: (config: Config) => boolean) => all.filter(of).length / all.length;
    const near = (seen: number, expected: number) =>
      assert.ok(Math.abs(seen - expected) < 0.02, `${seen} ~ ${expected}`);
    near(
      share((c) => (c['lr'] as number) < 1e-3),
      0.5
    );
    near(
      share((c) => (c['width'] as number) < 128),
      0.5
    );
    for (const layers of [1, 2, 3, 4]) {
      near(
        share((c) => c['layers'] === layers),
        0.25
      );
    }
    for (const dropout of [0, 0.1, 0.2, 0.3, 0.4, 0.5]) {
      near(
        share((c) => c['dropout'] === dropout),
        1 / 6
      );
    }
  });

  it('keeps steps clean, inside the bounds and exact for large whole numbers', () => {
    const exact = 2 ** 50;
    for (const config of draws(300, {
      a: float(-0.3, 0.3, { step: 0.1 }),
      b: float(0, 0.9999999999, { step: 0.1 }),
      c: int(exact + 1, exact + 9, { step: 2 }),
    })) {
      const { a, b, c } = config as { a: number; b: number; c: number };
      assert.ok([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3].includes(a), String(a));
      assert.ok(b <= 0.9999999999, String(b));
      assert.ok((c - exact) % 2 === 1 && c <= exact + 9, String(c));
    }
  });

  it('draws and checks any numeric parameter', () => {
    const numeric = fc
      .record({
        low: fc.integer({ min: 1, max: 1000 }),
        width: fc.integer({ min: 0, max: 5000 }),
        step: fc.integer({ min: 1, max: 50 }),
        log: fc.boolean(),
        whole: fc.boolean(),
      })
      .map(({ low, width, step, log, whole }): SearchSpace => ({
        x: whole
          ? int(low, low + width, { log, step })
          : float(low / 7, (low + width) / 7, { log, ...(step % 2 ? { step: step / 7 } : {}) }),
      }));
    fc.assert(
      fc.property(numeric, fc.nat(), (one, seed) => {
        assert.deepEqual(checkConfig(one, drawConfig(inOrder(one), stream(seed))), []);
        for (const config of gridOf(one, 4)) assert.deepEqual(checkConfig(one, config), []);
      })
    );
  });

  it('ends a grid at the high end and not a rounding error above it', () => {
    const edges = float(128.42857142857142, 394.7142857142857);
    assert.equal(gridOf({ x: edges }, 4).at(-1)?.['x'], 394.7142857142857);
  });

  it('lists a grid once, conditions included', () => {
    const grid = gridOf(
      {
        opt: { type: 'choice', values: ['sgd', 'adam', 'adam'] },
        momentum: float(0, 1, { when: { parameter: 'opt', in: ['sgd'] } }),
        layers: int(1, 3),
        epochs: { type: 'fixed', value: 3 },
      },
      5
    );
    // 5 momenta with sgd, none with adam; each with 3 layers.
    assert.equal(grid.length, 18);
    assert.equal(new Set(grid.map(configKey)).size, 18);
    assert.deepEqual(grid[0], { opt: 'sgd', momentum: 0, layers: 1, epochs: 3 });
    assert.deepEqual(
      gridOf({ w: int(1, 3, { log: true }) }, 10).map((config) => config['w']),
      [1, 2, 3]
    );
    assert.deepEqual(
      gridOf({ w: float(1, 2, { log: true, step: 0.5 }) }, 10).map((config) => config['w']),
      [1, 1.5, 2]
    );
  });

  it('keeps the ends of a grid inside the bounds, whatever their last digits', () => {
    const [low, high] = [141.71428571428572, 654.2857142857143];
    assert.ok(low + (high - low) > high);
    const points = gridOf({ x: { type: 'float', low, high, log: false } }, 2);
    assert.deepEqual(points, [{ x: low }, { x: high }]);
  });

  it('refuses a grid that fills the memory before it does', () => {
    const wide = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`x${i}`, float(0, 1)]));
    assert.throws(() => gridOf(wide, 5, 1000), /more than 1000/);
    assert.throws(() => gridOf({ x: int(0, 1e12) }, 5, 1000), /more than 1000/);
    assert.equal(gridOf({ x: int(1, 1000) }, 5, 1000).length, 1000);
  });

  it('names what is wrong with a configuration', () => {
    const good = { lr: 0.01, dropout: 0.3, layers: 2, width: 64, opt: 'adam', epochs: 3 };
    assert.deepEqual(checkConfig(space, good), []);
    const wrong = { lr: 1, dropout: 0.25, layers: 1.5, opt: 'adam', momentum: 0.9, epochs: 4, lrr: 1 };
    const problems = checkConfig(space, wrong);
    for (const name of ['lr', 'dropout', 'layers', 'width', 'momentum', 'epochs', 'lrr']) {
      assert.ok(
        problems.some((problem) => problem.startsWith(`${name} is`)),
        `${name}: ${problems.join('; ')}`
      );
    }
    assert.equal(problems.length, 7);
  });

  it('knows equal configurations by their key', () => {
    assert.equal(configKey({ a: 1, b: { c: [1, 2], d: null } }), configKey({ b: { d: null, c: [1, 2] }, a: 1 }));
    assert.notEqual(configKey({ a: 1 }), configKey({ a: '1' }));
    assert.notEqual(configKey({ a: [1, 2] }), configKey({ a: [2, 1] }));
  });
});
