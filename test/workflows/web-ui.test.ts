import assert from 'node:assert/strict';
import type { BracketView, RoundView } from '../../core/engine/scheduler.js';
import type { StudyStatus } from '../../workflows/messages.js';
import type { LateRetry } from '../../core/late.js';
import type { LateStart } from '../../workflows/activity-types.js';
import { lateDetails, studyDetails } from '../../workflows/web-ui.js';
import { studyOf } from '../harness.js';

describe('details in the Web UI', () => {
  const common = { name: 'one', space: { lr: { float: [0, 1] } }, trainer: { command: 'true' } };
  const asha = studyOf({ ...common, scheduler: { type: 'asha', R: 9, eta: 3, trials: 5 } });
  const hyperband = studyOf({ ...common, scheduler: { type: 'hyperband', R: 9, eta: 3 } });
  const round: RoundView = {
    ...{ index: 1, from: 1, to: 3, planned: 3, state: 'running', entered: 3 },
    ...{ stopped: 1, diverged: 0, failed: 0, promoted: 0, epochs: 6 },
    best: { trial: 'b2-t001', value: 0.5, budget: 3 },
  };
  const status = (
    study: StudyStatus['study'],
    step: BracketView['step'],
    more: Partial<StudyStatus> = {}
  ): StudyStatus => ({
    ...{ study, phase: 'running', epochs: 14, plannedEpochs: 69, plannedTrials: 5, best: null },
    ...{
      brackets: [{ id: 'b2', state: 'running', step, rounds: [round] }],
      parallelism: 2,
      trouble: null,
      result: null,
    },
    ...more,
  });

  it('show every rung or round that has begun, with the name of its best', () => {
    const row = /\| 1 \| 1 to 3 \| 3 \| 0 \| 1 \| 0 \| 0 \| 6 \| 0\.5 \(b2-t001\) \| running \|/;
    const rungs = studyDetails(asha, status(asha, 'rung'));
    assert.match(rungs, /\| bracket \| rung \|/);
    assert.match(rungs, row);
    const rounds = studyDetails(hyperband, status(hyperband, 'round'));
    assert.match(rounds, /\| bracket \| round \|/);
    assert.match(rounds, row);
  });

  it('name a share of the epochs only where a plan bounds them, and say what is wrong', () => {
    // More than the table of the rungs says is no mistake of ASHA.
    assert.match(
      studyDetails(asha, status(asha, 'rung')),
      /\*\*: running, 14 epochs\n\nNo trial has come to a rung yet/
    );
    assert.match(studyDetails(hyperband, status(hyperband, 'round')), /: running, 14 of 69 epochs\n/);
    const wrong = studyDetails(hyperband, status(hyperband, 'round', { trouble: 'the disk is full' }));
    assert.match(wrong, /\*\*Trouble\*\*: `the disk is full`/);
  });

  it('name late retries that go on, and those that were lost with the server', () => {
    const lost = { ...round, failed: 1 };
    const brackets: BracketView[] = [{ id: 'b2', state: 'running', step: 'round', rounds: [lost] }];
    const page = studyDetails(
      hyperband,
      status(hyperband, 'round', { brackets, late: ['b2-t000'], lateLost: ['b2-t003'] })
    );
    assert.match(page, /Right now: `everband\/one\/late\/b2-t000`\./);
    assert.match(
      page,
      /late retry of b2-t003 was lost with its server: `everband retry one b2-t003` goes on with it\./
    );
    assert.doesNotMatch(studyDetails(hyperband, status(hyperband, 'round', { brackets })), /Right now|was lost/);
  });

  it('show what a trainer said as code, in one line of its table', () => {
    const said = 'the trainer says: a | b <img src=x> [here](http://evil) ``` # \u001b[2J\nTraceback';
    const rung = { round: 0, from: 0, to: 1, values: [], end: 'failed' as const, reason: said };
    const retry = { reset: null, queue: 'q`1', rungs: [rung] } as unknown as LateRetry;
    const start = { study: hyperband, trial: { id: 'b2-t001' }, round: 0 } as unknown as LateStart;
    const page = lateDetails(start, retry, said);
    const shown = '```` the trainer says: a \\| b <img src=x> [here](http://evil) ``` #  [2J ````';
    assert.ok(page.includes(`| 0 | 0 to 1 |  | failed: ${shown} |`), page);
    assert.ok(page.includes(`**Trouble**: ${shown.replace('\\|', '|')}\n`), page);
    assert.ok(page.includes('on the queue `` q`1 ``'), page);
    assert.doesNotMatch(page, /Traceback/);
  });

  it('show a name that is no name as code', () => {
    const odd = { ...hyperband, budgetUnit: '<b>|', objective: { ...hyperband.objective, metric: 'a|[b](c)' } };
    const page = studyDetails(odd, status(odd, 'round'));
    assert.ok(page.includes('| bracket | round | `<b>\\|` | trials |'), page);
  });
});
