import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { PredictionAnswer, PredictionRequest } from '../../core/predictors/request.js';
import { canonicalJson } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { workflowIds } from '../../workflows/messages.js';
import {
  Cluster,
  ended,
  generatedCurves,
  itReplays,
  pythonOf,
  quietRuntime,
  reference,
  sleep,
  studyOf,
  until,
} from '../harness.js';

/** Milliseconds from the loss of a predicting worker to the decision. */
const soon = 10_000;

/** PENDING_ACTIVITY_STATE_STARTED. */
const started = 2;

const root = fileURLToPath(new URL('../../', import.meta.url));

const curves = generatedCurves(60, 9);

const study = (name: string, pruner: object = { type: 'swift', minCurves: 4 }) =>
  studyOf({
    ...{ name, seed: 3, pruner, parallelism: 9 },
    scheduler: { type: 'hyperband', R: 9, eta: 3 },
    trainer: { replay: curves, columns: 'loss_' },
  });

describe('a predicting worker that is lost', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  const frozen: ChildProcess[] = [];
  /** A build whose predictions take `PREDICT_MS` longer, in which the thread that makes them does nothing else. */
  let slow: string;
  let address: string;
  before(async () => {
    ({ address } = await cluster.start());
    await cluster.worker(['orchestrate', 'train'], 9);
    const plain = 'orImpossible(() => predict(request))';
    const wait = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(process.env.PREDICT_MS))';
    slow = cluster.otherBuild({ 'activities/predictions.js': [[plain, `(${wait}, ${plain})`]] });
  });
  afterEach(() => {
    for (const worker of frozen.splice(0)) worker.kill('SIGKILL');
  });
  after(() => cluster.end());

  const slowWorker = (ms: number) => cluster.workerOf(slow, { PREDICT_MS: String(ms) }, ['predict']);

  /** Rounds of a study, those that are open first. */
  async function roundsOf({ name }: Study) {
    const client = await cluster.client();
    const found = [];
    for await (const one of client.workflow.list({ query: `WorkflowId STARTS_WITH '${workflowIds.study(name)}/'` }))
      found.push(client.workflow.getHandle(one.workflowId, one.runId));
    return found;
  }

  /** The question that a worker has in hands, and for which time. */
  async function inHand(one: Study): Promise<{ attempt: number } | null> {
    for (const round of await roundsOf(one)) {
      for (const { activityType, state, attempt } of (await round.describe()).raw.pendingActivities ?? []) {
        if (activityType?.name === 'predict' && state === started) return { attempt: attempt ?? 1 };
      }
    }
    return null;
  }

  /** When and at which attempt the first question was answered, ms since 1970. */
  async function firstAnswer(one: Study): Promise<{ asked: number; at: number; attempt: number } | null> {
    const answers: { asked: number; at: number; attempt: number }[] = [];
    for (const round of await roundsOf(one)) {
      const events = (await round.fetchHistory()).events ?? [];
      const time = (id: unknown) => {
        const { seconds, nanos } = events.find(({ eventId }) => String(eventId) === String(id))?.eventTime ?? {};
        return Number(seconds) * 1000 + (nanos ?? 0) / 1e6;
      };
      for (const { eventId, activityTaskCompletedEventAttributes: completed } of events) {
        const asks = events.find((event) => String(event.eventId) === String(completed?.scheduledEventId));
        if (asks?.activityTaskScheduledEventAttributes?.activityType?.name !== 'predict') continue;
        const taken = events.find((event) => String(event.eventId) === String(completed?.startedEventId));
        const attempt = taken?.activityTaskStartedEventAttributes?.attempt ?? 0;
        answers.push({ asked: time(asks.eventId), at: time(eventId), attempt });
      }
    }
    return answers.sort((a, b) => a.at - b.at)[0] ?? null;
  }

  async function comesToTheSame(one: Study): Promise<void> {
    await cluster.result(one);
    const wanted = await reference(one);
    assert.ok(wanted.result.predictorsTrained > 0);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(wanted));
  }

  const foreign = (taskQueue: string, more: object = {}) => {
    return { type: 'swift', minCurves: 4, predictor: { type: 'activity', taskQueue, ...more } };
  };

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    it(`while it computes, by ${signal}, costs less than 10 s`, async () => {
      const one = study(`lost-${signal.toLowerCase()}`);
      const first = await slowWorker(600_000);
      await cluster.begin(one);
      await until('it is asked', () => inHand(one));
      const other = await cluster.worker(['predict']);
      first.kill(signal);
      frozen.push(first);
      const since = Date.now();
      const { at, attempt } = await until('it is answered', () => firstAnswer(one));
      console.log(`      ${((at - since) / 1000).toFixed(1)} s`);
      assert.ok(at - since < soon, `${at - since} ms`);
      assert.equal(attempt, 2);
      await comesToTheSame(one);
      await ended(other);
    });
  }

  it('while it waits for a question, frozen, costs less than 10 s', async () => {
    const one = study('lost-idle');
    const first = await cluster.worker(['predict']);
    first.kill('SIGSTOP');
    frozen.push(first);
    const other = await cluster.worker(['predict']);
    await cluster.begin(one);
    const { asked, at } = await until('it is answered', () => firstAnswer(one));
    console.log(`      ${((at - asked) / 1000).toFixed(1)} s`);
    assert.ok(at - asked < soon, `${at - asked} ms`);
    await comesToTheSame(one);
    await ended(other);
  });

  it('is told from one that computes for long', async () => {
    const one = study('long');
    // Longer than a lost worker is waited for, twice over.
    const worker = await slowWorker(12_000);
    await cluster.begin(one);
    const { asked, at, attempt } = await until('it is answered', () => firstAnswer(one));
    assert.ok(at - asked >= 12_000);
    assert.equal(attempt, 1);
    await ended(worker, 'SIGKILL');
    const other = await cluster.worker(['predict']);
    await comesToTheSame(one);
    await ended(other);
  });

  it('and one whose question is cancelled is free for the next', async () => {
    const [one, next] = [study('cancelled'), study('next')];
    const worker = await slowWorker(600_000);
    await cluster.begin(one);
    await until('it is asked', () => inHand(one));
    await cluster.begin(next);
    await (await cluster.client()).workflow.getHandle(workflowIds.study(one.name)).cancel();
    await until('the next is asked', () => inHand(next));
    await ended(worker, 'SIGKILL');
    const other = await cluster.worker(['predict']);
    await comesToTheSame(next);
    await ended(other);
  });

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    it(`in Python costs less than 10 s by ${signal}, where its study says that it beats`, async function () {
      const python = pythonOf(this);
      const begin = async (seconds: number) => {
        const worker = spawn(python, [path.join(root, 'test/fixtures/python_predictor.py'), address, String(seconds)], {
          env: { ...cluster.environment, PYTHONPATH: path.join(root, 'python'), PYTHONUNBUFFERED: '1' },
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        frozen.push(worker);
        await once(worker.stdout, 'data');
        return worker;
      };
      const one = study(`python-${signal.toLowerCase()}`, foreign('python-predict', { heartbeatSeconds: 4 }));
      const first = await begin(600);
      await cluster.begin(one);
      await until('it is asked', () => inHand(one));
      // It takes longer than a lost worker is waited for.
      await sleep(6000);
      assert.deepEqual(await inHand(one), { attempt: 1 });
      await begin(0);
      first.kill(signal);
      const since = Date.now();
      const { at, attempt } = await until('it is answered', () => firstAnswer(one));
      console.log(`      ${((at - since) / 1000).toFixed(1)} s`);
      assert.ok(at - since < soon, `${at - since} ms`);
      assert.equal(attempt, 2);
      await cluster.result(one);
    });
  }

  it("is no worker of somebody else's that never beats", async () => {
    quietRuntime();
    const one = study('silent', foreign('silent-predict'));
    const connection = await NativeConnection.connect({ address });
    let took = 7000;
    const worker = await Worker.create({
      ...{ connection, taskQueue: 'silent-predict' },
      activities: {
        predict: async ({ epochs, candidates }: PredictionRequest): Promise<PredictionAnswer> => {
          await sleep(took);
          took = 0;
          return { outcome: 'predicted', losses: candidates.map((curve) => curve[epochs - 1] as number) };
        },
      },
    });
    await worker.runUntil(async () => {
      await cluster.begin(one);
      const { asked, at, attempt } = await until('it is answered', () => firstAnswer(one));
      assert.ok(at - asked >= 7000);
      assert.equal(attempt, 1);
      await cluster.result(one);
    });
    await connection.close();
  });

  itReplays(cluster, 10);
});
