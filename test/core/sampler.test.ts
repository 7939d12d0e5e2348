import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createSampler } from '../../core/sampler.js';
import { trialId } from '../../core/trial.js';
import { configKey } from '../../core/space.js';
import type { Config, SearchSpace, Study } from '../../core/study.js';
import type { Trial } from '../../core/trial.js';

const continuous: SearchSpace = {
  lr: { type: 'float', low: 1e-4, high: 0.1, log: true },
  layers: { type: 'int', low: 1, high: 4, log: false, step: 1 },
};
const six: SearchSpace = {
  a: { type: 'choice', values: [1, 2, 3] },
  b: { type: 'choice', values: ['x', 'y'] },
};

function studyOf(more: Partial<Study> = {}): Study {
  return {
    schemaVersion: 1,
    name: 'test',
    seed: 1,
    objective: { metric: 'loss', mode: 'minimise' },
    space: continuous,
    sampler: { type: 'random' },
    scheduler: { type: 'full', trials: 10, maxBudget: 3 },
    budgetUnit: 'epochs',
    predictor: { type: 'none' },
    trainer: { type: 'module', module: '/train.js' },
    parallelism: 8,
    training: {
      attempts: 3,
      backoffSeconds: 5,
      maxLosses: 10,
      parkSeconds: 600,
      epochTimeoutSeconds: 3600,
      heartbeatSeconds: 15,
      graceSeconds: 10,
    },
    limits: {},
    tryFirst: [],
    ...more,
  };
}
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

  const cases: [string, Study, readonly Config[] | null][] = [
    ['random', studyOf(), null],
    ['random over few combinations', studyOf({ space: six }), null],
    ['grid', studyOf({ space: six, sampler: { type: 'grid', pointsPerDimension: 5 } }), null],
    ['first given', studyOf({ space: six, tryFirst: [{ a: 1, b: 'x' }] }), null],
    ['table', studyOf({ space: {} }), Array.from({ length: 7 }, (_, row) => ({ lr: 1, row }))],
  ];
  for (const [what, study, table] of cases) {
    it(`proposes the same whatever was asked before: ${what}`, () => {
      const whole = draw(study, 40, table).trials;
      const request = fc.record({ offset: fc.nat(30), count: fc.integer({ min: 1, max: 10 }) });
      fc.assert(
        fc.property(fc.array(request, { minLength: 1, maxLength: 6 }), (requests) => {
          const sampler = createSampler(study, table);
          for (const { offset, count } of requests) {
            const { trials } = sampler.propose({ bracket: 'b0', offset, count });
            assert.deepEqual(keys(trials), keys(whole.slice(offset, offset + count)));
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

  it('draws the rows of a table without replacement, equal rows included', () => {
    const table = Array.from({ length: 20 }, (_, row) => ({ lr: 0.1, row }));
    const { trials, duplicatesAvoided, duplicatesKept } = draw(studyOf({ space: {} }), 45, table);
    const rows = trials.map((trial) => trial.config['row'] as number);
    assert.equal(new Set(rows.slice(0, 20)).size, 20);
    assert.equal(new Set(rows.slice(20, 40)).size, 20);
    assert.notDeepEqual(rows.slice(20, 40), rows.slice(0, 20));
    assert.deepEqual([duplicatesAvoided, duplicatesKept], [0, 0]);
    assert.notDeepEqual(keys(draw(studyOf({ space: {}, seed: 2 }), 20, table).trials), keys(trials.slice(0, 20)));
    assert.throws(() => draw(studyOf(), 1, []), RangeError);
  });
});
