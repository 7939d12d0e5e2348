import assert from 'node:assert/strict';
import type { BracketStatus, RoundStatus, StudyStatus } from '../../workflows/messages.js';
import { bracketDetails, studyDetails } from '../../workflows/web-ui.js';
import { studyOf } from '../harness.js';

describe('details in the Web UI', () => {
  const common = { name: 'one', space: { lr: { float: [0, 1] } }, trainer: { command: 'true' } };
  const asha = studyOf({ ...common, scheduler: { type: 'asha', R: 9, eta: 3, trials: 5 } });
  const hyperband = studyOf({ ...common, scheduler: { type: 'hyperband', R: 9, eta: 3 } });
  const round: RoundStatus = {
    ...{ index: 1, from: 1, to: 3, planned: 3, state: 'running', entered: 0, best: null },
    ...{ stopped: 0, diverged: 0, failed: 0, promoted: 0, epochs: 0 },
  };
  const bracket = (asynchronous: boolean): BracketStatus => {
    return { id: 'b2', state: 'running', asynchronous, rounds: [round] };
  };
  const status = (study: StudyStatus['study'], plannedEpochs: number): StudyStatus => ({
    ...{ study, phase: 'running', epochs: 14, plannedEpochs, plannedTrials: 5, best: null, brackets: [] },
    ...{ parallelism: 2, result: null },
  });

  it('show what came to a rung of ASHA, and what will come to a round', () => {
    assert.match(bracketDetails(asha, bracket(true)), /\| rung \|[^]*\| 1 \| 1 to 3 \| 0 \| 0 \|/);
    assert.match(bracketDetails(hyperband, bracket(false)), /\| round \|[^]*\| 1 \| 1 to 3 \| 3 \| 0 \|/);
  });

  it('name a share of the epochs only where a plan bounds them', () => {
    // More than the table of the rungs says is no mistake of ASHA.
    assert.match(studyDetails(asha, status(asha, 11)), /\*\*: running, 14 epochs\n\nASHA promotes trial by trial/);
    assert.match(studyDetails(hyperband, status(hyperband, 69)), /: running, 14 of 69 epochs\n\nNo round closed yet/);
  });
});
