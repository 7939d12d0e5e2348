import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createSampler } from '../../core/sampler.js';
import { sobolSequence } from '../../core/sobol.js';
import { checkConfig, configKey } from '../../core/space.js';
import type { Config, SearchSpace, Study, TpeSampler } from '../../core/study.js';
import { trialId, type Trial } from '../../core/trial.js';
import { studyOf } from './small-study.js';

const six: SearchSpace = {
  a: { type: 'choice', values: [1, 2, 3] },
  b: { type: 'choice', values: ['x', 'y'] },
};

const tpe: TpeSampler = {
  type: 'tpe',
  wave: 8,
  randomFraction: 1 / 3,
  goodShare: 0.15,
  candidates: 64,
  bandwidthFactor: 3,
  minBandwidth: 1e-3,
};
const keys = (trials: readonly Trial[]) => trials.map((trial) => configKey(trial.config));
const draw = (study: Study, count: number, table: readonly Config[] | null = null, offset = 0) =>
  createSampler(study, table).propose({ bracket: 'b0', offset, count });

describe('sampler', () => {
  it('names trials and gives every one a seed of its own', () => {
    const { trials } = createSampler(studyOf(), null).propose({ bracket: 'i2-b4', offset: 5, count: 1001 });
    assert.deepEqual([trials[0]?.id, trials[17]?.id, trials[1000]?.id], ['i2-b4-t000', 'i2-b4-t017', 'i2-b4-t1000']);
    assert.deepEqual([trials[3]?.index, trials[3]?.globalIndex], [3, 8]);
    assert.ok(new Set(trials.map((trial) => trial.seed)).size >= 1000);
    assert.equal(trialId('b0', 7), 'b0-t007');
  });

  it('gives the committed trials', () => {
    assert.deepEqual(
      draw(studyOf({ space: six }), 3).trials.map(({ config, seed }) => [config, seed]),
      [
        [{ a: 1, b: 'x' }, 3393807875],
        [{ a: 1, b: 'y' }, 2372635354],
        [{ a: 3, b: 'x' }, 3719432681],
      ]
    );
  });

  it('gives the committed points and proposals, on every engine', () => {
    const configs = (trials: readonly Trial[]) => trials.map((trial) => trial.config);
    assert.deepEqual(configs(draw(studyOf({ sampler: { type: 'sobol' } }), 3).trials), [
      { lr: 0.07941235973706576, layers: 3 },
      { lr: 0.000565879285531647, layers: 1 },
      { lr: 0.0041853036801460216, layers: 2 },
    ]);
    const before = configs(draw(studyOf(), 24).trials);
    const observations = before.map((config, trial) => {
      return { trial, budget: 1, loss: Math.abs((config['lr'] as number) - 0.01) + (config['layers'] as number) };
    });
    const sampler = createSampler(studyOf({ sampler: { ...tpe, randomFraction: 0 } }), null, before);
    assert.deepEqual(configs(sampler.propose({ bracket: 'b0', offset: 24, count: 3, observations }).trials), [
      { lr: 0.004653154799540675, layers: 1 },
      { lr: 0.004605379703906405, layers: 1 },
      { lr: 0.004485563477297645, layers: 1 },
    ]);
  });

  const cases: [string, Study, readonly Config[] | null][] = [
    ['random', studyOf(), null],
    ['random over few combinations', studyOf({ space: six }), null],
    ['grid', studyOf({ space: six, sampler: { type: 'grid', pointsPerDimension: 5 } }), null],
    ['sobol', studyOf({ sampler: { type: 'sobol' } }), null],
    ['sobol over few combinations', studyOf({ space: six, sampler: { type: 'sobol' } }), null],
    ['tpe that knows nothing', studyOf({ space: six, sampler: tpe }), null],
    ['first given', studyOf({ space: six, tryFirst: [{ a: 1, b: 'x' }] }), null],
    ['table', studyOf({ space: {} }), Array.from({ length: 7 }, (_, row) => ({ lr: 1, row }))],
  ];
  for (const [what, study, table] of cases) {
    it(`proposes the same whatever was asked before: ${what}`, () => {
      const whole = draw(study, 40, table).trials;
      const drawn = whole.map((trial) => trial.config);
      const request = fc.record({ offset: fc.nat(20), first: fc.nat(10), count: fc.integer({ min: 1, max: 10 }) });
      fc.assert(
        fc.property(fc.array(request, { minLength: 1, maxLength: 6 }), (requests) => {
          const asked = createSampler(study, table);
          for (const { offset, first, count } of requests) {
            // TPE has to be told what came before.
            const told = createSampler(study, table, drawn.slice(0, offset + first));
            const sampler = study.sampler.type === 'tpe' ? told : asked;
            for (const bracket of ['b0', 'b1']) {
              const { trials } = sampler.propose({ bracket, offset, first, count });
              assert.deepEqual(keys(trials), keys(whole.slice(offset + first, offset + first + count)));
              assert.deepEqual(
                trials.map(({ id, index, globalIndex, seed }) => ({ id, index, globalIndex, seed })),
                Array.from({ length: count }, (_, k) => {
                  const { globalIndex, seed } = whole[offset + first + k] as Trial;
                  return { id: trialId(bracket, first + k), index: first + k, globalIndex, seed };
                })
              );
            }
          }
        }),
        { numRuns: 40 }
      );
    });
  }

  it('avoids duplicates while it can and counts those it keeps', () => {
    const proposal = draw(studyOf({ space: six }), 8);
    assert.equal(new Set(keys(proposal.trials).slice(0, 6)).size, 6);
    assert.ok(proposal.duplicatesAvoided > 0);
    assert.equal(proposal.duplicatesKept, 2);
    assert.deepEqual([draw(studyOf(), 500).duplicatesAvoided, draw(studyOf(), 500).duplicatesKept], [0, 0]);
  });

  it('takes the given configurations first and draws none of them again', () => {
    const tryFirst: Config[] = [
      { a: 3, b: 'y' },
      { b: 'x', a: 1 },
    ];
    const { trials } = draw(studyOf({ space: six, tryFirst }), 6);
    assert.deepEqual(
      trials.slice(0, 2).map((trial) => trial.config),
      tryFirst
    );
    assert.equal(new Set(keys(trials)).size, 6);
  });

  it('tries every point of a grid, then all again in another order', () => {
    const grid = studyOf({ space: six, sampler: { type: 'grid', pointsPerDimension: 5 } });
    const { trials, duplicatesKept } = draw(grid, 14);
    const all = keys(trials);
    assert.equal(new Set(all.slice(0, 6)).size, 6);
    assert.deepEqual([...all.slice(6, 12)].sort(), [...all.slice(0, 6)].sort());
    assert.notDeepEqual(all.slice(6, 12), all.slice(0, 6));
    assert.equal(duplicatesKept, 8);
    const given = draw({ ...grid, tryFirst: [{ a: 1, b: 'x' }] }, 7);
    assert.equal(new Set(keys(given.trials)).size, 6);
    assert.equal(given.duplicatesKept, 1);
  });

  it('takes the points of the Sobol sequence in global order, after the given configurations', () => {
    const space: SearchSpace = {
      x: { type: 'float', low: 0, high: 1, log: false },
      y: { type: 'float', low: 0, high: 1, log: false, when: { parameter: 'x', in: [0.5] } },
      z: { type: 'float', low: 0, high: 1, log: false },
    };
    const sequence = sobolSequence(3, 1);
    const sobol = studyOf({ space, sampler: { type: 'sobol' } });
    const expected = (n: number) => ({ x: sequence(n)[0], z: sequence(n)[2] });
    assert.deepEqual(
      draw(sobol, 5, null, 3).trials.map((trial) => trial.config),
      [3, 4, 5, 6, 7].map(expected)
    );
    const given = { x: 0.25, z: 0.75 };
    assert.deepEqual(
      draw({ ...sobol, tryFirst: [given] }, 3).trials.map((trial) => trial.config),
      [given, expected(0), expected(1)]
    );
  });

  it('avoids duplicates of Sobol points without moving the points of others', () => {
    let avoided = 0;
    for (let seed = 0; seed < 20; seed++) {
      const proposal = draw(studyOf({ seed, space: six, sampler: { type: 'sobol' } }), 8);
      assert.equal(new Set(keys(proposal.trials).slice(0, 6)).size, 6);
      assert.equal(proposal.duplicatesKept, 2);
      avoided += proposal.duplicatesAvoided;
    }
    assert.ok(avoided > 0);
    const wide = studyOf({ sampler: { type: 'sobol' } });
    const plain = draw(wide, 6).trials;
    const taken = draw({ ...wide, tryFirst: [(plain[2] as Trial).config] }, 7);
    assert.equal(taken.duplicatesAvoided, 1);
    assert.deepEqual(keys(taken.trials).slice(4), keys(plain).slice(3));
    assert.deepEqual(keys(taken.trials).slice(1, 3), keys(plain).slice(0, 2));
  });

  it('never draws outside the space nor sets a parameter whose condition does not hold', () => {
    const space: SearchSpace = {
      kind: { type: 'choice', values: ['sgd', 'adam', { own: [1] }] },
      lr: { type: 'float', low: 1e-5, high: 1, log: true },
      momentum: { type: 'float', low: 0, high: 0.9, log: false, step: 0.1, when: { parameter: 'kind', in: ['sgd'] } },
      nesterov: { type: 'choice', values: [true, false], when: { parameter: 'momentum', in: [0.5, 0.9] } },
      width: { type: 'int', low: 1, high: 64, log: true, step: 1 },
      three: { type: 'fixed', value: 3 },
    };
    const samplers: Study['sampler'][] = [
      { type: 'random' },
      { type: 'sobol' },
      { type: 'grid', pointsPerDimension: 4 },
      tpe,
    ];
    fc.assert(
      fc.property(fc.nat(1000), fc.constantFrom(...samplers), (seed, sampler) => {
        const own = createSampler(studyOf({ seed, space, sampler }), null);
        const before = own.propose({ bracket: 'b1', offset: 0, count: 40 });
        const observations = before.trials.map(({ globalIndex, config }) => ({
          trial: globalIndex,
          budget: 3,
          loss: globalIndex % 7 === 0 ? null : (config['width'] as number) * (config['lr'] as number),
        }));
        const after = own.propose({ bracket: 'b0', offset: 40, count: 20, observations });
        for (const { config } of [...before.trials, ...after.trials]) assert.deepEqual(checkConfig(space, config), []);
      }),
      { numRuns: 60 }
    );
  });

  it('draws the rows of a table without replacement, equal rows included', () => {
    const table = Array.from({ length: 20 }, (_, row) => ({ lr: 0.1, row }));
    const { trials, duplicatesAvoided, duplicatesKept } = draw(studyOf({ space: {} }), 45, table);
    const rows = trials.map((trial) => trial.config['row'] as number);
    assert.equal(new Set(rows.slice(0, 20)).size, 20);
    assert.equal(new Set(rows.slice(20, 40)).size, 20);
    assert.notDeepEqual(rows.slice(20, 40), rows.slice(0, 20));
    assert.deepEqual([duplicatesAvoided, duplicatesKept], [0, 25], 'rows of the second and the third pass');
    assert.equal(draw(studyOf({ space: {} }), 20, table).duplicatesKept, 0);
    assert.equal(draw(studyOf({ space: {}, sampler: tpe }), 45, table).duplicatesKept, 25);
    assert.notDeepEqual(keys(draw(studyOf({ space: {}, seed: 2 }), 20, table).trials), keys(trials.slice(0, 20)));
    assert.throws(() => draw(studyOf(), 1, []), RangeError);
    assert.throws(() => draw(studyOf({ sampler: { type: 'sobol' } }), 1, table), RangeError);
  });
});
