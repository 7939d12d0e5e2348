import assert from 'node:assert/strict';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createPredictActivities } from '../../activities/predict.js';
import { predict } from '../../core/predictors/predict.js';
import type { PredictionRequest } from '../../core/predictors/request.js';
import { stream } from '../../core/rng.js';
import { sleep, until } from '../harness.js';

const annealer = { type: 'annealer', solver: 'simulated', combination: 'sound', fallback: 'svr' } as const;

function request(predictor: object): PredictionRequest {
  const random = stream(2);
  const rows = Array.from({ length: 30 }, () => {
    const [low, drop] = [random.uniform(), 1 + random.uniform()];
    return Array.from({ length: 9 }, (_, e) => low + drop / (e + 1) + 0.02 * random.uniform());
  });
  const training = { curves: rows.slice(0, 25), targets: rows.slice(0, 25).map((row) => row[8] as number) };
  return {
    predictor: predictor as PredictionRequest['predictor'],
    ...{ seed: 9, epochs: 4, training, candidates: rows.slice(25) },
  };
}

/** Takes far longer than any test. */
const endless = request({ ...annealer, taskQueue: 'none', reads: 10_000, sweeps: 100_000 });

describe('a predicting worker', function () {
  this.timeout(60_000);
  let activities: ReturnType<typeof createPredictActivities>;
  beforeEach(() => {
    activities = createPredictActivities();
  });
  afterEach(() => activities.dispose());

  function asked(one: PredictionRequest): { beats: () => number; answer: Promise<unknown>; cancel: () => void } {
    const environment = new MockActivityEnvironment();
    let beats = 0;
    environment.on('heartbeat', () => beats++);
    const answer = environment.run(activities.predict as (request: unknown) => Promise<unknown>, one);
    answer.catch(() => undefined);
    return { beats: () => beats, answer, cancel: () => environment.cancel('CANCELLED') };
  }

  /** Seconds of processor time that this process takes in a second. */
  async function busy(): Promise<number> {
    const before = process.cpuUsage();
    await sleep(1000);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  }

  it('answers as the predictor does, one question after the other and several at once', async () => {
    for (const one of [request({ type: 'svr' }), request({ type: 'last' })]) {
      const wanted = predict(one);
      assert.equal(wanted.outcome, 'predicted');
      const answers = await Promise.all([1, 2, 3].map(() => asked(one).answer));
      assert.deepEqual([...answers, await asked(one).answer], [wanted, wanted, wanted, wanted]);
    }
  });

  it('answers that a prediction is impossible where the predictor fails', async () => {
    const answer = (await asked({ ...request({ type: 'svr' }), candidates: null as never }).answer) as {
      reason: string;
    };
    assert.match(answer.reason, /^the predictor failed: TypeError/);
  });

  it('beats while it computes, and is free for a quick question meanwhile', async () => {
    const long = asked(endless);
    const quick = request({ type: 'last' });
    assert.deepEqual(await asked(quick).answer, predict(quick));
    await until('it beats', () => long.beats() >= 3, 30);
    long.cancel();
    await assert.rejects(long.answer, CancelledFailure);
    const beats = long.beats();
    await sleep(1500);
    assert.equal(long.beats(), beats, 'it beats for nothing');
  });

  it('ends the thread of a question that is cancelled, and answers the next', async () => {
    const long = asked(endless);
    await until('it computes', async () => (await busy()) > 0.3, 30);
    long.cancel();
    await assert.rejects(long.answer, CancelledFailure);
    await until('it computes no more', async () => (await busy()) < 0.2, 30);
    const next = request({ type: 'last' });
    assert.deepEqual(await asked(next).answer, predict(next));
  });

  it('leaves nothing behind when it ends', async () => {
    const long = asked(endless);
    await until('it computes', async () => (await busy()) > 0.3, 30);
    activities.dispose();
    await assert.rejects(long.answer, /the thread of the predictor has ended/);
    await until('it computes no more', async () => (await busy()) < 0.2, 30);
  });
});
