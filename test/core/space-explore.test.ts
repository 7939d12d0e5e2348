import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkConfig, defineStudy, type ParameterInput, type StudyInput } from '../../core/index.js';
import { stream } from '../../core/rng.js';
import type { Config } from '../../core/settings.js';
import { drawConfig, inOrder } from '../../core/space.js';
import { explore } from '../../core/space-explore.js';

const perturb = { resampleProbability: 0, factor: 1.2 };
const resample = { resampleProbability: 1, factor: 1.2 };

const spaceOf = (space: NonNullable<StudyInput['space']>) =>
  defineStudy({ space, scheduler: { type: 'full', trials: 1, maxBudget: 1 } }).space;

/** Everything one parameter comes to from `value`, over many streams. */
function movesOf(parameter: ParameterInput, value: Config[string], exploration = perturb): unknown[] {
  const space = spaceOf({ x: parameter });
  const found = Array.from(
    { length: 64 },
    (_, i) => explore(space, { x: value }, exploration, stream(i, 'moves'))['x']
  );
  return [...new Set(found)].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

const whole = {
  lr: { type: 'float', low: 1e-4, high: 1, log: true },
  width: { type: 'int', low: 1, high: 64, log: true },
  drop: { type: 'float', low: 0, high: 0.9, step: 0.1 },
  even: { type: 'int', low: 2, high: 20, step: 3 },
  shift: { type: 'float', low: -1, high: 1 },
  optimiser: { type: 'choice', values: ['sgd', 'adam', { name: 'lamb', eps: 1 }] },
  momentum: { type: 'float', low: 0, high: 0.99, when: { parameter: 'optimiser', in: ['sgd'] } },
  a: { type: 'choice', values: [1, 2], when: { parameter: 'optimiser', in: ['adam', 'sgd'] } },
  batch: { type: 'fixed', value: 32 },
} satisfies NonNullable<StudyInput['space']>;

describe('explore', () => {
  it('multiplies or divides numbers by the factor, and clips them to their bounds', () => {
    assert.deepEqual(movesOf({ type: 'float', low: 0, high: 1 }, 0.5), [0.5 / 1.2, 0.5 * 1.2]);
    assert.deepEqual(movesOf({ type: 'float', low: 1e-4, high: 1, log: true }, 0.01), [0.01 / 1.2, 0.01 * 1.2]);
    assert.deepEqual(movesOf({ type: 'float', low: 0.45, high: 0.55 }, 0.5), [0.45, 0.55]);
    assert.deepEqual(movesOf({ type: 'float', low: 0, high: 1 }, 0.5, { ...perturb, factor: 2 }), [0.25, 1]);
  });

  it('keeps whole numbers and steps on their grid, and moves them at least one step', () => {
    assert.deepEqual(movesOf({ type: 'int', low: 1, high: 100 }, 50), [42, 60]);
    assert.deepEqual(movesOf({ type: 'int', low: 1, high: 4 }, 2), [1, 3]);
    assert.deepEqual(movesOf({ type: 'int', low: 0, high: 4 }, 0), [0, 1]);
    assert.deepEqual(movesOf({ type: 'int', low: -4, high: 4 }, -2), [-1, -3]);
    assert.deepEqual(movesOf({ type: 'float', low: 0, high: 1, step: 0.25 }, 0.5), [0.25, 0.75]);
    assert.deepEqual(movesOf({ type: 'float', low: 0, high: 1, step: 0.25 }, 1), [0.75, 1]);
  });

  it('moves a choice to its neighbour, and leaves what is fixed', () => {
    const values = ['a', 'b', { c: 1, d: 2 }, 'e'];
    assert.deepEqual(movesOf({ type: 'choice', values }, { d: 2, c: 1 }), ['b', 'e']);
    assert.deepEqual(movesOf({ type: 'choice', values }, 'a'), ['b']);
    assert.deepEqual(movesOf({ type: 'choice', values }, 'e'), [{ c: 1, d: 2 }]);
    assert.deepEqual(movesOf({ type: 'choice', values: ['a'] }, 'a'), ['a']);
    assert.deepEqual(movesOf({ type: 'fixed', value: 3 }, 3), [3]);
  });

  it('draws anew from the space as often as it is told', () => {
    const space = spaceOf({ x: { type: 'float', low: 0, high: 1 } });
    const often = Array.from({ length: 4000 }, (_, i) => {
      const found = explore(space, { x: 0.5 }, { resampleProbability: 0.25, factor: 1.2 }, stream(i, 'often'))['x'];
      return found !== 0.5 * 1.2 && found !== 0.5 / 1.2;
    }).filter(Boolean).length;
    assert.ok(Math.abs(often / 4000 - 0.25) < 0.03, `${often} of 4000`);
    assert.ok(movesOf({ type: 'int', low: 1, high: 8 }, 4, resample).length === 8);
  });

  it('leaves out what is no longer active, and draws what newly is', () => {
    const space = spaceOf({
      kind: { type: 'choice', values: ['a', 'b'] },
      of: { type: 'float', low: 2, high: 3, when: { parameter: 'kind', in: ['b'] } },
    });
    const there = explore(space, { kind: 'a' }, perturb, stream(1, 'there'));
    assert.equal(there['kind'], 'b');
    assert.ok(Number(there['of']) >= 2 && Number(there['of']) < 3);
    assert.deepEqual(explore(space, { kind: 'b', of: 2.5 }, perturb, stream(1, 'there')), { kind: 'a' });
  });

  it('stays in the space, and comes to the same whatever the order of its parameters', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }), (seed, share) => {
        const space = spaceOf(whole);
        const exploration = { resampleProbability: share, factor: 1.5 };
        const config = drawConfig(inOrder(space), stream(seed, 'config'));
        const found = explore(space, config, exploration, stream(seed, 'explore'));
        assert.deepEqual(checkConfig(space, found), []);
        const byName = Object.fromEntries(Object.entries(space).sort(([a], [b]) => (a < b ? -1 : 1)));
        assert.notDeepEqual(Object.keys(byName), Object.keys(space));
        assert.deepEqual(explore(byName, config, exploration, stream(seed, 'explore')), found);
      }),
      { numRuns: 300 }
    ));
});
