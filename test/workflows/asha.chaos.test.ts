import assert from 'node:assert/strict';
import { audit } from '../../core/audit.js';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StudyRecord } from '../../core/record.js';
import { stream } from '../../core/rng.js';
import type { Study } from '../../core/study.js';
import type { StudySummary } from '../../scripts/api.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';
import { Cluster, ended, generatedCurves, itReplays, sleep, studyOf, trainedAgain } from '../harness.js';

const slow = (name: string, ms: number, more: object = {}) =>
  studyOf({
    name,
    seed: 3,
    space: { x: { float: [0, 1] }, ms: { fixed: ms }, divergesAbove: { fixed: 0.9 } },
    scheduler: { type: 'asha', R: 9, eta: 3, trials: 18 },
    trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
    parallelism: 4,
    training: { heartbeatSeconds: 2, graceSeconds: 2 },
    ...more,
  });

describe('ASHA through Temporal', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  before(() => cluster.start({ 'limit.historyCount.suggestContinueAsNew': 80 }));
  after(() => cluster.end());

  /** Runs of the study's workflow. */
  async function runsOf(one: Study): Promise<number> {
    const client = await cluster.client();
    const { count } = await client.workflow.count(`WorkflowId = 'everband/${one.name}'`);
    return count;
  }

  it('loses no checkpointed epoch and trains none twice, whatever is killed -9', async () => {
    const one = slow('asha-killed', 150);
    const random = stream(5, 'kills');
    const victims = ['trainer', 'orchestrator', 'server', 'trainer'] as const;
    const result = await cluster.finishUnderFire(one, victims, () => 700 + random.below(1200));
    const record = cluster.record(one);
    sound(one, record);
    assert.equal(result.trials, 18);
    // A kill costs every slot at most the epoch it was in.
    const again = trainedAgain(cluster.stateDir, one);
    assert.ok(again <= 2 * 4, `${again} epochs trained again after 2 kills of 4 slots`);
  });

  it('with TPE goes on from the proposals of an orchestrator that was killed -9', async () => {
    const one = slow('asha-tpe-killed', 60, { sampler: 'tpe', scheduler: { type: 'asha', R: 9, eta: 3, trials: 40 } });
    const { trials } = await cluster.finishUnderFire(one, ['orchestrator', 'orchestrator'], () => 1500);
    assert.equal(trials, 40);
    sound(one, cluster.record(one));
  });

  it('goes on in a new run with jobs in flight, pauses and resumes there', async () => {
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    const one = slow('asha-runs', 30, {
      scheduler: { type: 'asha', R: 9, eta: 3, trials: 60 },
      // A busy machine must not look like a lost worker here.
      training: { heartbeatSeconds: 30, graceSeconds: 30 },
    });
    await cluster.begin(one);
    await sleep(4000);
    assert.equal((await cluster.everband('pause', one.name)).code, 0);
    const spent = async () => {
      const { out, err } = await cluster.everband('status', one.name, '--json');
      assert.ok(out, err);
      return (JSON.parse(out) as { epochs: number }).epochs;
    };
    await sleep(1000);
    const before = await spent();
    await sleep(1500);
    assert.equal(await spent(), before);
    assert.equal((await cluster.everband('parallelism', one.name, '3')).code, 0);
    assert.equal((await cluster.everband('resume', one.name)).code, 0);
    await cluster.result(one);
    sound(one, cluster.record(one));
    assert.equal(trainedAgain(cluster.stateDir, one), 0, 'whoever is told to stop saves first');
    assert.ok((await runsOf(one)) > 1);
    await ended(trainer);
    await ended(orchestrator);
  });

  it('keeps a parked trial parked over its runs, until it is retried', async () => {
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    const flag = path.join(cluster.stateDir, 'data-is-here');
    const one = slow('asha-parked', 10, {
      space: {
        x: { float: [0, 0.8] },
        ms: { fixed: 10 },
        divergesAbove: { fixed: 2 },
        // Some names of a folder that is there, so that few trials are broken.
        broken: { choice: [flag, ...Array.from({ length: 19 }, (_, i) => cluster.stateDir + '/.'.repeat(i))] },
      },
      scheduler: { type: 'asha', R: 9, eta: 3, trials: 60 },
      tryFirst: [{ x: 0.5, ms: 10, divergesAbove: 2, broken: flag }],
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 300 },
    });
    await cluster.begin(one);
    const status = async () => (await cluster.everband('status', one.name)).out;
    for (let i = 0; i < 60 && (await runsOf(one)) < 3; i++) await sleep(500);
    assert.ok((await runsOf(one)) >= 3, 'the study goes on in new runs');
    assert.match(await status(), /parked: b2-t000 after 1 attempts/);
    writeFileSync(flag, '');
    const retried = await cluster.everband('retry', one.name, '--failed');
    assert.match(retried.out, /b2-t000 trains again/, retried.err);
    const result = await cluster.result(one);
    assert.equal(result.fates.failed, 0);
    sound(one, cluster.record(one));
    await ended(trainer);
    await ended(orchestrator);
  });

  it('stops at the number of epochs, at the target and by hand, with the best so far', async () => {
    const worker = await cluster.worker(['orchestrate', 'predict', 'train'], 10);
    const curves = generatedCurves(400, 27);
    const of = (name: string, more: object) =>
      studyOf({
        name,
        trainer: { replay: curves, columns: 'loss_', secondsPerEpoch: 0.01 },
        scheduler: { type: 'asha', R: 27, eta: 3, trials: 'untilLimit' },
        parallelism: 10,
        ...more,
      });
    const limited = of('asha-epochs', { limits: { epochs: 500 } });
    await cluster.begin(limited);
    const { ended: why, epochs } = await cluster.result(limited);
    assert.equal(why, 'epochLimit');
    assert.ok(epochs <= 500 && epochs > 400, `${epochs} epochs`);
    sound(limited, cluster.record(limited));

    const target = of('asha-target', { limits: { target: 0.05 } });
    await cluster.begin(target);
    const reached = await cluster.result(target);
    assert.equal(reached.ended, 'target');
    assert.ok((reached.best?.value ?? 1) <= 0.05);

    const byHand = of('asha-stopped', { limits: { deadlineSeconds: 600 } });
    await cluster.begin(byHand);
    await sleep(3000);
    const { out: listed } = await cluster.everband('list', '--json');
    const running = (JSON.parse(listed) as StudySummary[]).find(({ name }) => name === byHand.name);
    assert.equal(running?.state, 'running');
    assert.ok(running.best !== null, 'the best so far is listed');
    const { code, err } = await cluster.everband('stop', byHand.name);
    assert.equal(code, 0, err);
    const stopped = await cluster.result(byHand);
    assert.equal(stopped.ended, 'stopped');
    assert.ok(stopped.best !== null);
    sound(byHand, cluster.record(byHand));
    const { out } = await cluster.everband('trials', byHand.name);
    assert.match(out, /b3-t000/);
    await ended(worker);
  });

  it('trains a trial from its first epoch when told so while it moves to another run', async () => {
    // Every job that ends ends the run.
    cluster.killServer();
    await cluster.start({ 'limit.historyCount.suggestContinueAsNew': 1 });
    const worker = await cluster.worker(['orchestrate', 'predict', 'train'], 1);
    const flag = path.join(cluster.stateDir, 'data-is-here-too');
    const fixed = { ms: 120, divergesAbove: 2, brokenAfter: 1 };
    const one = slow('asha-reset', 120, {
      space: {
        x: { float: [0, 0.8] },
        ...Object.fromEntries(Object.entries(fixed).map(([name, value]) => [name, { fixed: value }])),
        broken: { choice: [flag, ...Array.from({ length: 19 }, (_, i) => cluster.stateDir + '/.'.repeat(i))] },
      },
      scheduler: { type: 'asha', R: 9, eta: 3, minBudget: 3, trials: 16 },
      tryFirst: [{ x: 0.5, ...fixed, broken: flag }],
      parallelism: 1,
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 300 },
    });
    await cluster.begin(one);
    for (let i = 0; i < 40 && !/parked: /.test((await cluster.everband('status', one.name)).out); i++) await sleep(250);
    writeFileSync(flag, '');
    const retried = await cluster.everband('retry', one.name, 'b1-t000', '--reset');
    assert.match(retried.out, /b1-t000 trains again/, retried.err);
    await cluster.result(one);
    sound(one, cluster.record(one));
    assert.equal(trainedAgain(cluster.stateDir, one), 1, 'the epoch before it failed');
    await ended(worker);
  });

  itReplays(cluster, 20);
});

/** Every decision follows, every curve is the trainer's, every promotion from the rung below, nobody twice in a rung. */
function sound(study: Study, record: StudyRecord): void {
  const rounds = record.brackets[0]?.rounds ?? [];
  assert.deepEqual(audit(record), []);
  for (const [k, round] of rounds.entries()) {
    assert.equal(new Set(round.trials).size, round.trials.length);
    const below = new Set(rounds[k - 1]?.promoted ?? round.trials);
    for (const trial of round.trials) assert.ok(below.has(trial), `${trial} came to rung ${k} from nowhere`);
  }
  if (study.trainer.type !== 'module') return;
  for (const trial of record.trials) {
    const truth = segmentOf(trial as never, 0, trial.values.length);
    assert.deepEqual(trial.values, truth.values, trial.id);
  }
}
