import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/record.js';
import { reference, studyOf } from '../harness.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';

/** Computed with Node 20; 22 and 24 come to the same. */
const hashes: Record<string, [more: object, hash: string]> = {
  hyperband: [{}, '92ddd90f9deee20780f993051ef4fa18abbccde59ada04d6bdeab234c6b51466'],
  swift: [
    { pruner: { type: 'swift', minCurves: 4 } },
    '9fd8eb9ffd6c263b1954d9e538cbb44f53b2549457a02ddc834adc051e64e317',
  ],
  'quantum-swift': [
    { pruner: { type: 'quantum-swift', minCurves: 4 } },
    '7f0a0a3d7038f232e63e5dda0d0d885bda7358ee7d48f56d4eda373f9326d456',
  ],
  'swift with extra trees': [
    { pruner: { type: 'swift', minCurves: 4, predictor: 'extra-trees' } },
    '8e906592b25b9107f9b1903e87aabe5980aea82a1c653e1a1fae5792dfd1e128',
  ],
  'swift with the power law': [
    { pruner: { type: 'swift', minCurves: 4, predictor: 'power-law' } },
    '2fb9692b7d10a7613c91ed55fd9925b1374d64d9e0745170e9469335b157a099',
  ],
  fast: [
    { pruner: { type: 'fast', minCurves: 4 } },
    '3df392aecbb02ba0456b0580e0ceca11c3d185945446943fd48b72ad35945bf5',
  ],
  median: [{ pruner: 'median' }, 'f8f87c356219869e1b9240b74679d49ef84302bf0bfe46f56734cf99932cc079'],
  bohb: [
    { scheduler: { type: 'bohb', R: 81, eta: 3 } },
    '0759c2684806e45995a9fb8b962f331da0bbcff934c4d9e1214c3ed577a646b8',
  ],
  sobol: [{ sampler: 'sobol' }, 'c001a15e3a9a018c450bd2794d0185f33296bf119577dbad9afafb6f2256acc4'],
  asha: [
    { scheduler: { type: 'asha', R: 81, eta: 3, trials: 143 } },
    'eda60033caf2b075a3983a4c25b740929b450f6a87c68526d82a7c1b5307ddde',
  ],
  'population-based training': [
    { scheduler: { type: 'populationBased', R: 81, interval: 8, trials: 40 } },
    'cb20542d97d03a8ddb6f03098b27415631fb04354a40e716f3af4e6253833fce',
  ],
};

describe('a study on every JavaScript engine', () => {
  for (const [name, [more, wanted]] of Object.entries(hashes)) {
    it(`comes to the same bytes: ${name}`, async () => {
      const study = studyOf({
        name: 'engines',
        seed: 42,
        space: {
          x: { float: [1e-4, 1], log: true },
          layers: { int: [1, 64], log: true },
          optimiser: { choice: ['sgd', 'adam'] },
          momentum: { float: [0, 0.99], when: { parameter: 'optimiser', in: ['sgd'] } },
          divergesAbove: { fixed: 0.9 },
        },
        scheduler: { type: 'hyperband', R: 81, eta: 3 },
        trainer: { activity: 'trainSegment', taskQueue: 'none' },
        ...more,
      });
      const record = await reference(study, segmentOf);
      assert.ok(record.result.fates.diverged > 0);
      assert.equal(createHash('sha256').update(canonicalJson(record)).digest('hex'), wanted);
    });
  }
});
