import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ActivityCancellationDetails, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createTrainActivities, type TrainActivities } from '../../activities/train.js';
import type { Config, Trainer } from '../../core/study.js';
import type { TrainHeartbeat, TrainSegmentInput, TrainSegmentResult } from '../../workflows/messages.js';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

describe('trainSegment', function () {
  this.timeout(30_000);
  let stateDir: string;
  let activities: TrainActivities;
  beforeEach(() => {
    stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-train-'));
    activities = createTrainActivities({ stateDir, slots: 2 });
  });
  afterEach(async () => {
    activities.dispose();
    await sleep(50);
    rmSync(stateDir, { recursive: true, force: true });
  });

  const lineTrainer = (): Trainer => {
    return { type: 'command', command: [process.execPath, here('./line-trainer.mjs')], cwd: stateDir, env: {} };
  };
  const input = (config: Config, more: Partial<TrainSegmentInput> = {}): TrainSegmentInput => ({
    ...{ schemaVersion: 1, study: 's', metric: 'loss', from: 0, to: 3, trainer: lineTrainer() },
    trial: { id: 't', bracket: 'b0', index: 0, globalIndex: 0, config, seed: 1 },
    training: { maxLosses: 3, epochTimeoutSeconds: 20, graceSeconds: 5 },
    ...more,
  });
  const quiet = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  const run = (request: TrainSegmentInput, environment = quiet()): Promise<TrainSegmentResult> =>
    environment.run(activities.trainSegment, request);
  const log = () => readFileSync(path.join(stateDir, 'studies/s/logs/t.log'), 'utf8');
  const attempts = () => readdirSync(path.join(stateDir, 'studies/s/checkpoints/t'));

  const fails = (request: TrainSegmentInput, message: RegExp): Promise<void> =>
    assert.rejects(run(request), (error) => {
      assert.ok(error instanceof ApplicationFailure);
      assert.equal(error.type, 'TrialFailed');
      assert.equal(error.nonRetryable, true);
      assert.match(error.message, message);
      return true;
    });

  it('trains segment after segment in one process', async () => {
    const journal = path.join(stateDir, 'journal');
    assert.deepEqual(await run(input({ journal })), { outcome: 'completed', values: [1, 3, 6] });
    assert.deepEqual(await run(input({ journal }, { from: 3, to: 5 })), { outcome: 'completed', values: [10, 15] });
    const [first, second] = readFileSync(journal, 'utf8').trim().split('\n');
    assert.equal(first?.replace(/ 0 3$/, ''), second?.replace(/ 3 5$/, ''));
    assert.match(log(), /training from 0\n/);
  });

  it('answers a finished segment at once', async () => {
    const result = await run(input({}));
    assert.deepEqual(
      await run(input({}, { trainer: { type: 'command', command: ['false'], cwd: '/', env: {} } })),
      result
    );
    assert.deepEqual(attempts(), ['a1']);
  });

  it('takes a trainer that ends after one request', async () => {
    assert.equal((await run(input({ once: true }))).outcome, 'completed');
  });

  it('heartbeats the epochs', async () => {
    const environment = quiet();
    const beats: TrainHeartbeat[] = [];
    environment.on('heartbeat', (beat: TrainHeartbeat) => beats.push(beat));
    await run(input({}), environment);
    assert.deepEqual(beats[0], { trial: 't', epoch: 0, value: null });
    assert.deepEqual(beats.at(-1), { trial: 't', epoch: 3, value: 6 });
  });

  it('reports a divergence, again at once', async () => {
    const diverged = { outcome: 'diverged', values: [1], nonFinite: 'nan' };
    assert.deepEqual(await run(input({ mode: 'nan', at: 2 })), diverged);
    assert.deepEqual(await run(input({ mode: 'nan', at: 2 })), diverged);
    assert.deepEqual(attempts(), ['a1']);
  });

  it('fails what breaks the protocol, and says how', async () => {
    await fails(input({ mode: 'malformed', at: 2 }), /not a valid line: is not JSON: \{"epoch":2,"lo/);
    await fails(input({ mode: 'skip', at: 3 }), /reported epoch 4, expected epoch 3/);
    await fails(input({ mode: 'missing', at: 3 }), /metric "loss" is missing/);
    await fails(input({ mode: 'error', at: 3 }), /no data/);
    await fails(input({ mode: 'crash', at: 3 }), /exit code 3 after epoch 2.*\nTraceback: boom/s);
    await fails(input({}, { trainer: { type: 'command', command: ['/no/such'], cwd: '/', env: {} } }), /not found/);
    // None of these was a lost worker.
    assert.equal((await run(input({ at: 3 }))).outcome, 'completed');
  });

  it('goes on after a failure from the last checkpoint', async () => {
    const journal = path.join(stateDir, 'journal');
    // The configuration is the same; what was wrong has been put right.
    const crashing = input({ journal, mode: 'crash', at: 4 }, { to: 3 });
    await run(crashing);
    await fails({ ...crashing, to: 6 }, /exit code 3/);
    assert.match(readFileSync(journal, 'utf8'), / 0 3\n.* 3 6\n$/);
  });

  it('starts over without checkpoints and keeps the known values', async () => {
    assert.equal((await run(input({ save: false }))).outcome, 'completed');
    const result = await run(input({ save: false }, { from: 3, to: 4 }));
    assert.deepEqual(result, { outcome: 'completed', values: [10] });
    assert.match(log(), /epochs 1 to 4, no checkpoint/);
  });

  it('falls back to the older checkpoint when the newer is corrupt', async () => {
    await run(input({}));
    writeFileSync(path.join(stateDir, 'studies/s/checkpoints/t/a1/files/e3'), '7');
    assert.deepEqual(await run(input({}, { from: 3, to: 4 })), { outcome: 'completed', values: [10] });
    assert.match(log(), /epochs 3 to 4/);
  });

  it('kills a hung trainer', async () => {
    const training = { maxLosses: 3, epochTimeoutSeconds: 1, graceSeconds: 1 };
    await fails(input({ mode: 'hang', at: 2 }, { training }), /hung: no epoch within 1 s after epoch 1/);
  });

  it('lets a cancelled trainer finish its epoch and resumes there', async () => {
    const environment = quiet();
    const slow = input({ pause: 150 }, { to: 50 });
    environment.on('heartbeat', ({ epoch }: TrainHeartbeat) => {
      if (epoch === 2) environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
    });
    await assert.rejects(run(slow, environment), CancelledFailure);
    assert.deepEqual(await run({ ...slow, to: 4 }), { outcome: 'completed', values: [1, 3, 6, 10] });
    assert.match(log(), /epochs 4 to 4/);
  });

  it('kills at once what the server has given up', async () => {
    const environment = quiet();
    environment.on('heartbeat', ({ epoch }: TrainHeartbeat) => {
      if (epoch === 1) environment.cancel('TIMED_OUT', new ActivityCancellationDetails({ timedOut: true }));
    });
    const started = Date.now();
    await assert.rejects(run(input({ mode: 'hang', at: 2 }), environment), CancelledFailure);
    assert.ok(Date.now() - started < 4000);
  });

  it('lets only the newer of two attempts go on', async () => {
    const slow = input({ pause: 300 }, { to: 8 });
    const older = run(slow).catch((error: unknown) => error);
    await sleep(800);
    const newer = await run(slow);
    assert.deepEqual(newer.values, [1, 3, 6, 10, 15, 21, 28, 36]);
    const error = await older;
    assert.ok(error instanceof ApplicationFailure && error.type === 'Fenced' && !error.nonRetryable);
  });

  it('forgets the checkpoints on a reset', async () => {
    await run(input({}));
    assert.equal((await run(input({}, { reset: 1 }))).outcome, 'completed');
    assert.equal(log().match(/training from 0/g)?.length, 2);
  });

  it('runs a TypeScript module whose prints cannot break the protocol', async () => {
    const trainer: Trainer = { type: 'module', module: here('./module-trainer.ts') };
    const result = await run(input({}, { trainer, to: 2 }));
    assert.deepEqual(result, { outcome: 'completed', values: [1, 0.5] });
    assert.match(log(), /printed by the module\nfrom 0\n/);
    const diverged = await run(input({ nanAt: 2 }, { trainer, reset: 1 }));
    assert.deepEqual(diverged, { outcome: 'diverged', values: [1], nonFinite: 'nan' });
    await fails(input({ fail: true }, { trainer, reset: 2 }), /the module failed/);
  });

  it('replays recorded curves without files', async () => {
    const file = path.join(stateDir, 'curves.csv');
    writeFileSync(file, 'lr,loss_1,loss_2,loss_3\n1,3,2,1\n2,3,nan,1\n');
    const trainer: Trainer = { type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 };
    assert.deepEqual(await run(input({ row: 0 }, { trainer, from: 1 })), { outcome: 'completed', values: [2, 1] });
    const diverged = await run(input({ row: 1 }, { trainer }));
    assert.deepEqual(diverged, { outcome: 'diverged', values: [3], nonFinite: 'nan' });
    await fails(input({ row: 0 }, { trainer, to: 4 }), /has 3 epochs, asked for epoch 4/);
    await fails(input({ row: 2 }, { trainer }), /no row 2/);
    assert.deepEqual(readdirSync(stateDir), ['curves.csv']);
  });

  it('refuses a request it cannot read', async () => {
    const request = { ...input({}), schemaVersion: 2 } as unknown as TrainSegmentInput;
    await assert.rejects(
      run(request),
      (error) => error instanceof ApplicationFailure && error.type === 'UnsupportedSchema'
    );
  });
});
