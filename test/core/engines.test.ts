import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/record.js';
import { reference, studyOf } from '../harness.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';

describe('a study on every JavaScript engine', () => {
  it('comes to the same bytes: sampling, training, model, decisions, record', async () => {
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
      predictor: { type: 'swift', minCurves: 4, decisionPoint: 0.5 },
      trainer: { activity: 'trainSegment', taskQueue: 'none' },
    });
    const record = await reference(study, segmentOf);
    assert.ok(record.result.fates.stopped > 0 && record.result.fates.diverged > 0);
    // Computed with Node 20; 22 and 24 come to the same.
    const wanted = 'e6284701ba01435a9e7e84e08445ef3238c166a4a6ef7ddd8fb8cf78d6946e52';
    assert.equal(createHash('sha256').update(canonicalJson(record)).digest('hex'), wanted);
  });
});
