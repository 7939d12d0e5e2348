/** Every road by which somebody without the key may ask for something: none leads to a program, a folder or a record. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChildProcess } from 'node:child_process';
import type { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { ServerInfo } from '../../cluster/server.js';
import type { CommandTrainer, Study } from '../../core/study.js';
import type { StudyResult } from '../../core/record.js';
import { queryNames, taskQueues, workflowIds, workflowTypes, type StudyStatus } from '../../workflows/messages.js';
import { Cluster, ended, quietRuntime, sleep, studyOf } from '../harness.js';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

describe('roads to the workers', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  const outside = mkdtempSync(path.join(os.tmpdir(), 'everband-outside-'));
  let server: ServerInfo;
  let client: Client;
  let worker: ChildProcess;
  let canaries = 0;

  before(async () => {
    quietRuntime();
    server = await cluster.start();
    worker = await cluster.worker(['orchestrate', 'train', 'predict']);
    client = await cluster.client();
  });
  after(async () => {
    if (worker.exitCode === null) await ended(worker);
    await cluster.end();
    rmSync(outside, { recursive: true, force: true });
  });

  /** A study whose trainer leaves a trace wherever it runs. */
  function evil(name: string): { study: Study; canary: string } {
    const canary = path.join(outside, `ran-${++canaries}`);
    const script = path.join(outside, `evil-${canaries}.mjs`);
    writeFileSync(script, `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(canary)}, 'ran');`);
    const study = studyOf({
      ...{ name, space: { x: { float: [0, 1] } }, scheduler: { type: 'full', trials: 2, R: 2 } },
      trainer: { command: [process.execPath, script], cwd: outside },
      training: { attempts: 1, parkSeconds: 0 },
    });
    return { study, canary };
  }

  /** A study of ours that trains well, with its seal. */
  function ours(name: string, more: object = {}): Study {
    const trainer = { module: here('../fixtures/slow-trainer.mjs') };
    const space = { ms: { fixed: 5 }, x: { float: [0, 1] }, divergesAbove: { fixed: 2 } };
    return studyOf({ name, space, trainer, scheduler: { type: 'full', trials: 2, R: 2 }, ...more });
  }

  async function start(type: string, id: string, args: readonly unknown[]): Promise<unknown> {
    const handle = await client.workflow.start(type, {
      ...{
        workflowId: id,
        taskQueue: taskQueues.orchestrate,
        args: [...args],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      },
      workflowExecutionTimeout: '30s',
    });
    return handle.result();
  }

  /** The failure at the bottom of what a workflow failed with. */
  async function refused(work: Promise<unknown>, type: string, message: RegExp): Promise<void> {
    await assert.rejects(work, (error: Error) => {
      let cause: Error & { type?: string; nonRetryable?: boolean } = error;
      while (cause.cause instanceof Error) cause = cause.cause;
      assert.equal(cause.type, type, cause.message);
      assert.match(cause.message, message);
      return true;
    });
  }

  function nothingRan(canary: string): void {
    assert.equal(existsSync(canary), false);
  }

  it('the HTTP API of the server answers nobody', async () => {
    const { study, canary } = evil('by-http');
    const ports = portsOf(server.pid ?? -1);
    assert.ok(ports.length > 2, ports.join());
    const known = [server.address, server.uiUrl ?? ''].map((address) => Number(/:(\d+)$/.exec(address)?.[1]));
    const input = { metadata: { encoding: base64('json/plain') }, data: base64(JSON.stringify({ study })) };
    const body = JSON.stringify({
      ...{ workflowType: { name: workflowTypes.study }, taskQueue: { name: taskQueues.orchestrate } },
      input: { payloads: [input] },
    });
    let answers = 0;
    for (const port of ports.filter((one) => !known.includes(one))) {
      const url = `http://127.0.0.1:${port}/api/v1/namespaces/default/workflows/${workflowIds.study('by-http')}`;
      const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/plain' } }).catch(
        () => null
      );
      if (answer === null) continue;
      answers++;
      assert.ok(!answer.ok, `${port}: ${answer.status} ${await answer.text()}`);
    }
    assert.ok(answers > 0, 'no port speaks HTTP: has the server changed?');
    await assert.rejects(client.workflow.getHandle(workflowIds.study('by-http')).describe());
    nothingRan(canary);
  });

  it("the Web UI's API starts what the activities refuse", async () => {
    const { study, canary } = evil('by-ui');
    const page = await fetch(server.uiUrl ?? '');
    const cookie = (page.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
    const token = /_csrf=([^;]+)/.exec(cookie)?.[1] ?? '';
    const id = encodeURIComponent(workflowIds.study('by-ui'));
    const data = { metadata: { encoding: base64('json/plain') }, data: base64(JSON.stringify({ study })) };
    const post = (headers: Record<string, string>) =>
      fetch(`${server.uiUrl}/api/v1/namespaces/default/workflows/${id}`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
        body: JSON.stringify({
          ...{ workflowType: { name: workflowTypes.study }, taskQueue: { name: taskQueues.orchestrate } },
          input: { payloads: [data] },
        }),
      });
    assert.ok(!(await post({})).ok);
    const answer = await post({ cookie, 'x-csrf-token': token });
    // Whoever can read the page can start a workflow; that it does nothing is the seal's.
    if (answer.ok) {
      await refused(client.workflow.getHandle(workflowIds.study('by-ui')).result(), 'NotSealed', /carries no seal/);
    }
    nothingRan(canary);
  });

  it('a raw start is refused: without a seal, with one of another name, with another trainer', async () => {
    const { study, canary } = evil('raw');
    await refused(start(workflowTypes.study, 'raw-1', [study]), 'InvalidStudy', /a study is a mapping/);
    await refused(
      start(workflowTypes.study, 'raw-2', [{ study }]),
      'NotSealed',
      /study raw carries no seal.*everband start/
    );
    const { seal } = cluster.sealed(ours('sealed'));
    const renamed = { ...ours('sealed'), name: 'renamed' };
    await refused(
      start(workflowTypes.study, 'raw-3', [{ study: renamed, seal }]),
      'NotSealed',
      /another study, or of a key/
    );
    const { trainer } = study;
    const changed = { ...ours('sealed'), trainer };
    await refused(
      start(workflowTypes.study, 'raw-4', [{ study: changed, seal }]),
      'NotSealed',
      /sealed with another trainer/
    );
    await refused(
      start(workflowTypes.study, 'raw-5', [{ recover: 'sealed', seal: 'v1.a.b.c' }]),
      'NotSealed',
      /of another study/
    );
    for (const garbage of [null, 7, 'text', [], {}, { study: null }, { study: { name: '../x' }, seal }]) {
      await assert.rejects(start(workflowTypes.study, 'raw-6', [garbage]), /failed/i, JSON.stringify(garbage));
    }
    nothingRan(canary);
    assert.deepEqual(
      existsSync(path.join(cluster.stateDir, 'studies')) ? readdirSync(path.join(cluster.stateDir, 'studies')) : [],
      []
    );
  });

  it('a second argument that only an earlier run can have made is refused', async () => {
    const { study, canary } = evil('second');
    const identity = { id: 'x', incarnation: 0, seal: 'v1.a.b.c' };
    const control = { paused: false, stopped: false, parallelism: 4 };
    const driver = { scheduler: null, open: [], recorded: 0, digests: {}, pool: { parked: {}, resets: {} } };
    const state = { identity, control, driver, started: 0, deadlinePassed: false };
    const escaping = { ...study, name: '../../../escape' };
    await refused(
      start(workflowTypes.study, 'second-1', [escaping, state]),
      'InvalidStudy',
      /no input of everbandStudy/
    );
    await refused(start(workflowTypes.study, 'second-2', [study, {}]), 'InvalidStudy', /no input of everbandStudy/);
    nothingRan(canary);
  });

  it('a forged round, shard and late retry fail at once, and remove nothing', async () => {
    const { study, canary } = evil('forged');
    const victim = path.join(outside, 'victim');
    mkdirSync(victim, { recursive: true });
    writeFileSync(path.join(victim, 'kept'), '');
    const up = path.join('../../../../../../../..', victim);
    const identity = { id: 'x', incarnation: 0 };
    const control = { paused: false, stopped: false, parallelism: 4 };
    const group = {
      ...{ id: `${up}-r0`, bracket: up, round: 0, members: [0], from: 0, to: 2, places: 1, decisionPoint: null },
      draws: { first: 0, offset: 0, wave: null },
    };
    const round = { study, identity, group, memory: { shared: null }, control, carried: null };
    await assert.rejects(start(workflowTypes.round, 'forged-1', [round]), /failed/i);
    await assert.rejects(
      start(workflowTypes.round, 'forged-2', [{ ...round, group: { ...group, from: 1, draws: undefined } }])
    );
    const trial = { id: 't-t000', bracket: 't', index: 0, globalIndex: 0, config: {}, seed: 1 };
    const { name, objective, trainer, training, budgetUnit } = study;
    const shard = {
      ...{ spec: { name, objective, trainer, training, budgetUnit }, identity, control, carried: null },
      ...{ round: { bracket: 't', round: 0, from: 0, to: 2 }, jobs: [{ trial, from: 0, to: 2 }] },
    };
    await refused(start(workflowTypes.shard, 'forged-3', [shard]), 'NotSealed', /carries no seal/);
    const late = { study: 'forged', request: { trial: 't', reset: false, queue: null }, start: null };
    await refused(start(workflowTypes.late, 'forged-4', [late]), 'NotSealed', /no seal/);
    for (const type of [workflowTypes.round, workflowTypes.shard, workflowTypes.late]) {
      for (const garbage of [
        null,
        7,
        [],
        {},
        { ...round, group: 7 },
        { ...shard, jobs: [7] },
        { ...late, start: {} },
      ]) {
        await assert.rejects(start(type, 'forged-5', [garbage]), /failed/i, `${type} ${JSON.stringify(garbage)}`);
      }
    }
    nothingRan(canary);
    assert.deepEqual(readdirSync(victim), ['kept']);
  });

  it("a stranger's workflow schedules our activities in vain, and bears no children that train", async () => {
    const { study, canary } = evil('stranger');
    const connection = await NativeConnection.connect({ address: server.address });
    const stranger = await Worker.create({
      ...{ connection, taskQueue: 'stranger', workflowsPath: here('../fixtures/stranger.ts') },
    });
    const identity = { id: 'x', incarnation: 0 };
    const other = { ...identity, seal: cluster.sealed(ours('theirs')).seal };
    const trial = { id: 'b0-t000', bracket: 'b0', index: 0, globalIndex: 0, config: {}, seed: 1 };
    const segment = {
      ...{ schemaVersion: 2, study: study.name, trial, metric: 'loss', from: 0, to: 2, trainer: study.trainer },
      training: { maxLosses: 3, epochTimeoutSeconds: 20, graceSeconds: 5 },
    };
    const up = '../../../x';
    const does = async (activity: string, taskQueue: string, ...args: unknown[]): Promise<unknown> => {
      const id = `stranger-${activity}-${Math.random()}`;
      const deed = { activity, taskQueue, args };
      return client.workflow.execute('schedules', { taskQueue: 'stranger', workflowId: id, args: [deed] });
    };
    await stranger.runUntil(async () => {
      const train = (more: object) => does('trainSegment', taskQueues.train, { ...segment, ...more });
      await refused(train({ identity }), 'NotSealed', /carries no seal/);
      await refused(train({ identity: other }), 'NotSealed', /seal of another study/);
      await refused(train({ identity: other, study: 'theirs' }), 'NotSealed', /sealed with another trainer/);
      await refused(train({ identity: other, study: up }), 'InvalidStudy', /cannot be a name/);
      const record = (name: string, ...args: unknown[]) => does(name, taskQueues.orchestrate, ...args);
      const deeds: [string, ...unknown[]][] = [
        ['prepareStudy', study, identity, 0],
        ['propose', study, identity, { bracket: 'b0', offset: 0, count: 1 }],
        ['recall', study, identity, 'b0', [0]],
        ['enterRound', study, identity, { id: 'b0-r1', bracket: 'b0', members: [0], from: 1 }, [0]],
        ['record', 'theirs', identity, 'b0-r0.json', '{}', ['b0-t000'], []],
        ['failedIn', 'theirs', identity, 'b0', 0],
        ['question', study, identity, {}, []],
        ['answer', study, identity, {}, []],
        ['recordStudy', study, identity, 'finished', {}],
        ['noteRun', 'theirs', identity, { started: 0, control: {} }],
        ['noteFailed', 'theirs', identity, {}],
        ['anyEpoch', 'theirs', identity],
        ['recoverStudy', 'theirs', 'v1.a.b.c'],
        ['restoreRecord', ours('theirs'), identity, { 'x.json': 'y' }],
        ['prepareLate', 'theirs', null, { trial: 't', reset: false, queue: null }, false],
        ['lateVerdict', 'theirs', identity, trial, 0, { value: 1 }],
        ['recordLate', { identity, number: 0 }, { study: 'theirs', trial: 't' }, {}],
      ];
      for (const [name, ...args] of deeds) await refused(record(name, ...args), 'NotSealed', /seal/);
      // With the right seal, which histories show, no name leads out of the study's folder.
      await refused(
        record('record', 'theirs', other, up, '{}', [], []),
        'InvalidStudy',
        /cannot be the name of a file/
      );
      await refused(
        record('record', 'theirs', other, 'b0-r0.json', '{}', [up], []),
        'InvalidStudy',
        /cannot be the name/
      );
      await refused(record('record', up, other, 'a.json', '{}', [], []), 'InvalidStudy', /cannot be a name/);
      const control = { paused: false, stopped: false, parallelism: 1 };
      const child = {
        ...{ spec: study, identity, control, carried: null },
        ...{ round: { bracket: 'b0', round: 0, from: 0, to: 2 }, jobs: [{ trial, from: 0, to: 2 }] },
      };
      await refused(
        client.workflow.execute('bears', {
          ...{ taskQueue: 'stranger', workflowId: 'stranger-parent' },
          args: [workflowTypes.shard, 'everband/stranger/b0/r0/s0', child],
        }),
        'NotSealed',
        /carries no seal/
      );
    });
    await connection.close();
    nothingRan(canary);
  });

  it('signals and updates that are none change nothing', async () => {
    const gate = path.join(cluster.stateDir, 'signalled.gate');
    const study = ours('signalled', {
      ...{ scheduler: { type: 'hyperband', R: 4, eta: 2 }, parallelism: 2 },
      space: {
        ...{ ms: { fixed: 150 }, x: { float: [0, 1] }, divergesAbove: { fixed: 2 } },
        ...{ gate: { fixed: gate }, gateAfter: { fixed: 1 } },
      },
    });
    await cluster.begin(study);
    const handle = client.workflow.getHandle(workflowIds.study(study.name));
    const round = client.workflow.getHandle(workflowIds.round(study.name, 'b2', 0));
    for (let up = false; !up; await sleep(50))
      up = await round.describe().then(
        () => true,
        () => false
      );
    const garbage = [
      null,
      7,
      'text',
      [],
      {},
      { parallelism: -1 },
      { paused: 1, stopped: 2, parallelism: 'x' },
      undefined,
    ];
    for (const value of garbage) {
      for (const name of ['control', 'late', 'settled', 'news', 'nobody']) {
        for (const target of [handle, round]) await target.signal(name, value).catch(() => undefined);
      }
      for (const name of ['setParallelism', 'retryLate']) {
        await assert.rejects(
          handle.executeUpdate(name, { args: [value] as unknown as [] }),
          /./,
          `${name} ${String(value)}`
        );
      }
    }
    // What no converter can make a value of.
    for (const [encoding, data] of [
      ['json/plain', '{'],
      ['nobody/knows', 'x'],
      ['', ''],
    ] as const) {
      await client.workflowService.signalWorkflowExecution({
        ...{ namespace: 'default', workflowExecution: { workflowId: handle.workflowId }, signalName: 'control' },
        input: { payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) }] },
      });
    }
    const late = { trial: '../../x', reset: true, queue: null };
    await assert.rejects(handle.executeUpdate('retryLate', { args: [late] as unknown as [] }));
    for (const name of ['retryTrial', 'dropTrial']) {
      for (const value of garbage.slice(0, 5)) {
        await round.executeUpdate(name, { args: [value] as unknown as [] }).then(
          () => assert.fail(`${name} takes ${String(value)}`),
          (error: Error) => assert.doesNotMatch(String(error.cause ?? error), /TypeError/)
        );
      }
    }
    writeFileSync(gate, '');
    const result = await cluster.result(study);
    assert.equal(result.ended, 'finished');
  });

  it('a sealed study whose trainer the operator has not allowed runs nothing, and says which flag would', async () => {
    const { study, canary } = evil('not-allowed');
    const handle = await client.workflow.start(workflowTypes.study, {
      ...{
        workflowId: workflowIds.study(study.name),
        taskQueue: taskQueues.orchestrate,
        args: [cluster.sealed(study)],
      },
    });
    const status = () => handle.query<StudyStatus>(queryNames.status);
    while ((await status()).phase !== 'paused') await sleep(100);
    nothingRan(canary);
    const { command } = study.trainer as CommandTrainer;
    const { cause = '' } = await status();
    assert.match(cause, /has not allowed the trainer `.*evil-\d+\.mjs`\. Fix: `everband worker --allow <study file>`/);
    assert.ok(cause.includes(command[1] as string));
    await handle.executeUpdate('stop');
    const result = (await handle.result()) as StudyResult;
    assert.deepEqual([result.ended, result.fates.failed ?? 0], ['stopped', 0]);
  });
});

/** SECURITY.md names these: when one of them fails, the page has to change. */
describe('what whoever reaches the server can still do', function () {
  this.timeout(120_000);
  const cluster = new Cluster();
  let client: Client;
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'train']);
    client = await cluster.client();
  });
  after(() => cluster.end());

  it('is to read histories, to complete a training activity falsely, to use a seal again, and to end the study', async () => {
    const trainer = { module: here('../fixtures/slow-trainer.mjs') };
    const scheduler = { type: 'full', trials: 1, R: 1 };
    const space = { ms: { fixed: 60_000 }, x: { float: [0, 1] }, divergesAbove: { fixed: 2 } };
    const one = studyOf({ name: 'remains', space, trainer, scheduler });
    await cluster.begin(one);
    const round = client.workflow.getHandle(workflowIds.round(one.name, 'b0', 0));
    const pending = async () => (await round.describe().catch(() => null))?.raw.pendingActivities ?? [];
    while (!(await pending()).some(({ lastWorkerIdentity }) => lastWorkerIdentity)) await sleep(100);
    const history = JSON.stringify((await round.fetchHistory()).events?.map((event) => texts(event)));
    assert.ok(history.includes('v1.') && history.includes('slow-trainer'));
    const place = { workflowId: round.workflowId, activityId: (await pending())[0]?.activityId ?? '' };
    await client.activity.complete(place, { outcome: 'completed', values: [0.125] });
    const result = await cluster.result(one);
    assert.equal(result.best?.value, 0.125);
    // The seal is whole: its own trainer runs again, and nothing else can.
    const again = await client.workflow.start(workflowTypes.study, {
      ...{ workflowId: 'again', taskQueue: taskQueues.orchestrate, args: [cluster.sealed(one)] },
    });
    await again.terminate();
    assert.equal((await again.describe()).status.name, 'TERMINATED');
  });
});

/** What payloads say, wherever they stand in an event. */
function texts(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(texts);
  if (value === null || typeof value !== 'object') return null;
  return Object.values(value).map(texts);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Loopback ports that a process listens on. */
function portsOf(pid: number): number[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    })
  );
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
        return state === '0A' && sockets.has(inode) ? [parseInt(local.split(':')[1] ?? '', 16)] : [];
      })
  );
}
