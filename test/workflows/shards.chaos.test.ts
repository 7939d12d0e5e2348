import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type proto from '@temporalio/proto';
import { canonicalJson } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { workflowIds } from '../../workflows/messages.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';
import { Cluster, generatedCurves, reference, sleep, studyOf, itReplays } from '../harness.js';

describe('a round too large for one history', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'predict']);
    await cluster.worker(['train'], 40);
  });
  after(() => cluster.end());

  const replayed = (name: string, file: string, more: object) =>
    studyOf({
      name,
      seed: 6,
      trainer: { replay: file, columns: 'loss_' },
      training: { segmentEpochs: 1 },
      parallelism: 80,
      ...more,
    });

  /** Runs of every workflow below a study, by workflow id. */
  async function runsOf(study: Study): Promise<Map<string, number>> {
    const client = await cluster.client();
    const runs = new Map<string, number>();
    const query = `WorkflowId STARTS_WITH '${workflowIds.study(study.name)}/'`;
    for await (const { workflowId } of client.workflow.list({ query })) {
      runs.set(workflowId, (runs.get(workflowId) ?? 0) + 1);
    }
    return runs;
  }

  it('is cut into shards, before and after the decision point, and comes to the same bytes', async () => {
    const study = replayed('shards', generatedCurves(200, 18), {
      scheduler: { type: 'successiveHalving', trials: 90, minBudget: 9, R: 18, eta: 2 },
      pruner: { type: 'swift', minCurves: 4, decisionPoint: 0.7 },
    });
    await cluster.begin(study);
    const { fates } = await cluster.result(study);
    assert.ok(fates.stopped > 0);
    assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
    const shards = [...(await runsOf(study)).keys()].filter((id) => /\/r0\/s\d+$/.test(id));
    assert.ok(shards.length >= 3, `shards: ${shards.join(', ')}`);
    assert.ok((await cluster.events(study)).most <= 4096);
  });

  it('with a trial of more segments than a history holds: the shard goes on in a new run', async () => {
    const study = replayed('long-trial', generatedCurves(10, 620), { scheduler: { type: 'full', trials: 2, R: 620 } });
    await cluster.begin(study);
    const { epochs } = await cluster.result(study);
    assert.equal(epochs, 1240);
    assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
    const runs = [...(await runsOf(study))].filter(([id]) => /\/s\d+$/.test(id)).map(([, count]) => count);
    assert.deepEqual(runs, [2, 2]);
    assert.ok((await cluster.events(study)).most <= 4096);
  });

  it('lists, retries and drops a trial that is parked inside a shard, and pauses there', async () => {
    const data = `${cluster.stateDir}/data-is-here`;
    const study = studyOf({
      name: 'parked-in-shard',
      space: {
        x: { float: [0, 1] },
        ms: { fixed: 0 },
        divergesAbove: { fixed: 2 },
        broken: { choice: [data, cluster.stateDir] },
      },
      tryFirst: [data, cluster.stateDir].map((broken, i) => ({ x: i / 10, ms: 0, divergesAbove: 2, broken })),
      // Two shards for their worst case; the broken trial ends at its first segment.
      scheduler: { type: 'full', trials: 2, R: 260 },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 2,
      training: { segmentEpochs: 1, attempts: 1, backoffSeconds: 0, parkSeconds: 120, heartbeatSeconds: 2 },
    });
    await cluster.begin(study);
    let out = '';
    for (let i = 0; i < 40 && !out.includes('parked: b0-t000'); i++) {
      await sleep(250);
      ({ out } = await cluster.everband('status', study.name));
    }
    assert.match(out, /parked: b0-t000 after 1 attempts: .*the data set is not there/);
    assert.equal((await cluster.everband('pause', study.name)).code, 0);
    assert.equal((await cluster.everband('resume', study.name)).code, 0);
    const dropped = await cluster.everband('drop', study.name, 'b0-t000');
    assert.equal(dropped.code, 0, dropped.err);
    const { fates } = await cluster.result(study);
    assert.deepEqual([fates.failed, fates.completed], [1, 1]);
    const done = cluster.record(study).trials.find((trial) => trial.id === 'b0-t001');
    assert.ok(done);
    const wanted = segmentOf({ ...done, globalIndex: 1 }, 0, 260);
    assert.deepEqual(done.values, wanted.values);
  });

  it('holds a parallelism that is set below the number of its open shards', async () => {
    const study = studyOf({
      name: 'fewer-than-shards',
      space: { x: { float: [0, 1] }, ms: { fixed: 200 }, divergesAbove: { fixed: -1 } },
      // Three trials a shard for their worst case; every trial ends at its third segment.
      scheduler: { type: 'full', trials: 24, R: 160 },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 4,
      training: { segmentEpochs: 1, heartbeatSeconds: 30 },
    });
    await cluster.begin(study);
    const open = () => openShards(study);
    for (let tries = 0; (await open()).length < 4; tries++) {
      assert.ok(tries < 100, 'never four open shards');
      await sleep(100);
    }
    assert.equal((await cluster.everband('parallelism', study.name, '2')).code, 0);
    const told = await open();
    assert.ok(told.length > 2);
    const { fates } = await cluster.result(study);
    assert.equal(fates.diverged, 24);
    const spans = await spansOf(study);
    assert.equal(spans.length, 24);
    const heard = Math.max(...(await Promise.all(told.map(heardBy))));
    const before = spans.filter(({ from }) => from <= heard);
    const after = spans.filter(({ from }) => from > Math.max(...before.map(({ to }) => to)));
    assert.ok(after.length > 4, `${after.length} trials began later`);
    const together = after.map(({ from }) => spans.filter((other) => other.from <= from && from < other.to).length);
    assert.equal(Math.max(...together), 2);
  });

  /** Shards of a study's first round that run. */
  async function openShards(study: Study): Promise<string[]> {
    const client = await cluster.client();
    const round = await client.workflow
      .getHandle(workflowIds.round(study.name, 'b0', 0))
      .describe()
      .catch(() => null);
    return (round?.raw.pendingChildren ?? []).flatMap(({ workflowId }) => workflowId ?? []);
  }

  /** When a shard had acted on the first signal that it got; 0: it had closed by then. */
  async function heardBy(shard: string): Promise<number> {
    const { events } = await (await cluster.client()).workflow.getHandle(shard).fetchHistory();
    const all = events ?? [];
    const signal = all.findIndex((event) => event.workflowExecutionSignaledEventAttributes);
    const task = all.findIndex((event, i) => i > signal && event.workflowTaskStartedEventAttributes);
    const acted = all.find((event, i) => i > task && event.workflowTaskCompletedEventAttributes);
    return signal < 0 ? 0 : timeOf(acted);
  }

  /** From when to when every trial of a study trained, as its shards' histories say. */
  async function spansOf(study: Study): Promise<{ readonly from: number; readonly to: number }[]> {
    const client = await cluster.client();
    const spans = new Map<string, { from: number; to: number }>();
    for (const workflowId of (await runsOf(study)).keys()) {
      const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
      const trials = new Map<string, string>();
      for (const event of events ?? []) {
        const { eventId } = event;
        const at = timeOf(event);
        const scheduled = event.activityTaskScheduledEventAttributes;
        if (scheduled) {
          // `b0-r0-t003-e7`
          const [trial = ''] = /t\d+/.exec(scheduled.activityId ?? '') ?? [];
          trials.set(String(eventId), trial);
          spans.set(trial, { from: spans.get(trial)?.from ?? at, to: at });
        }
        const ends = event.activityTaskCompletedEventAttributes;
        const span = ends && spans.get(trials.get(String(ends.scheduledEventId)) ?? '');
        if (span) span.to = at;
      }
    }
    return [...spans.values()];
  }

  itReplays(cluster, 10);
});

/** In milliseconds. */
function timeOf(event: proto.temporal.api.history.v1.IHistoryEvent | undefined): number {
  return Number(event?.eventTime?.seconds) * 1000 + (event?.eventTime?.nanos ?? 0) / 1e6;
}
