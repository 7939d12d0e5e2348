import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/record.js';
import { reference, studyOf } from '../harness.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';

/** Computed with Node 20; 22 and 24 come to the same. */
const hashes: Record<string, [more: object, hash: string]> = {
  hyperband: [{}, '1e72558dd83f5c23609e107a04f6d9c5befd70122fc2020a369a44f221b95f79'],
  swift: [
    { predictor: { type: 'swift', minCurves: 4 } },
    'd466decb8d5ff7c43e9d610b001a3ac668ba586b503169bc46e8814f735652a4',
  ],
  'quantum-swift': [
    { predictor: { type: 'quantum-swift', minCurves: 4 } },
    '83d8658ddd355aea41286321f29f6506f0bb430562fa3b994216b3188b38f4ed',
  ],
  'swift with extra trees': [
    { predictor: { type: 'swift', minCurves: 4, model: 'extra-trees' } },
    '9be09fd739e4892b3a06fd0dea6d4cf46a549a7d9ba9bcff694feefd56be5ff9',
  ],
  'swift with the power law': [
    { predictor: { type: 'swift', minCurves: 4, model: 'power-law' } },
    '9f91d34355e9c43dd92946d91ea3aa5499aab49e3991b71a089fceb5f644461c',
  ],
  fast: [
    { predictor: { type: 'fast', minCurves: 4 } },
    'ba24dbefb0a841584129ef95fdcbbb1e934b537c295eb39dae6a9cc9815cc10f',
  ],
  median: [{ predictor: 'median' }, '94716bcbbb10b25c83b1c1d0b796aceed1ea64b50ddce5a3f248def4c1740d5c'],
  bohb: [
    { scheduler: { type: 'bohb', R: 81, eta: 3 } },
    'fc0a3e53c57b74ffeb164b6af7ba86434153a9e04bd5665dc27e4bcdf98091d8',
  ],
  sobol: [{ sampler: 'sobol' }, '4d35f438bce473d6d9fd292d1633591d451ed01ed2e0c3e3c73e3f74bcb7240a'],
  asha: [
    { scheduler: { type: 'asha', R: 81, eta: 3, trials: 143 } },
    'd0ed2541ce7801d3dfa78ebc18102a213d7ed15c86684d076810b2aa61dccb1f',
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
