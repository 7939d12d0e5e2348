import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ActivityCancellationDetails, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createTrainActivities, type TrainActivities } from '../../activities/train.js';
import { isAlive } from '../../cluster/temporal-cli.js';
import type { ClaimNote } from '../../trainers/attempts.js';
import { claimTrial, removeCheckpoints } from '../../trainers/checkpoints.js';
import { readEpochs } from '../../trainers/epoch-log.js';
import { releaseCheckpoint } from '../../trainers/held.js';
import type { Config, Trainer } from '../../core/study.js';
import type { StudyIdentity, TrainHeartbeat, TrainSegmentInput, TrainSegmentResult } from '../../workflows/messages.js';
import { trustedSegment } from '../trusted.js';

type Segment = Extract<TrainSegmentInput, { schemaVersion: 2 }>;

const a1 = 'a1-7692c3ad3540.0';

/** A segment whose identity is sealed here. */
type Asked = Partial<Omit<Segment, 'identity'>> & { readonly identity?: StudyIdentity };

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
  /** A trainer that is this script. */
  const scripted = (name: string, text: string, program: string = process.execPath): Trainer => {
    const script = path.join(stateDir, name);
    writeFileSync(script, text);
    return { type: 'command', command: [program, script], cwd: stateDir, env: {} };
  };
  const input = (config: Config, more: Asked = {}): Segment =>
    trustedSegment(stateDir, {
      ...{ schemaVersion: 2, study: 's', metric: 'loss', from: 0, to: 3, trainer: lineTrainer() },
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

  it('ends a trainer that waits for its input to close, also when the clock is put right meanwhile', async () => {
    const lines = [1, 2, 3].map((epoch) => `console.log('{"epoch":${epoch},"loss":${epoch}}');`).join('');
    const trainer = scripted('waits.mjs', `${lines} process.stdin.resume().on('end', () => process.exit(0))`);
    const running = run(input({}, { trainer }));
    const now = Date.now;
    try {
      while (!existsSync(path.join(stateDir, 'studies/s/logs/t.log')) || !/"epoch":3/.test(log())) await sleep(20);
      Date.now = () => now() - 3_600_000;
      assert.deepEqual(await running, { outcome: 'completed', values: [1, 2, 3] });
    } finally {
      Date.now = now;
    }
  });

  it('answers a finished segment at once', async () => {
    const result = await run(input({}));
    assert.deepEqual(
      await run(input({}, { trainer: { type: 'command', command: ['false'], cwd: '/', env: {} } })),
      result
    );
    assert.deepEqual(attempts(), [a1]);
  });

  it('takes a trainer that ends after one request', async () => {
    assert.equal((await run(input({ once: true }))).outcome, 'completed');
  });

  it('beats every second with the latest epoch, and not at all where everything takes less', async () => {
    const environment = quiet();
    const beats: TrainHeartbeat[] = [];
    environment.on('heartbeat', (beat: TrainHeartbeat) => beats.push(beat));
    // Its process has started by then.
    await run(input({}, { to: 1 }));
    await run(input({}), environment);
    assert.equal(beats.length, 0);
    await run(input({ pause: 500 }, { to: 5 }), environment);
    const epochs = beats.map(({ epoch }) => epoch);
    assert.ok(epochs.length >= 2 && (epochs.at(-1) as number) > (epochs[0] as number), String(epochs));
    for (const { trial, epoch, value } of beats) {
      assert.deepEqual({ trial, value }, { trial: 't', value: epoch === 0 ? null : (epoch * (epoch + 1)) / 2 });
    }
  });

  it('reports a divergence, again at once', async () => {
    const diverged = { outcome: 'diverged', values: [1], nonFinite: 'nan' };
    assert.deepEqual(await run(input({ mode: 'nan', at: 2 })), diverged);
    assert.deepEqual(await run(input({ mode: 'nan', at: 2 })), diverged);
    assert.deepEqual(attempts(), [a1]);
  });

  it('fails what breaks the protocol, and says how', async () => {
    await fails(input({ mode: 'malformed', at: 2 }), /not a valid line: is not JSON: \{"epoch":2,"lo/);
    await fails(input({ mode: 'skip', at: 3 }), /reported epoch 4, expected epoch 3/);
    await fails(input({ mode: 'missing', at: 3 }), /metric "loss" is missing/);
    await fails(input({ mode: 'error', at: 3 }), /no data/);
    await fails(input({ mode: 'crash', at: 3 }), /exit code 3 after epoch 2.*\nTraceback: boom/s);
    // None of these was a lost worker.
    assert.equal((await run(input({ at: 3 }))).outcome, 'completed');
  });

  it('says of which kind a failure is, and what was trained before', async () => {
    const kindOf = async (request: TrainSegmentInput): Promise<unknown> => {
      const error: unknown = await run(request).catch((reason: unknown) => reason);
      assert.ok(error instanceof ApplicationFailure && error.type === 'TrialFailed', String(error));
      return error.details;
    };
    let reset = 0;
    const broken = (mode: string, more: Partial<Segment> = {}) => input({ mode, at: 3 }, { reset: ++reset, ...more });
    assert.deepEqual(await kindOf(broken('crash')), [[1, 3], null, { kind: 'crash' }]);
    // A signal alone does not say that memory was short.
    assert.deepEqual(await kindOf(broken('killed')), [[1, 3], null, { kind: 'crash' }]);
    assert.deepEqual(await kindOf(broken('error')), [[1, 3], null, { kind: 'error' }]);
    assert.deepEqual(await kindOf(broken('oom')), [[1, 3], null, { kind: 'oom' }]);
    assert.deepEqual(await kindOf(broken('skip')), [[1, 3], null, { kind: 'error' }]);
    const training = { maxLosses: 3, epochTimeoutSeconds: 3, graceSeconds: 1 };
    const hanging = broken('hang', { training });
    // Its process has started by then.
    assert.equal((await run({ ...hanging, to: 2 })).outcome, 'completed');
    assert.deepEqual(await kindOf(hanging), [[1, 3], null, { kind: 'timeout' }]);
    const source = { trial: 'donor', epoch: 2 };
    assert.deepEqual(await kindOf(broken('', { from: 2, source })), [[], null, { kind: 'error' }]);
  });

  it('counts what crashes in its first epoch in a process that is kept', async () => {
    const journal = path.join(stateDir, 'journal');
    assert.equal((await run(input({ journal }))).outcome, 'completed');
    await fails(input({ journal, mode: 'crash', at: 4 }, { from: 3, to: 5 }), /exit code 3 after epoch 3/);
    const lines = readFileSync(journal, 'utf8').trim().split('\n');
    assert.equal(lines.length, 2, lines.join());
    // The same process was asked both times.
    assert.equal(new Set(lines.map((line) => line.split(' ')[0])).size, 1);
    // One that has said nothing at all has failed too.
    const silent = (to: number): Trainer => {
      const script = `read x; echo '{"epoch":1,"loss":1}'; echo '{"ready":true}'; read y; echo ${to} >> ${stateDir}/silent; exit 3`;
      return scripted('silent.sh', script, '/bin/sh');
    };
    const other = { trainer: silent(1), reset: 7 };
    assert.equal((await run(input({}, { ...other, to: 1 }))).outcome, 'completed');
    await fails(input({}, { ...other, from: 1, to: 2 }), /exit code 3 after epoch/);
    assert.equal(readFileSync(path.join(stateDir, 'silent'), 'utf8'), '1\n');
  });

  it('replaces a process that has ended since, and counts nothing', async () => {
    const journal = path.join(stateDir, 'journal');
    assert.equal((await run(input({ journal }))).outcome, 'completed');
    const pid = Number(readFileSync(journal, 'utf8').split(' ')[0]);
    process.kill(pid, 'SIGKILL');
    // One that is on its way out still takes a request, and to be lost after that counts.
    while (isAlive(pid)) await sleep(10);
    assert.deepEqual(await run(input({ journal }, { from: 3, to: 5 })), { outcome: 'completed', values: [10, 15] });
    assert.equal(readFileSync(journal, 'utf8').trim().split('\n').length, 2);
  });

  it('tries a trial alone that has lost its worker twice beside others', async () => {
    const journal = path.join(stateDir, 'journal');
    const scope = { stateDir, study: 's', identity: { id: 'one', incarnation: 0 }, metric: 'loss', from: 0 };
    const suspect = input({ journal, pause: 300 });
    for (let lost = 0; lost < 2; lost++) await claimTrial({ ...scope, trial: suspect.trial }, 3, false);
    const other = (id: string, to: number) => input({ pause: 300 }, { to, trial: { ...suspect.trial, id } });
    const noteOf = (id: string) => {
      const folder = path.join(stateDir, 'studies/s/checkpoints', id);
      const last = readdirSync(folder).sort().at(-1) as string;
      return JSON.parse(readFileSync(path.join(folder, last, 'claim.json'), 'utf8')) as ClaimNote;
    };
    const begun = Date.now();
    const first = run(other('first', 8));
    await sleep(300);
    const alone = quiet();
    const beats: TrainHeartbeat[] = [];
    alone.on('heartbeat', (beat: TrainHeartbeat) => beats.push(beat));
    const tried = run(suspect, alone);
    const third = run(other('third', 3));
    await first;
    // It has waited, and its heartbeats went on.
    const waited = Date.now() - begun;
    assert.ok(waited > 1000 && beats.length > 0, `${waited} ms, ${beats.length} beats`);
    assert.equal(noteOf('first').alone, true);
    await tried;
    await third;
    const begins = readFileSync(path.join(stateDir, 'studies/s/epochs/third.jsonl'), 'utf8');
    assert.equal(begins.split('\n').length, 4);
    const at = (id: string) => statSync(path.join(stateDir, 'studies/s/checkpoints', id)).birthtimeMs;
    const [second] = readEpochs(path.join(stateDir, 'studies/s'), 't');
    assert.ok(second, 'it has an epoch');
    // Nobody began before it had its first epoch: 300 ms after it was asked.
    const asked = statSync(path.join(stateDir, 'studies/s/checkpoints/t/a3-7692c3ad3540.0')).birthtimeMs;
    assert.ok(at('third') - asked > 250, `${at('third') - asked} ms`);
    // From then on they trained beside each other.
    assert.deepEqual([noteOf('t').alone, noteOf('third').alone], [false, false]);
  });

  it('answers with the further metrics that a study names', async () => {
    const named = { schemaVersion: 4, shift: 0, metrics: ['latency'] } as const;
    const asked = (config: Config, more: object = {}) => ({ ...input(config), ...named, ...more }) as TrainSegmentInput;
    const config = { more: '"latency":12.5,"accuracy":1' };
    const answer = { outcome: 'completed', values: [1, 3, 6], metrics: { latency: [12.5, 12.5, 12.5] } };
    assert.deepEqual(await run(asked(config)), answer);
    // Known by now, and the next ones after it.
    assert.deepEqual(await run(asked(config)), answer);
    const next = { outcome: 'completed', values: [10, 15], metrics: { latency: [12.5, 12.5] } };
    assert.deepEqual(await run(asked(config, { from: 3, to: 5 })), next);
    assert.deepEqual(readEpochs(path.join(stateDir, 'studies/s'), 't').at(-1)?.values, {
      ...{ latency: 12.5, accuracy: 1 },
    });
    const diverging = asked({ more: '"latency":NaN', mode: 'nan', at: 3 });
    const diverged = { outcome: 'diverged', values: [1, 3], metrics: { latency: [null, null] }, nonFinite: 'nan' };
    assert.deepEqual(await run(diverging), diverged);
    await fails(asked({}), /the metric "latency" is missing/);
    await fails(asked({ more: '"latency":"12"' }), /"latency" must be a number/);
    const crashing = asked({ more: '"latency":7', mode: 'crash', at: 3 });
    await assert.rejects(run(crashing), ({ details }: ApplicationFailure) => {
      assert.deepEqual(details, [[1, 3], { latency: [7, 7] }, { kind: 'crash' }]);
      return true;
    });
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
    writeFileSync(path.join(stateDir, 'studies/s/checkpoints/t', a1, 'files/e3'), '7');
    assert.deepEqual(await run(input({}, { from: 3, to: 4 })), { outcome: 'completed', values: [10] });
    assert.match(log(), /epochs 3 to 4/);
  });

  it('kills a hung trainer', async () => {
    const training = { maxLosses: 3, epochTimeoutSeconds: 3, graceSeconds: 1 };
    // Its process has started by then.
    assert.equal((await run(input({ mode: 'hang', at: 2 }, { to: 1 }))).outcome, 'completed');
    await fails(input({ mode: 'hang', at: 2 }, { training }), /hung: no epoch within 3 s after epoch 1/);
  });

  it('is not disturbed by a trainer that prints 60 MB, and neither takes that for a hang nor lets it hide one', async () => {
    const flood = async (...args: number[]) => {
      const command = ['--import', 'tsx', here('./flood-host.ts'), ...args.map(String)];
      const { stdout } = await promisify(execFile)(process.execPath, command, {
        timeout: 100_000,
        killSignal: 'SIGKILL',
      });
      return JSON.parse(stdout) as { outcome: string; rssBefore: number; rssMost: number; logs: number[] };
    };
    // Without the output that comes between them, ten epochs take no time at all.
    const found = await flood(30, 20);
    assert.equal(found.outcome, 'completed 10');
    assert.ok(found.rssMost - found.rssBefore < 80, JSON.stringify(found));
    assert.ok(
      found.logs.every((size) => size <= 8 << 20),
      JSON.stringify(found)
    );
    assert.match((await flood(1, 2, 5)).outcome, /^hung: no epoch within 2 s after epoch 4$/);
    assert.match((await flood(1, 2, 6)).outcome, /^hung: no epoch within 2 s after epoch 5$/);
  }).timeout(200_000);

  it('tells what a trainer says in a message that can be sent and kept', async () => {
    const say = (line: string): Trainer => {
      return scripted('says.mjs', `process.stdin.once('data', () => console.log(${JSON.stringify(line)}))`);
    };
    const messageOf = (trainer: Trainer) => run(input({}, { trainer })).then(String, (error: Error) => error.message);
    // Half a character cannot be written as UTF-8.
    assert.equal(await messageOf(say('{"error":"\\ud800 no data"}')), 'the trainer says: \ufffd no data');
    const long = JSON.stringify({ error: 'x'.repeat(500_000) });
    assert.ok((await messageOf(say(long))).length < 5000);
    for (const name of ['a\u0000b', 'x'.repeat(5000), '\ud800']) {
      const line = JSON.stringify({ epoch: 1, loss: 1, checkpoint: name });
      assert.match(await messageOf(say(line)), /^checkpoint ".*" does not exist in checkpointDir/);
    }
  });

  it('lets a cancelled trainer finish its epoch and resumes there', async () => {
    const environment = quiet();
    const slow = input({ pause: 150 }, { to: 50 });
    environment.on('heartbeat', ({ epoch }: TrainHeartbeat) => {
      if (epoch < 2) return;
      environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
    });
    await assert.rejects(run(slow, environment), CancelledFailure);
    const { values } = (await run({ ...slow, to: 12 })) as { values: readonly number[] };
    assert.deepEqual(values, [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78]);
    const [, resumed] = /epochs (\d+) to 12/.exec(log()) ?? [];
    assert.ok(Number(resumed) > 2 && Number(resumed) <= 12, log());
  });

  it('kills at once what the server has given up', async () => {
    const environment = quiet();
    environment.on('heartbeat', () => {
      environment.cancel('TIMED_OUT', new ActivityCancellationDetails({ timedOut: true }));
    });
    const training = { maxLosses: 3, epochTimeoutSeconds: 90, graceSeconds: 60 };
    const started = Date.now();
    await assert.rejects(run(input({ mode: 'hang', at: 2 }, { training }), environment), CancelledFailure);
    assert.ok(Date.now() - started < 30_000);
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
    const nowhere = path.join(stateDir, 'nowhere.csv');
    await fails(
      input({ row: 0 }, { trainer: { ...trainer, file: nowhere } }),
      /nowhere\.csv: there is no such file on /
    );
    await fails(
      input({ row: 0 }, { trainer: { ...trainer, columns: 'lss_' } }),
      /no columns "lss_<epoch>": it has "lr"/
    );
    assert.deepEqual(readdirSync(stateDir), ['curves.csv', 'key']);
  });

  it('asks again for a request it cannot read, ever more slowly', async () => {
    const request = { ...input({}), schemaVersion: 5 } as unknown as TrainSegmentInput;
    for (const [attempt, delay] of [
      [1, 1000],
      [3, 4000],
      [50, 30_000],
    ] as const) {
      const environment = new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger('ERROR') });
      await assert.rejects(run(request, environment), (error) => {
        assert.ok(error instanceof ApplicationFailure);
        assert.deepEqual([error.type, error.nonRetryable], ['UnsupportedSchema', false]);
        assert.equal(error.nextRetryDelay, delay);
        return /reads schemaVersion 2, 3 and 4, the request has 5/.test(error.message);
      });
    }
  });

  it('refuses an identity and a source that make no sense', async () => {
    const invalid = (request: object, message: RegExp) =>
      assert.rejects(run({ ...input({}), ...request } as TrainSegmentInput), (error) => {
        assert.ok(error instanceof ApplicationFailure && error.type === 'InvalidStudy' && error.nonRetryable);
        return message.test(error.message);
      });
    await invalid({ identity: undefined }, /identity is missing/);
    await invalid(
      { identity: { id: 'one', incarnation: -1 } },
      /identity\.incarnation is -1: must be a whole number of 0 or more/
    );
    await invalid(
      { from: 2, source: { trial: 'd', epoch: 3 } },
      /source\.epoch must be "from" with schemaVersion 2, which is 2; the request has 3/
    );
    for (const metrics of [undefined, [], [1], 'latency']) {
      await invalid(
        { schemaVersion: 4, shift: 0, metrics },
        /metrics(\.0)? is .*(must be a list of names|expected string)/
      );
    }
    await invalid({ schemaVersion: 3, shift: 0.5 }, /shift is 0\.5: must be a whole number/);
    await invalid(
      { schemaVersion: 3, shift: 0, from: 2, source: { trial: 'd', epoch: 0 } },
      /source\.epoch is 0: must be an epoch, 1 or more/
    );
    await invalid({ from: 2, source: { trial: '../x', epoch: 2 } }, /source\.trial is .*: cannot be a name/);
    await invalid(
      { trial: { ...input({}).trial, id: '../../../../../escape/victim' } },
      /trial\.id is .*cannot be a name/
    );
    await invalid({ trainer: { ...lineTrainer(), cwd: '.' } }, /trainer is .*must have absolute paths/);
    for (const request of [null, 7, 'text', [], { trial: null }, { trainer: null }]) {
      const asked =
        request !== null && typeof request === 'object' && !Array.isArray(request)
          ? { ...input({}), ...request }
          : request;
      await assert.rejects(run(asked as unknown as TrainSegmentInput), /cannot be read|reads schemaVersion/);
    }
  });
});

describe('trainSegment and whose a study is', function () {
  this.timeout(30_000);
  let stateDir: string;
  let activities: TrainActivities;
  beforeEach(() => {
    stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-identity-'));
    activities = createTrainActivities({ stateDir, slots: 2 });
  });
  afterEach(async () => {
    activities.dispose();
    await sleep(50);
    rmSync(stateDir, { recursive: true, force: true });
  });

  const segment = (id: string, config: Config, more: Asked = {}): Segment =>
    trustedSegment(stateDir, {
      ...{ schemaVersion: 2, study: 's', metric: 'loss', from: 0, to: 3 },
      trainer: { type: 'command', command: [process.execPath, here('./line-trainer.mjs')], cwd: stateDir, env: {} },
      trial: { id, bracket: 'b0', index: 0, globalIndex: 0, config, seed: 1 },
      training: { maxLosses: 3, epochTimeoutSeconds: 20, graceSeconds: 5 },
      ...more,
    });
  const run = (request: TrainSegmentInput, scheduledTimestampMs = 1): Promise<TrainSegmentResult> =>
    new MockActivityEnvironment({ scheduledTimestampMs }, { logger: new DefaultLogger('ERROR') }).run(
      activities.trainSegment,
      request
    );
  const journalOf = (file: string) => readFileSync(file, 'utf8').replace(/^\d+ /gm, '').trim().split('\n');
  const fenced = (error: unknown) => {
    assert.ok(error instanceof ApplicationFailure, String(error));
    assert.deepEqual([error.type, error.nonRetryable], ['Fenced', false]);
    return /the study of this name is two \(incarnation 0\) by now|no folder any more/.test(error.message);
  };

  it('a frozen worker of a deleted study does not write into the new one of its name', async () => {
    const slow = segment('t', { pause: 700 }, { to: 6 });
    const old = run(slow, 10).catch((error: unknown) => error);
    await sleep(1500);
    renameSync(path.join(stateDir, 'studies/s'), path.join(stateDir, 'deleted'));
    const two = { id: 'two', incarnation: 0 };
    const result = await run(segment('t', { pause: 10 }, { identity: two }), 20);
    assert.deepEqual(result, { outcome: 'completed', values: [1, 3, 6] });
    fenced(await old);
    // One that wakes before it has begun.
    await assert.rejects(run(segment('t', {}), 10), fenced);
    await assert.rejects(run(segment('other', {}), 10), fenced);
    assert.deepEqual(readdirSync(path.join(stateDir, 'studies/s/checkpoints')), ['t']);
    assert.deepEqual(readdirSync(path.join(stateDir, 'studies/s/checkpoints/t')), ['a1-3fc4ccfe7458.0']);
    const epochs = readEpochs(path.join(stateDir, 'studies/s'), 't');
    assert.deepEqual(
      epochs.map(({ epoch, identity }) => [epoch, identity.id]),
      [1, 2, 3].map((epoch) => [epoch, 'two'])
    );
  });

  it('starts from a copy of a donor that was held, whatever became of the donor', async () => {
    const journal = path.join(stateDir, 'journal');
    await run(segment('donor', {}, { hold: true, to: 2 }));
    // Answered at once, and held all the same.
    rmSync(path.join(stateDir, 'studies/s/held'), { recursive: true });
    await run(segment('donor', {}, { hold: true, to: 2 }));
    await run(segment('donor', {}, { from: 2, to: 6 }));
    await removeCheckpoints(stateDir, 's', ['donor']);
    await run(segment('t', { save: false }, { to: 2 }));
    // Of epoch 1 and 2 of the donor it has 1 + 2, and its own trainer would begin with nothing.
    const source = { trial: 'donor', epoch: 2 };
    const exploit = segment('t', { journal }, { from: 2, to: 4, source });
    assert.deepEqual(await run(exploit), { outcome: 'completed', values: [6, 10] });
    assert.deepEqual(await run(exploit), { outcome: 'completed', values: [6, 10] });
    assert.deepEqual(await run(segment('t', { journal }, { from: 4, to: 5 })), { outcome: 'completed', values: [15] });
    assert.deepEqual(journalOf(journal), ['2 4', '4 5']);
  });

  it('counts its own epochs from a checkpoint that holds another number of them, and its trainer counts those', async () => {
    const journal = path.join(stateDir, 'journal');
    await run(segment('donor', {}, { hold: true, to: 5 }));
    await run(segment('t', { save: false }, { to: 2 }));
    const shifted = { schemaVersion: 3, shift: 3 } as const;
    const exploit = { ...segment('t', { journal }, { from: 2, to: 4 }), ...shifted, hold: true };
    // Of the epochs 1 to 5 of the donor it has 15.
    const wanted = { outcome: 'completed', values: [21, 28] };
    assert.deepEqual(await run({ ...exploit, source: { trial: 'donor', epoch: 5 } }), wanted);
    assert.deepEqual(await run({ ...exploit, source: { trial: 'donor', epoch: 5 } }), wanted);
    const next = { ...segment('t', { journal }, { from: 4, to: 5 }), ...shifted };
    assert.deepEqual(await run(next), { outcome: 'completed', values: [36] });
    assert.deepEqual(journalOf(journal), ['5 7', '7 8']);
    // Somebody goes back with it to where it was at its own epoch 4, when its checkpoint held 7.
    const back = { ...segment('u', { journal }, { from: 6, to: 7 }), schemaVersion: 3, shift: 1 } as const;
    const taken = { ...back, source: { trial: 't', epoch: 4 } };
    assert.deepEqual(await run(taken), { outcome: 'completed', values: [36] });
    assert.deepEqual(journalOf(journal), ['5 7', '7 8', '7 8']);
    const epochs = readEpochs(path.join(stateDir, 'studies/s'), 't').map(({ epoch }) => epoch);
    assert.deepEqual(epochs, [1, 2, 3, 4, 5]);
  });

  it('goes on from its own checkpoint beyond the copy after a kill', async () => {
    const journal = path.join(stateDir, 'journal');
    await run(segment('donor', {}, { hold: true, to: 2 }));
    const exploit = segment(
      't',
      { journal, mode: 'crash', at: 5 },
      { from: 2, to: 4, source: { trial: 'donor', epoch: 2 } }
    );
    await assert.rejects(run({ ...exploit, to: 6 }), /exit code 3 after epoch 4/);
    const { identity } = exploit;
    await releaseCheckpoint({ stateDir, study: 's', identity }, 'donor', 2);
    await removeCheckpoints(stateDir, 's', ['donor']);
    assert.deepEqual(await run(exploit), { outcome: 'completed', values: [6, 10] });
    await assert.rejects(run({ ...exploit, to: 6 }), /exit code 3 after epoch 4/);
    assert.deepEqual(journalOf(journal), ['2 6', '4 6']);
  });

  it('keeps every number of every epoch, with what it took, and a NaN of another number is no divergence', async () => {
    const more = '"accuracy":0.5,"gradient":NaN,"note":"x"';
    // A line that is read late makes one epoch longer and the next one shorter: much less than such a pause.
    const pause = 400;
    assert.equal((await run(segment('t', { more, pause }, { to: 2 }))).outcome, 'completed');
    await assert.rejects(run(segment('t', { more, pause, mode: 'crash', at: 4 }, { from: 2, to: 4, reset: 1 })));
    const epochs = readEpochs(path.join(stateDir, 'studies/s'), 't');
    assert.deepEqual(
      epochs.map(({ epoch, attempt, host, values }) => ({ epoch, attempt, host, values })),
      [1, 2, 3].map((epoch) => ({
        ...{ epoch, attempt: 2, host: os.hostname() },
        values: { accuracy: 0.5, gradient: null },
      }))
    );
    for (const { seconds } of epochs) assert.ok(seconds >= 0.05 && seconds < 10, String(seconds));
  });

  it('fails a trainer that reports more than is kept', async () => {
    const more = Array.from({ length: 65 }, (_, i) => `"n${i}":${i}`).join();
    await assert.rejects(run(segment('t', { more })), (error) => {
      assert.ok(error instanceof ApplicationFailure && error.type === 'TrialFailed');
      return /epoch 1 has 65 numbers beside the objective; at most 64 names are kept/.test(error.message);
    });
  });

  it('fails a trial whose donor is gone, and a hold without a checkpoint', async () => {
    const failed = (message: RegExp) => (error: unknown) => {
      assert.ok(error instanceof ApplicationFailure && error.type === 'TrialFailed' && error.nonRetryable);
      return message.test(error.message);
    };
    await assert.rejects(
      run(segment('t', {}, { from: 2, source: { trial: 'donor', epoch: 2 } })),
      failed(/trial t starts from trial donor's checkpoint of epoch 2, and there is none that is intact/)
    );
    await assert.rejects(
      run(segment('u', { save: false }, { hold: true })),
      failed(/the checkpoint of epoch 3 of trial u is to be kept for others, and there is none/)
    );
  });
});
