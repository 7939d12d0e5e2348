import assert from 'node:assert/strict';
import fc from 'fast-check';
import { canonicalJson, defineStudy, runInMemory } from '../../core/index.js';
import { createSampler } from '../../core/sampler.js';
import { stream } from '../../core/rng.js';
import { checkConfig, circlesOf, drawConfig, gridOf, inOrder } from '../../core/space.js';
import type { Config, Json, Parameter, SearchSpace, Study, TpeSampler } from '../../core/study.js';
import { spaceCube } from '../../core/unit-cube.js';
import { studyOf } from './small-study.js';
import { effectsOf, studies } from './world.js';

const fixed = (on?: string): Parameter => ({
  type: 'fixed',
  value: 1,
  ...(on === undefined ? {} : { when: { parameter: on, in: [1] } }),
});
const namesOf = (space: SearchSpace) => inOrder(space).map(([name]) => name);

/** Code units and whole numbers are in different orders, and JavaScript lists keys that are whole numbers first. */
const names = ['lr', 'Z', 'a', 'ä', '10', '9', '1e3', 'units', '-'];

const kinds: fc.Arbitrary<Parameter> = fc.oneof(
  fc.constant<Parameter>({ type: 'choice', values: [2, 0, 1] }),
  fc.constant<Parameter>({ type: 'int', low: 0, high: 2, log: false, step: 1 }),
  fc.constant<Parameter>({ type: 'int', low: 1, high: 200, log: true, step: 1 }),
  fc.constant<Parameter>({ type: 'float', low: 1e-4, high: 1, log: true }),
  fc.constant<Parameter>({ type: 'float', low: 0, high: 1, log: false, step: 0.25 }),
  fc.constant<Parameter>({ type: 'fixed', value: 1 })
);

/** Spaces whose conditions name any parameter, without a circle, and the same one with its keys in another order. */
const spaces = fc
  .record({
    names: fc.shuffledSubarray(names, { minLength: 2, maxLength: 6 }),
    kinds: fc.array(kinds, { minLength: 6, maxLength: 6 }),
    on: fc.array(fc.option(fc.nat(5)), { minLength: 6, maxLength: 6 }),
    order: fc.nat(),
  })
  .map(({ names: own, kinds: given, on, order }) => {
    const entries = own.map((name, i): [string, Parameter] => {
      const parent = on[i] ?? i;
      const when = parent < i ? { when: { parameter: own[parent] as string, in: [0, 1] } } : {};
      return [name, { ...(given[i] as Parameter), ...when }];
    });
    const shuffled = stream(order, 'keys')
      .permutation(entries.length)
      .map((i) => entries[i] as [string, Parameter]);
    return { space: Object.fromEntries(entries), other: Object.fromEntries(shuffled) };
  });

const tpe: TpeSampler = {
  type: 'tpe',
  wave: 8,
  randomFraction: 0.1,
  goodShare: 0.15,
  candidates: 8,
  bandwidthFactor: 3,
  minBandwidth: 1e-3,
};

/** A loss that hangs on every parameter, whatever the order in which they come. */
function lossOf(config: Config): number {
  const numbers = names.map((name, i) => (i + 1) * Number(config[name] ?? 0.5));
  return numbers.reduce((sum, x) => sum + Math.abs(x - 1), 0);
}

/** Two rounds of proposals as text: configurations have their keys in one order, too. */
function proposed(study: Study): string {
  const sampler = createSampler(study, null);
  const before = sampler.propose({ bracket: 'b1', offset: 0, count: 30 });
  const observations = before.trials.map(({ globalIndex, config }) => {
    return { trial: globalIndex, budget: 1, loss: lossOf(config) };
  });
  return JSON.stringify([before, sampler.propose({ bracket: 'b0', offset: 30, count: 10, observations })]);
}

describe('order of a search space', function () {
  this.timeout(120_000);

  it('goes by name, in code units', () => {
    const space = Object.fromEntries([...names].reverse().map((name) => [name, fixed()]));
    assert.deepEqual(namesOf(space), ['-', '10', '1e3', '9', 'Z', 'a', 'lr', 'units', 'ä']);
  });

  it('puts a parameter after the one its condition names, and as early as that allows', () => {
    assert.deepEqual(namesOf({ a: fixed('d'), b: fixed(), c: fixed('a'), d: fixed(), e: fixed() }), [
      'b',
      'd',
      'a',
      'c',
      'e',
    ]);
    assert.deepEqual(namesOf({ 1: fixed('x'), x: fixed() }), ['x', '1']);
    assert.deepEqual(namesOf({ b: fixed('toString'), a: fixed('none') }), ['a', 'b'], 'no parameters of the space');
  });

  it('lets a condition name any parameter, wherever its key stands', () => {
    const space: SearchSpace = {
      momentum: { type: 'float', low: 0, high: 1, log: false, when: { parameter: 'optimiser', in: ['sgd'] } },
      optimiser: { type: 'choice', values: ['sgd', 'adam'] },
    };
    const drawn = Array.from({ length: 50 }, (_, i) => drawConfig(inOrder(space), stream(1, i)));
    assert.ok(drawn.some((config) => 'momentum' in config));
    for (const config of drawn) {
      assert.equal('momentum' in config, config['optimiser'] === 'sgd');
      assert.deepEqual(checkConfig(space, config), []);
    }
  });

  it('is refused where conditions go in a circle, which is named', () => {
    const circle = { c: fixed('b'), b: fixed('a'), a: fixed('c'), z: fixed('z'), y: fixed('a'), x: fixed() };
    assert.deepEqual(circlesOf(circle), [
      ['a', 'c', 'b', 'a'],
      ['z', 'z'],
    ]);
    const refused = /conditions of a -> c -> b -> a go in a circle/;
    assert.throws(() => inOrder(circle), refused);
    assert.throws(() => createSampler(studyOf({ space: circle }), null), refused);
    assert.throws(() => defineStudy({ space: circle, scheduler: { type: 'full', trials: 1, maxBudget: 1 } }), refused);
    assert.throws(() => inOrder({ b: fixed('a'), a: fixed('b') }), /of a -> b -> a go/);
  });

  it('is one, whatever the order of keys', () =>
    fc.assert(
      fc.property(spaces, ({ space, other }) => {
        const order = namesOf(space);
        assert.deepEqual(namesOf(other), order);
        assert.deepEqual([...order].sort(), Object.keys(space).sort());
        order.forEach((name, i) => {
          const on = space[name]?.when?.parameter;
          assert.ok(on === undefined || order.indexOf(on) < i);
        });
        assert.deepEqual(spaceCube(other).levels, spaceCube(space).levels);
      })
    ));

  it('gives the same grid and the same verdicts in any order of keys', () =>
    fc.assert(
      fc.property(spaces, fc.nat(1000), ({ space, other }, seed) => {
        assert.equal(JSON.stringify(gridOf(other, 2)), JSON.stringify(gridOf(space, 2)));
        const config = drawConfig(inOrder(space), stream(seed));
        assert.deepEqual(checkConfig(space, config), []);
        const spoilt: Record<string, Json> = { ...config, 9: 7, unknown: 1 };
        for (const one of [config, spoilt]) assert.deepEqual(checkConfig(other, one), checkConfig(space, one));
      }),
      { numRuns: 50 }
    ));

  for (const sampler of [
    { type: 'random' } as const,
    { type: 'sobol' } as const,
    { type: 'grid', pointsPerDimension: 2 } as const,
    tpe,
  ]) {
    it(`draws the same configurations in any order of keys: ${sampler.type}`, () =>
      fc.assert(
        fc.property(spaces, fc.nat(1000), ({ space, other }, seed) => {
          assert.equal(proposed(studyOf({ seed, space: other, sampler })), proposed(studyOf({ seed, space, sampler })));
        }),
        { numRuns: 40 }
      ));
  }

  for (const [name, study] of studies) {
    it(`decides the same in any order of keys: ${name}`, () =>
      fc.assert(
        fc.asyncProperty(spaces, fc.nat(1000), async ({ space, other }, seed) => {
          const more: SearchSpace = { x: { type: 'float', low: 0, high: 1, log: false } };
          const recordOf = async (own: SearchSpace) => {
            const whole = { ...study(seed), space: own };
            return canonicalJson(await runInMemory(whole, effectsOf(whole)));
          };
          assert.equal(await recordOf({ ...more, ...other }), await recordOf({ ...space, ...more }));
        }),
        { numRuns: 4 }
      ));
  }
});
