import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readProposed, readRecord, writeAshaPart, writeProposal, writeStudy } from '../../activities/record-store.js';
import type { AshaPart } from '../../core/asha-rounds.js';
import { createSampler } from '../../core/sampler.js';
import { studyOf } from '../harness.js';

describe('the record of an ASHA study', () => {
  const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-record-'));
  after(() => rmSync(stateDir, { recursive: true }));
  const study = studyOf({
    name: 'asha',
    space: { x: { float: [0, 1] } },
    scheduler: { type: 'asha', R: 9, eta: 3, trials: 100 },
    trainer: { activity: 'trainSegment', taskQueue: 'none' },
  });
  /** One trial came to the first rung. */
  const part = (index: number): AshaPart => ({
    order: [`${index}@1`],
    completions: [
      { rung: 0, outcome: { id: `b2-t00${index}`, index, end: 'rung', epochs: 1, value: index, values: [index] } },
    ],
    standing: null,
  });
  const order = () => readRecord(stateDir, study.name)?.brackets[0]?.order;

  it('keeps the parts of one execution, and knows every proposal, started or not', async () => {
    await writeStudy(stateDir, study);
    for (const first of [0, 50]) {
      const request = { bracket: 'b2', offset: 0, first, count: 50 };
      await writeProposal(stateDir, study, request, createSampler(study, null).propose(request));
    }
    assert.equal(readProposed(stateDir, study.name, 70).length, 70);
    for (const index of [0, 1, 2]) await writeAshaPart(stateDir, study.name, 'b2', index, part(index));
    assert.deepEqual(order(), ['0@1', '1@1', '2@1']);
    // Reset to its second part, or started again under the same name.
    await writeAshaPart(stateDir, study.name, 'b2', 1, part(3));
    assert.deepEqual(order(), ['0@1', '3@1']);
    await writeAshaPart(stateDir, study.name, 'b2', 0, part(4));
    assert.deepEqual(order(), ['4@1']);
  });
});
