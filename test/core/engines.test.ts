import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/record.js';
import { reference, studyOf } from '../harness.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';

/** Computed with Node 20; 22 and 24 come to the same. */
const hashes: Record<string, [more: object, hash: string]> = {
  hyperband: [{}, 'f859ceefa92583bd411d16c32ce88d1687f4bb3b2e17fdd9d5b28529fb430d72'],
  swift: [
    { predictor: { type: 'swift', minCurves: 4 } },
    '8b1bbd3db04e1147d805ce0dbad9ea29966426821463262d17f4284f2e0563fa',
  ],
  'quantum-swift': [
    { predictor: { type: 'quantum-swift', minCurves: 4 } },
    'dc17dc8e6c54d597e91c596c13c89da4f0bc9d1473b9768d59a45da996dbec5f',
  ],
  'swift with extra trees': [
    { predictor: { type: 'swift', minCurves: 4, model: 'extra-trees' } },
    'b047912e9431d822687cbe3e77a42971218f229e902ea44cb339eecaa55523eb',
  ],
  'swift with the power law': [
    { predictor: { type: 'swift', minCurves: 4, model: 'power-law' } },
    '3c0521c39d4d21933d3eb3ab923a3574c82ae819d927926dc869b4827a057744',
  ],
  fast: [
    { predictor: { type: 'fast', minCurves: 4 } },
    '854208e8197c00631770aabcfa669d707cc1843ab33386f12a11361f4c0b71c4',
  ],
  median: [{ predictor: 'median' }, '90e91ae6c81d84d3d0de379be51f4e96c6dfff6a6ef211e91767acf6082d0d24'],
  bohb: [
    { scheduler: { type: 'bohb', R: 81, eta: 3 } },
    '1c5f23b261bca91c8b1c0a936dd5ceddbb1300705d7aaa5690dc9471c02a79a3',
  ],
  sobol: [{ sampler: 'sobol' }, 'baf9949d733167ad0e0fee9402eeb39e266b6a94b92e8a8979db2c443b1e1e59'],
  asha: [
    { scheduler: { type: 'asha', R: 81, eta: 3, trials: 143 } },
    'ba504676698459cb7b9645a143d9b5fb2c7586f990e8e91b78dfad4793244efb',
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
