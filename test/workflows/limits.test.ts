import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { canonicalJson } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { hasEnded, queryNames, workflowIds, type StudyPhase, type StudyStatus } from '../../workflows/messages.js';
import { Cluster, generatedCurves, reference, sleep, studyOf, itReplays } from '../harness.js';

describe('how a study ends', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  let curves: string;
  before(async () => {
    curves = generatedCurves(400, 81);
    // The study goes on in a new run when the server suggests it: here after 80 events instead of 4,096.
    await cluster.start({ 'limit.historyCount.suggestContinueAsNew': 80 });
    await cluster.worker(['orchestrate', 'predict']);
    await cluster.worker(['train'], 20);
  });
  after(() => cluster.end());

  const replayed = (name: string, more: object) =>
    studyOf({
      name,
      seed: 4,
      scheduler: { type: 'hyperband', R: 27, eta: 3 },
      pruner: { type: 'swift', minCurves: 4 },
      trainer: { replay: curves, columns: 'loss_' },
      parallelism: 40,
      ...more,
    });

  async function sameAsInMemory(study: Study) {
    await cluster.begin(study);
    const result = await cluster.result(study);
    assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
    return result;
  }

  it('with brackets together: the bytes of the run in memory, and the brackets do overlap', async () => {
    const study = replayed('together', { scheduler: { type: 'hyperband', R: 81, eta: 3, order: 'together' } });
    assert.equal((await sameAsInMemory(study)).ended, 'finished');
    const client = await cluster.client();
    const times = await Promise.all(
      ['b4', 'b0'].map((bracket) => client.workflow.getHandle(workflowIds.round(study.name, bracket, 0)).describe())
    );
    const [first, last] = times.map(({ startTime, closeTime }) => ({ from: startTime, to: closeTime as Date }));
    assert.ok(first && last && last.from < first.to, 'b0 began before b4 closed');
  });

  it('after two iterations of all brackets, each with trials of its own', async () => {
    const result = await sameAsInMemory(
      replayed('twice', { scheduler: { type: 'hyperband', R: 9, eta: 3, iterations: 2 } })
    );
    assert.equal(result.ended, 'finished');
    assert.equal(result.trials, 2 * (9 + 5 + 3));
  });

  it('at the target value', async () => {
    const study = replayed('target', { limits: { target: 0.03 } });
    const result = await sameAsInMemory(study);
    assert.equal(result.ended, 'target');
    assert.ok((result.best?.value ?? 1) <= 0.03);
    assert.ok(result.epochs < result.plannedEpochs);
  });

  it('at its epoch limit, iteration after iteration, in more than one run of the study workflow', async () => {
    const epochs = 150;
    const study = replayed('until-limit', {
      scheduler: { type: 'hyperband', R: 3, eta: 3, iterations: 'untilLimit' },
      pruner: { type: 'swift', minCurves: 4, decisionPoint: 0.5 },
      limits: { epochs },
    });
    const result = await sameAsInMemory(study);
    assert.equal(result.ended, 'epochLimit');
    assert.ok(result.epochs <= epochs && result.epochs > epochs - 20, `${result.epochs} epochs`);
    const client = await cluster.client();
    const runs = [];
    for await (const run of client.workflow.list({ query: `WorkflowId = '${workflowIds.study(study.name)}'` })) {
      runs.push(run);
    }
    assert.ok(runs.length >= 3, `${runs.length} runs`);
  });

  const slow = (name: string, more: object) =>
    studyOf({
      name,
      seed: 3,
      space: { x: { float: [0, 1] }, ms: { fixed: 60 }, divergesAbove: { fixed: 2 } },
      scheduler: { type: 'hyperband', R: 27, eta: 3 },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 2,
      training: { heartbeatSeconds: 2, graceSeconds: 2 },
      ...more,
    });

  it('at its deadline, with the best so far', async () => {
    const study = slow('deadline', { limits: { deadlineSeconds: 4 } });
    const since = Date.now();
    await cluster.begin(study);
    const result = await cluster.result(study);
    const took = (Date.now() - since) / 1000;
    assert.equal(result.ended, 'deadline');
    assert.ok(took >= 4 && took < 10, `${took} s`);
    assert.ok(result.best !== null && result.fates.unfinished > 0);
  });

  it('is to be seen as stopping while its trainers save themselves after the deadline', async () => {
    const study = slow('stopping', {
      space: { x: { float: [0, 1] }, ms: { fixed: 6000 }, divergesAbove: { fixed: 2 } },
      limits: { deadlineSeconds: 3 },
      training: { heartbeatSeconds: 10, graceSeconds: 30 },
    });
    const since = Date.now();
    await cluster.begin(study);
    const handle = (await cluster.client()).workflow.getHandle(workflowIds.study(study.name));
    const phases: StudyPhase[] = [];
    for (let phase: StudyPhase = 'preparing'; !hasEnded(phase); await sleep(100)) {
      ({ phase } = await handle.query<StudyStatus>(queryNames.status));
      if (phase === phases.at(-1)) continue;
      phases.push(phase);
      if (phase === 'stopping') assert.ok(Date.now() - since >= 3000, 'before the deadline');
    }
    assert.deepEqual(phases.slice(-3), ['running', 'stopping', 'deadline']);
    assert.equal((await cluster.result(study)).ended, 'deadline');
  });

  it('when Temporal cancels it: every workflow below closes too', async () => {
    const study = slow('cancelled', { limits: { deadlineSeconds: 3600 } });
    await cluster.begin(study);
    await sleep(1500);
    const client = await cluster.client();
    await client.workflow.getHandle(workflowIds.study(study.name)).cancel();
    await assert.rejects(cluster.result(study), (error: Error & { cause?: Error }) => {
      assert.equal(error.cause?.name, 'CancelledFailure');
      return true;
    });
    await sleep(1000);
    const open: string[] = [];
    const query = `WorkflowId STARTS_WITH '${workflowIds.study(study.name)}' AND ExecutionStatus = 'Running'`;
    for await (const { workflowId } of client.workflow.list({ query })) open.push(workflowId);
    assert.deepEqual(open, []);
  });

  itReplays(cluster, 10);
});
