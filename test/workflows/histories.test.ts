import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Worker } from '@temporalio/worker';
import proto from '@temporalio/proto';
import { bundle, quietRuntime } from '../harness.js';
import { folder, recorded, recordHistories } from './recorded-histories.js';

const { History } = proto.temporal.api.history.v1;
type Event = proto.temporal.api.history.v1.IHistoryEvent;

/** Studies to record anew, comma-separated, or `all`. */
const anew = process.env['EVERBAND_RECORD_HISTORIES'];

const studyOf = (file: string) => file.split('.')[1]?.split('~')[0] ?? '';
const read = (file: string) => History.decode(gunzipSync(readFileSync(path.join(folder, file))));

/** Begins in an earlier run of its workflow. */
const goesOn = ({ workflowExecutionStartedEventAttributes: started }: Event) => !!started?.continuedExecutionRunId;
const calls =
  (activity: string) =>
  ({ activityTaskScheduledEventAttributes: scheduled }: Event) =>
    scheduled?.activityType?.name === activity;
const begins =
  (workflow: string) =>
  ({ workflowExecutionStartedEventAttributes: started }: Event) =>
    started?.workflowType?.name === workflow;
const accepts =
  (update: string) =>
  ({ workflowExecutionUpdateAcceptedEventAttributes: accepted }: Event) =>
    accepted?.acceptedRequest?.input?.name === update;

/** What must be in some history of a workflow: study (0 more names in its id), round (2) or shard (3). */
const needed: readonly (readonly [what: string, study: string, more: number, holds: (event: Event) => boolean])[] = [
  ['a shard', 'history-shards', 3, calls('trainSegment')],
  ['a second run of a shard', 'history-shards', 3, goesOn],
  ['a second run of a study', 'history-runs', 0, goesOn],
  ['a second run of a round', 'history-runs', 2, goesOn],
  ['a second run of a study of trials alone', 'history-runs-asha', 0, goesOn],
  ...['pause', 'resume', 'setParallelism', 'stop'].map((name) => [name, 'history-updates', 0, accepts(name)] as const),
  ['a trial that is suspended', 'history-updates', 2, (event) => !!event.activityTaskCanceledEventAttributes],
  ...['retryTrial', 'dropTrial'].map((name) => [name, 'history-parked', 2, accepts(name)] as const),
  ['the start of a late retry', 'history-late', 0, accepts('retryLate')],
  ['a late retry', 'history-late', 2, begins('everbandLate')],
  ['the annealer', 'history-annealer', 2, calls('predict')],
  ...['formulate', 'sampleQubo', 'predict'].map((name) => [name, 'history-dwave', 2, calls(name)] as const),
  ['the fallback of a solver that failed', 'history-dwave-fallback', 2, calls('fallBack')],
];

describe('committed histories', function () {
  this.timeout(300_000);
  before(async () => {
    if (anew) await recordHistories(anew === 'all' ? Object.keys(recorded) : anew.split(','));
    quietRuntime();
  });

  async function replayAll(code: string): Promise<string[]> {
    const failed: string[] = [];
    for (const file of readdirSync(folder).sort()) {
      const workflowId = file.replace(/(~\d+)?\.bin\.gz$/, '').replaceAll('.', '/');
      await Worker.runReplayHistory({ workflowBundle: { code } }, read(file), workflowId).catch(() =>
        failed.push(file)
      );
    }
    return failed;
  }

  it('are all there: of every study, of its next runs and of the workflows below it', () => {
    const files = readdirSync(folder);
    const runs = new Set<string>();
    const wanted = new Map<string, string>();
    for (const file of files) {
      for (const event of read(file).events) {
        const id = event.workflowExecutionStartedEventAttributes?.originalExecutionRunId;
        if (id) runs.add(id);
        const next = event.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
        if (next) wanted.set(next, `the next run of ${file}`);
        const child = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution;
        if (child?.runId) wanted.set(child.runId, `${child.workflowId}, which ${file} started`);
      }
    }
    const missing = [...wanted].filter(([run]) => !runs.has(run)).map(([, what]) => what);
    assert.deepEqual(missing, []);
    const studies = new Set(files.filter((file) => /^everband\.[^.]+\.bin\.gz$/.test(file)).map(studyOf));
    assert.deepEqual([...studies].sort(), Object.keys(recorded).sort());
  });

  for (const [what, study, more, holds] of needed) {
    it(`have ${what}, of ${study}`, () => {
      const depth = 2 + more;
      const own = readdirSync(folder).filter(
        (file) => studyOf(file) === study && file.replace(/(~\d+)?\.bin\.gz$/, '').split('.').length === depth
      );
      assert.ok(own.some((file) => read(file).events.some(holds)));
    });
  }

  it('replay with the workflows as built', async () => {
    assert.deepEqual(await replayAll(readFileSync(bundle, 'utf8')), []);
  });

  it('do not replay when workflow code is reordered', async () => {
    const code = readFileSync(bundle, 'utf8');
    const before = 'all = await local.run(';
    assert.ok(code.includes(before), 'the line to reorder is gone from the bundle');
    const failed = await replayAll(
      code.replace(before, `await new Promise((done) => setTimeout(done, 1));\n    ${before}`)
    );
    assert.ok(failed.length > 0, 'a reordering went unnoticed');
  });
});
