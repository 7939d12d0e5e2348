import assert from 'node:assert/strict';
import { defineStudy, type StudyInput } from '../../core/define-study.js';
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

const all: readonly StudyInput[] = [
  { scheduler: hyperband },
  {
    scheduler: { ...hyperband, eta: 2, brackets: 2, bracketFormula: 'floor' },
    seed: 4,
    objective: { mode: 'maximise' },
  },
  { scheduler: { type: 'successiveHalving', trials: 9, maxBudget: 9 }, sampler: 'sobol' },
  { scheduler: { type: 'full', trials: 3, maxBudget: 9 }, sampler: 'grid', pruner: 'median' },
  { scheduler: { type: 'asha', trials: 'untilLimit', maxBudget: 9 }, limits: { epochs: 50 }, parallelism: 3 },
  { scheduler: { type: 'asha', trials: 9, maxBudget: 9 }, pruner: 'swift' },
  { scheduler: hyperband, sampler: 'tpe', tryFirst: [{ lr: 0.1, rate: 0.5, layers: 2, kind: 'b' }] },
  {
    scheduler: hyperband,
    sampler: { type: 'tpe', wave: 4 },
    pruner: { type: 'swift', predictor: 'svr-tail', minCurves: 9 },
  },
  { scheduler: hyperband, pruner: 'fast' },
  { scheduler: hyperband, pruner: { type: 'fast', predictor: { type: 'isotonic' }, confidence: 0.9 } },
  { scheduler: hyperband, pruner: 'quantum-swift' },
  { scheduler: hyperband, pruner: { type: 'swift', predictor: { type: 'annealer', sweeps: 50, fallback: null } } },
  { scheduler: hyperband, pruner: { type: 'swift', predictor: { type: 'annealer', solver: 'dwave' } } },
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
    const refused = (scheduler: StudyInput['scheduler'], rule: RegExp) =>
      assert.throws(() => defineStudy({ scheduler }), rule);
    refused({ ...hyperband, eta: 1 }, /eta is 1, and must be a whole number of 2 or more/);
    refused({ ...hyperband, eta: 2.5 }, /eta is 2.5/);
    refused({ ...hyperband, minBudget: 0 }, /minBudget is 0/);
    refused({ ...hyperband, maxBudget: 2 }, /maxBudget is 2: must be at least eta \* minBudget = 3/);
    refused({ ...hyperband, iterations: 'untilLimit' }, /iterations is "untilLimit": needs a limit/);
    refused({ type: 'asha', trials: 0, maxBudget: 3 }, /trials is 0/);
    refused({ type: 'asha', trials: 3, maxBudget: 3, minBudget: 4 }, /must be at least minBudget \(4\)/);
    refused({ type: 'full', trials: 3, maxBudget: 0.5 }, /maxBudget is 0.5/);
    assert.throws(() => defineStudy({ scheduler: hyperband, parallelism: 0 }), /parallelism is 0/);
    // Nothing here has a clock.
    const forEver = { scheduler: { ...hyperband, iterations: 'untilLimit' }, limits: { deadlineSeconds: 9 } } as const;
    assert.throws(() => defineStudy(forEver), /untilLimit needs limits.epochs or limits.target/);
    const qpu = { type: 'annealer', solver: 'dwave' } as const;
    const fast = { scheduler: hyperband, pruner: { type: 'fast', predictor: qpu } } as const;
    assert.throws(() => defineStudy(fast), /pruner.predictor.solver is "dwave": .* hundreds of predictors/);
  });
});
