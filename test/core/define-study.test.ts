import assert from 'node:assert/strict';
import { defineStudy, type StudySettings } from '../../core/define-study.js';
import type { Study } from '../../core/study.js';
import { studyOf } from '../harness.js';

const space = {
  lr: { type: 'float', low: 1e-4, high: 1, log: true },
  rate: { type: 'float', low: 0, high: 1 },
  layers: { type: 'int', low: 1, high: 4 },
  kind: { type: 'choice', values: ['a', 'b'] },
  depth: { type: 'fixed', value: 2, when: { parameter: 'kind', in: ['a'] } },
} as const;
const hyperband = { type: 'hyperband', maxBudget: 27 } as const;

const all: readonly Omit<StudySettings, 'space'>[] = [
  { scheduler: hyperband },
  {
    scheduler: { ...hyperband, eta: 2, brackets: 2, bracketFormula: 'floor' },
    seed: 4,
    objective: { mode: 'maximise' },
  },
  { scheduler: { type: 'successiveHalving', trials: 9, maxBudget: 9 }, sampler: 'sobol' },
  { scheduler: { type: 'full', trials: 3, maxBudget: 9 }, sampler: 'grid', predictor: 'median' },
  { scheduler: { type: 'asha', trials: 'untilLimit', maxBudget: 9 }, limits: { epochs: 50 }, parallelism: 3 },
  { scheduler: { type: 'asha', trials: 9, maxBudget: 9 }, predictor: 'swift' },
  { scheduler: hyperband, sampler: 'tpe', tryFirst: [{ lr: 0.1, rate: 0.5, layers: 2, kind: 'b' }] },
  {
    scheduler: hyperband,
    sampler: { type: 'tpe', wave: 4 },
    predictor: { type: 'swift', model: 'svr-tail', minCurves: 9 },
  },
  { scheduler: hyperband, predictor: 'fast' },
  { scheduler: hyperband, predictor: { type: 'fast', model: { type: 'isotonic' }, confidence: 0.9 } },
  { scheduler: hyperband, predictor: 'quantum-swift' },
  { scheduler: hyperband, predictor: { type: 'swift', model: { type: 'annealer', sweeps: 50, fallback: null } } },
];

/** Without keys that are undefined. */
const plain = (study: Study) => JSON.parse(JSON.stringify(study)) as unknown;

describe('a study without a file', () => {
  it('has the defaults of the schema of study files', () => {
    for (const settings of all) {
      const trainer = { type: 'activity', taskQueue: 'q' } as const;
      const file = studyOf({ name: 'study', space, trainer, ...settings });
      assert.deepEqual(plain({ ...defineStudy({ space, ...settings }), trainer: file.trainer }), plain(file));
    }
  });

  it('stays as it is when defined again', () => {
    for (const settings of all) {
      const study = defineStudy({ space, ...settings });
      assert.deepEqual(defineStudy(study), study);
    }
  });

  it('is refused when it would never end or has nothing to decide', () => {
    const refused = (scheduler: StudySettings['scheduler'], rule: RegExp) =>
      assert.throws(() => defineStudy({ scheduler }), rule);
    refused({ ...hyperband, eta: 1 }, /eta is 1, a whole number of at least 2/);
    refused({ ...hyperband, eta: 2.5 }, /eta is 2.5/);
    refused({ ...hyperband, minBudget: 0 }, /minBudget is 0/);
    refused({ ...hyperband, maxBudget: 2 }, /less than eta \* minBudget = 3/);
    refused({ ...hyperband, iterations: 'untilLimit' }, /untilLimit needs limits.epochs or limits.target/);
    refused({ type: 'asha', trials: 0, maxBudget: 3 }, /trials is 0/);
    refused({ type: 'asha', trials: 3, maxBudget: 3, minBudget: 4 }, /less than eta \* minBudget = 12/);
    refused({ type: 'full', trials: 3, maxBudget: 0.5 }, /maxBudget is 0.5/);
    assert.throws(() => defineStudy({ scheduler: hyperband, parallelism: 0 }), /parallelism is 0/);
  });
});
