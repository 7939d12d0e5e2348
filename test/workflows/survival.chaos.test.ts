import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import { stream } from '../../core/rng.js';
import type { Study } from '../../core/study.js';
import { workflowIds } from '../../workflows/messages.js';
import { segmentOf as train } from '../fixtures/slow-trainer.mjs';
import { Cluster, ended, nameless, reference, sleep, studyOf, trainedAgain, itReplays } from '../harness.js';

const study = (name: string, more: object = {}) =>
  studyOf({
    name,
    seed: 3,
    space: { x: { float: [0, 1] }, ms: { fixed: 40 }, divergesAbove: { fixed: 0.9 } },
    scheduler: { type: 'hyperband', R: 9, eta: 3 },
    pruner: { type: 'swift', minCurves: 4 },
    trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
    parallelism: 4,
    training: { heartbeatSeconds: 2, graceSeconds: 2 },
    ...more,
  });

describe('what a study survives', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  let expected: string;
  before(async () => {
    await cluster.start();
    expected = nameless(await reference(study('reference'), train));
  });
  after(() => cluster.end());

  async function finish(one: Study): Promise<void> {
    await cluster.result(one);
    assert.equal(nameless(cluster.record(one)), expected);
  }

  it('gives the same bytes with one trainer slot and with four', async () => {
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    for (const slots of [1, 4]) {
      const trainer = await cluster.worker(['train'], slots);
      const one = study(`slots-${slots}`);
      await cluster.begin(one);
      await finish(one);
      await ended(trainer);
    }
    await ended(orchestrator);
  });

  it('gives the same bytes when trainers, orchestrator and server are killed -9 again and again', async () => {
    const one = study('killed', { space: { x: { float: [0, 1] }, ms: { fixed: 250 }, divergesAbove: { fixed: 0.9 } } });
    const wanted = await reference(one, train);
    const random = stream(11, 'kills');
    const victims = ['trainer', 'orchestrator', 'server', 'trainer', 'orchestrator'] as const;
    await cluster.finishUnderFire(one, victims, () => 500 + random.below(1500));
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(wanted));
    assert.deepEqual(epochsTwice(cluster.record(one)), []);
    const best = cluster.record(one).result.best?.trial ?? '';
    const kept = readdirSync(path.join(cluster.stateDir, 'studies', one.name, 'checkpoints'));
    assert.deepEqual(kept, [best], 'only the best checkpoint is kept');
  });

  it('pauses, refuses nonsense, resumes and comes to the same', async () => {
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    const gate = path.join(cluster.stateDir, 'paused.gate');
    const space = { x: { float: [0, 1] }, ms: { fixed: 40 }, divergesAbove: { fixed: 0.9 } };
    const one = study('paused', { space: { ...space, gate: { fixed: gate }, gateAfter: { fixed: 3 } } });
    await cluster.begin(one);
    await sleep(700);
    assert.equal((await cluster.everband('pause', one.name)).code, 0);
    const again = await cluster.everband('pause', one.name);
    assert.equal(again.code, 1);
    assert.match(again.err, /paused already/);
    const before = await statusOf(one);
    await sleep(2500);
    assert.equal(before.phase, 'paused');
    assert.equal((await statusOf(one)).epochs, before.epochs);
    assert.match((await cluster.everband('parallelism', one.name, '0')).err, /whole number/);
    assert.equal((await cluster.everband('parallelism', one.name, '2')).code, 0);
    writeFileSync(gate, '');
    assert.equal((await cluster.everband('resume', one.name)).code, 0);
    await cluster.result(one);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, train)));
    await ended(trainer);
    await ended(orchestrator);
  });

  it('gives the same bytes with BOHB when the process that draws its proposals is killed -9', async () => {
    const one = study('bohb-killed', {
      space: { x: { float: [0, 1] }, ms: { fixed: 100 }, divergesAbove: { fixed: 0.9 } },
      scheduler: { type: 'bohb', R: 9, eta: 3 },
      sampler: { type: 'tpe', wave: 4 },
      pruner: 'none',
    });
    await cluster.finishUnderFire(one, ['orchestrator', 'orchestrator'], () => 1500);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, train)));
  });

  it('does not wait for an orchestrator that was killed while it noted a failure', async () => {
    const hangs = cluster.otherBuild({
      'activities/recover.js': [
        ['async noteFailed(', 'async noteFailed() { await new Promise(() => {}); }, async before('],
      ],
    });
    const orchestrator = await cluster.workerOf(hangs, {}, ['orchestrate']);
    const trainer = await cluster.worker(['train'], 2);
    const one = study('failure-noted', {
      space: {
        ...{ x: { float: [0, 1] }, ms: { fixed: 10 }, divergesAbove: { fixed: 2 } },
        ...{ broken: { fixed: '/nowhere' }, brokenAfter: { fixed: 1 } },
      },
      scheduler: { type: 'full', trials: 2, R: 3 },
      pruner: 'none',
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 0 },
    });
    await cluster.begin(one);
    const round = (await cluster.client()).workflow.getHandle(workflowIds.round(one.name, 'b0', 0));
    const notes = async () => {
      const { raw } = await round.describe();
      const started = raw.pendingActivities?.filter(({ activityType, lastStartedTime }) => {
        return activityType?.name === 'noteFailed' && lastStartedTime;
      });
      return started?.length;
    };
    while ((await notes().catch(() => 0)) !== 2) await sleep(100);
    await ended(orchestrator, 'SIGKILL');
    // Its limit of ten minutes is beyond that of this test.
    const next = await cluster.worker(['orchestrate']);
    assert.equal((await cluster.result(one)).fates.failed, 2);
    await ended(trainer);
    await ended(next);
  });

  it('resumes at once after a pause, while trainers are still saving themselves', async () => {
    const worker = await cluster.worker(['orchestrate', 'predict', 'train'], 2);
    const one = study('pause-resume', {
      space: { x: { float: [0, 1] }, ms: { fixed: 1500 }, divergesAbove: { fixed: 2 } },
      scheduler: { type: 'full', trials: 2, R: 3 },
      pruner: 'none',
      training: { heartbeatSeconds: 10, graceSeconds: 10 },
    });
    await cluster.begin(one);
    await sleep(2000);
    const handle = (await cluster.client()).workflow.getHandle(workflowIds.study(one.name));
    await handle.executeUpdate('pause');
    await handle.executeUpdate('resume');
    const result = await cluster.result(one);
    assert.equal(result.fates.completed, 2);
    assert.equal(nameless(cluster.record(one)), nameless(await reference(one, train)));
    await ended(worker);
  });

  for (const [when, more, file] of [
    ['in its only round', { scheduler: { type: 'full', trials: 8, R: 9 }, pruner: 'none' }, 'b0.p0.json'],
    ['when rounds have closed', {}, 'b2-r1.entered.json'],
  ] as const) {
    it(`keeps its identity when an operator resets its workflow ${when}: nobody is fenced or trained again`, async () => {
      const orchestrator = await cluster.worker(['orchestrate', 'predict']);
      const trainer = await cluster.worker(['train'], 4);
      const space = { x: { float: [0, 1] }, ms: { fixed: 250 }, divergesAbove: { fixed: 0.9 } };
      // A busy machine must not look like a lost worker here.
      const training = { heartbeatSeconds: 30, graceSeconds: 30 };
      const one = study(`reset-${when.split(' ')[1]}`, { space, training, ...more });
      const folder = path.join(cluster.stateDir, 'studies', one.name);
      const identity = () => readFileSync(path.join(folder, 'identity.json'), 'utf8');
      await cluster.begin(one);
      while (!existsSync(path.join(folder, 'record', file))) await sleep(50);
      // In the middle of the round.
      await sleep(900);
      const before = identity();
      await resetToStart(one);
      await cluster.result(one);
      assert.equal(identity(), before);
      const record = cluster.record(one);
      assert.equal(canonicalJson(record), canonicalJson(await reference(one, train)));
      // The checkpoints of a trial that goes no further are gone once its round has closed.
      const last = new Set(record.brackets.flatMap(({ rounds }) => rounds.at(-1)?.trials ?? []));
      assert.equal(trainedAgain(cluster.stateDir, one, last), 0);
      assert.deepEqual(await leftTraining(one), []);
      await ended(trainer);
      await ended(orchestrator);
    });
  }

  /** Activities that had not ended when the round was cancelled that had begun them. */
  async function leftTraining(one: Study): Promise<string[]> {
    const client = await cluster.client();
    const left: string[] = [];
    const rounds = client.workflow.list({ query: `WorkflowType = 'everbandRound' AND ExecutionStatus = 'Canceled'` });
    for await (const { workflowId, runId } of rounds) {
      if (!workflowId.startsWith(`${workflowIds.study(one.name)}/`)) continue;
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      const open = new Map<string, string>();
      for (const event of events ?? []) {
        const { activityTaskScheduledEventAttributes: begins } = event;
        const ends =
          event.activityTaskCanceledEventAttributes ??
          event.activityTaskCompletedEventAttributes ??
          event.activityTaskFailedEventAttributes ??
          event.activityTaskTimedOutEventAttributes;
        if (begins) open.set(String(event.eventId), begins.activityId ?? '');
        if (ends) open.delete(String(ends.scheduledEventId));
      }
      left.push(...open.values());
    }
    return left;
  }

  /** Resets the workflow of a study to its first task, as an operator does in the Web UI. */
  async function resetToStart(one: Study): Promise<void> {
    const client = await cluster.client();
    const handle = client.workflow.getHandle(workflowIds.study(one.name));
    const { runId } = await handle.describe();
    const { events } = await handle.fetchHistory();
    const first = events?.find((event) => event.workflowTaskCompletedEventAttributes);
    await client.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: handle.workflowId, runId },
      reason: 'an operator has reset it',
      requestId: randomUUID(),
      workflowTaskFinishEventId: first?.eventId ?? null,
    });
    assert.notEqual((await handle.describe()).runId, runId);
  }

  it('parks a trial that fails for good, lists it, and retries or drops it on demand', async () => {
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    const flag = path.join(cluster.stateDir, 'data-is-here');
    const space = {
      x: { float: [0, 0.8] },
      ms: { fixed: 5 },
      divergesAbove: { fixed: 2 },
      broken: { choice: [flag, cluster.stateDir] },
    };
    const one = study('parked', {
      space,
      pruner: 'none',
      scheduler: { type: 'successiveHalving', trials: 4, R: 4, eta: 2 },
      tryFirst: [cluster.stateDir, flag, flag, cluster.stateDir].map((broken, i) => {
        return { x: i / 10, ms: 5, divergesAbove: 2, broken };
      }),
      training: { attempts: 2, backoffSeconds: 0, parkSeconds: 120 },
    });
    await cluster.begin(one);
    let parked = '';
    const both = ['b2-t001', 'b2-t002'].map((trial) => `parked: ${trial}`);
    for (let i = 0; i < 40 && !both.every((line) => parked.includes(line)); i++) {
      await sleep(250);
      parked = (await cluster.everband('status', one.name)).out;
    }
    assert.match(parked, /parked: b2-t001 after 2 attempts/);
    assert.match((await cluster.everband('drop', one.name, 'b2-t000')).err, /parked: b2-t001, b2-t002/);
    assert.equal((await cluster.everband('drop', one.name, 'b2-t001')).code, 0);
    writeFileSync(flag, '');
    const retried = await cluster.everband('retry', one.name, '--failed');
    assert.match(retried.out, /b2-t002 trains again/, retried.err);
    const result = await cluster.result(one);
    assert.equal(result.fates.failed, 1);
    const failed = cluster.record(one).trials.find((trial) => trial.fate === 'failed');
    assert.equal(failed?.id, 'b2-t001');
    assert.match(failed?.reason ?? '', /the data set is not there/);
    assert.ok(existsSync(path.join(cluster.stateDir, 'studies', one.name, 'logs', 'b2-t001.log')));
    await ended(trainer);
    await ended(orchestrator);
  });

  it('stops early and keeps the best; a raw start with a broken study fails at once', async () => {
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    const one = study('stopped', { scheduler: { type: 'full', trials: 100, R: 9 }, pruner: 'none' });
    await cluster.begin(one);
    const checkpoints = path.join(cluster.stateDir, 'studies', one.name, 'checkpoints');
    while (!existsSync(path.join(checkpoints, 'b0-t004'))) await sleep(50);
    const { code, err } = await cluster.everband('stop', one.name);
    assert.equal(code, 0, err);
    const result = await cluster.result(one);
    assert.equal(result.ended, 'stopped');
    assert.ok(result.best !== null && result.fates.unfinished > 0);

    const client = await cluster.client();
    const raw = await client.workflow.start('everbandStudy', {
      workflowId: 'everband/raw',
      taskQueue: 'everband-orchestrate',
      args: [{ study: { name: 'raw', schedular: {} } }],
    });
    await assert.rejects(raw.result(), (error: Error & { cause?: { type?: string; message?: string } }) => {
      assert.equal(error.cause?.type, 'InvalidStudy');
      assert.match(error.cause?.message ?? '', /did you mean scheduler/);
      return true;
    });
    await ended(trainer);
    await ended(orchestrator);
  });

  async function statusOf(one: Study): Promise<{ phase: string; epochs: number }> {
    const { out, err } = await cluster.everband('status', one.name, '--json');
    assert.ok(out, err);
    return JSON.parse(out) as { phase: string; epochs: number };
  }

  itReplays(cluster, 20);
});

/** Epochs a record counts more than once: curves are longer than the rungs they passed. */
function epochsTwice(record: StudyRecord): string[] {
  const reached = new Map<string, number>();
  for (const round of record.brackets.flatMap((bracket) => bracket.rounds)) {
    for (const { trial } of round.ranking) reached.set(trial, round.to);
  }
  return record.trials
    .filter((trial) => ['completed', 'outranked'].includes(trial.fate) && trial.values.length !== reached.get(trial.id))
    .map((trial) => trial.id);
}
