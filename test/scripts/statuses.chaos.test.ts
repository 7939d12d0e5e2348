import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Study } from '../../core/study.js';
import type { Check } from '../../scripts/doctor.js';
import type { StudySummary } from '../../scripts/api.js';
import { workflowIds, type StudyStatus } from '../../workflows/messages.js';
import { cli, Cluster, ended, itReplays, studyOf, until } from '../harness.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('what is said of a study', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  let worker: ChildProcess;
  let trainer: ChildProcess;
  before(async () => {
    await cluster.start();
    worker = await cluster.worker(['orchestrate', 'predict']);
    trainer = await cluster.worker(['train'], 8);
  });
  after(() => cluster.end());

  const file = (name: string, ms: number, more: object = {}) => ({
    ...{ name, seed: 3, parallelism: 2 },
    space: { x: { float: [0, 1] }, ms: { fixed: ms }, divergesAbove: { fixed: 2 } },
    scheduler: { type: 'hyperband', R: 9, eta: 3 },
    trainer: { module: path.join(root, 'test/fixtures/slow-trainer.mjs') },
    training: { heartbeatSeconds: 2, graceSeconds: 5 },
    ...more,
  });
  const study = (name: string, ms: number, more: object = {}) => studyOf(file(name, ms, more));

  const handleOf = async ({ name }: Study) => (await cluster.client()).workflow.getHandle(workflowIds.study(name));

  async function json<T>(...args: string[]): Promise<T> {
    const { out, err } = await cluster.everband(...args, '--json');
    return JSON.parse(out || assert.fail(err)) as T;
  }

  async function listed({ name }: Study): Promise<StudySummary> {
    const all = await json<StudySummary[]>('list');
    return all.find((one) => one.name === name) ?? assert.fail(`${name} is not in the list`);
  }

  /** What the Web UI's list shows of it. */
  async function attribute(one: Study): Promise<unknown> {
    return (await (await handleOf(one)).describe()).searchAttributes['EverbandPhase']?.[0];
  }

  /** The details on its page. */
  async function details(one: Study): Promise<string> {
    return (await handleOf(one)).query<string>('__temporal_workflow_metadata').then((found) => JSON.stringify(found));
  }

  const trains = (one: Study) =>
    until(`${one.name} trains`, async () => {
      const status = await (await handleOf(one)).query<StudyStatus>('status').catch(() => null);
      return status?.phase === 'running' && existsSync(path.join(cluster.stateDir, 'studies', one.name, 'logs'));
    });

  async function endedAs(one: Study, how: string, says: string): Promise<void> {
    assert.deepEqual(await listed(one).then(({ state, phase }) => [state, phase]), [
      how === 'done' ? 'completed' : how,
      how,
    ]);
    assert.equal((await json<StudyStatus>('status', one.name)).phase, how);
    assert.match((await cluster.everband('status', one.name)).out, new RegExp(`^${one.name}: ${how}, `));
    const { code, out } = await cluster.everband('watch', one.name);
    assert.match(out, new RegExp(`^study ${one.name} ${says}: `, 'm'));
    assert.equal(code, 0);
    assert.equal(await attribute(one), how);
    assert.match(await details(one), new RegExp(`\\*\\*${one.name}\\*\\*: ${how}, `));
    const page = path.join(cluster.stateDir, `${one.name}.html`);
    assert.equal((await cluster.everband('report', one.name, '--out', page)).code, 0);
  }

  it('is that it was stopped, once somebody has stopped it, and how many trials trained at once at the end', async () => {
    const one = study('stopped', 400, { scheduler: { type: 'hyperband', R: 27, eta: 3 } });
    await cluster.begin(one);
    await trains(one);
    await until(
      'something has come to a rung',
      async () => (await json<StudyStatus>('status', one.name)).best !== null
    );
    const view = spawn(process.execPath, [cli, 'watch', one.name], { env: cluster.environment });
    let seen = '';
    view.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    const left = new Promise((resolve) => view.once('close', resolve));
    assert.equal((await cluster.everband('parallelism', one.name, '3')).code, 0);
    assert.equal((await cluster.everband('stop', one.name)).code, 0);
    await cluster.result(one);
    await left;
    assert.match(seen, /^study stopped stopped: /m);
    await endedAs(one, 'stopped', 'stopped');
    assert.equal((await json<StudyStatus>('status', one.name)).parallelism, 3);
    assert.match((await cluster.everband('status', one.name)).out, /at most 3 trials at once/);
  });

  it('is what ended it, or that it is done when its plan ran to its end', async () => {
    const late = study('late', 150, { limits: { deadlineSeconds: 4 } });
    const whole = study('whole', 1);
    // Its deadline counts from its start: trainers that have started already wait for it.
    for (const one of [whole, late]) {
      await cluster.begin(one);
      await cluster.result(one);
    }
    await endedAs(late, 'deadline', 'deadline');
    await endedAs(whole, 'done', 'finished');
    assert.equal((await json<StudyStatus>('status', whole.name)).parallelism, 2);
  });

  it('is that it was cancelled, once Temporal has cancelled it', async () => {
    const one = study('cancelled', 300);
    await cluster.begin(one);
    await trains(one);
    const handle = await handleOf(one);
    await handle.cancel();
    await assert.rejects(handle.result());
    assert.deepEqual(await listed(one).then(({ state, phase }) => [state, phase]), ['cancelled', null]);
    assert.equal(await attribute(one), 'cancelled');
    assert.match(await details(one), /\*\*cancelled\*\*: cancelled, /);
    for (const command of ['status', 'watch']) {
      const { code, err } = await cluster.everband(command, one.name);
      assert.equal(code, 1);
      assert.match(err, /^study cancelled was cancelled; `everband trials cancelled` shows what it had recorded\n$/);
    }
    assert.equal((await cluster.everband('trials', one.name)).code, 0);
    const page = path.join(cluster.stateDir, 'cancelled.html');
    assert.equal((await cluster.everband('report', one.name, '--out', page)).code, 0);
    assert.match(readFileSync(page, 'utf8'), /Not at its end: this is what has closed so far/);
  });

  it('is that it failed, was terminated or ran out of time, where it did', async () => {
    const client = await cluster.client();
    const begin = (name: string, input: unknown, more: object = {}) =>
      client.workflow.start('everbandStudy', {
        ...{ workflowId: workflowIds.study(name), taskQueue: 'everband-orchestrate', args: [input], ...more },
      });
    const terminated = study('terminated', 300);
    const late = study('timed-out', 300);
    await begin(terminated.name, cluster.sealed(terminated));
    await begin(late.name, cluster.sealed(late), { workflowExecutionTimeout: '5s' });
    const failed = await begin('failed', { name: 'failed', scheduler: 'none such' });
    const recovered = await begin(
      'never-was',
      { recover: 'never-was' },
      {
        searchAttributes: { EverbandPhase: ['preparing'] },
      }
    );
    await trains(terminated);
    await (await handleOf(terminated)).terminate('enough');
    await Promise.all([failed, recovered, await handleOf(late)].map((one) => assert.rejects(one.result())));
    const all = new Map((await json<StudySummary[]>('list')).map(({ name, state, phase }) => [name, [state, phase]]));
    assert.deepEqual(all.get('terminated'), ['terminated', null]);
    assert.deepEqual(all.get('timed-out'), ['timed_out', null]);
    assert.deepEqual(all.get('failed'), ['failed', null]);
    assert.deepEqual(all.get('never-was'), ['failed', null]);
    assert.equal(await attribute({ name: 'never-was' } as Study), 'failed');
    assert.match((await cluster.everband('status', 'terminated')).err, /^study terminated was terminated \(enough\)/);
    assert.match((await cluster.everband('status', 'timed-out')).err, /^study timed-out ran out of the time that/);
    assert.match((await cluster.everband('status', 'failed')).err, /^study failed failed: /);
  });

  /** What doctor has found, by its names; the server answers in any case. */
  async function checks(): Promise<Map<string, Omit<Check, 'name'>>> {
    const found = new Map((await json<Check[]>('doctor')).map(({ name, ...more }) => [name, more]));
    assert.equal(found.get('server')?.state, 'fine', JSON.stringify(found.get('server')));
    return found;
  }
  const roles = ['orchestrate', 'train', 'predict'];

  it('is not that a worker polls when it has just died or is frozen', async () => {
    for (const role of roles) assert.equal((await checks()).get(`worker ${role}`)?.state, 'fine', role);
    trainer.kill('SIGSTOP');
    await until('doctor sees it', async () => (await checks()).get('worker train')?.state === 'note');
    trainer.kill('SIGCONT');
    await until('doctor sees it again', async () => (await checks()).get('worker train')?.state === 'fine');
    for (const one of [worker, trainer]) await ended(one, 'SIGKILL');
    const found = await checks();
    for (const role of roles) {
      const { state, found: says, fix } = found.get(`worker ${role}`) ?? {};
      assert.deepEqual([state, says, fix], ['note', 'no worker polls', `everband worker ${role}`]);
    }
    const place = path.join(cluster.stateDir, 'waits.json');
    writeFileSync(place, JSON.stringify(file('waits', 1)));
    const { err } = await cluster.everband('start', place);
    for (const role of ['orchestrate', 'train']) {
      assert.match(err, new RegExp(`no worker polls the task queue everband-${role}, so the study waits`));
    }
  });

  it('is not that an orchestrating worker polls when a study waits for one in vain', async () => {
    // Whose process nobody can look at from here: its last question is younger than a minute.
    const elsewhere = cluster.otherBuild({
      'workers/main.js': [['const base = {', "const base = { identity: 'somewhere-else',"]],
    });
    const other = await cluster.workerOf(elsewhere, {}, ['orchestrate']);
    await until('it has the study', async () => (await json<StudyStatus>('status', 'waits')).phase === 'running');
    assert.equal((await checks()).get('worker orchestrate')?.state, 'fine');
    await ended(other, 'SIGKILL');
    const one = study('in-vain', 1);
    await cluster.begin(one);
    await until('the study is in trouble', async () => (await checks()).get('study in-vain'));
    assert.deepEqual((await checks()).get('worker orchestrate'), {
      state: 'wrong',
      found: 'a worker was seen, but a study waits for one in vain',
      fix: 'everband worker orchestrate',
    });
    await cluster.worker(['orchestrate', 'predict', 'train'], 8);
    for (const name of [one.name, 'waits']) assert.equal((await cluster.result(study(name, 1))).ended, 'finished');
    assert.equal((await checks()).get('worker orchestrate')?.state, 'fine');
  });

  itReplays(cluster, 10);
});
