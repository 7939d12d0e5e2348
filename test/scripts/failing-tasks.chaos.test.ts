import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson } from '../../core/record.js';
import { updateNames, workflowIds } from '../../workflows/messages.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';
import { cli, Cluster, ended, reference, sleep, studyOf } from '../harness.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Milliseconds within which a failing workflow task has to show. */
const soon = 15_000;

/** What a study does first, and a group. */
const beginnings = ['const name = recoveryOf(input);', 'all = await local.run('] as const;
const wait = 'await new Promise((done) => setTimeout(done, 1));';

describe('a study that no worker can carry on', function () {
  this.timeout(480_000);
  const cluster = new Cluster();
  let orchestrator: ChildProcess;
  let trainer: ChildProcess;

  const file = (name: string, ms: number, more: object = {}) => ({
    name,
    seed: 3,
    space: { x: { float: [0, 1] }, ms: { fixed: ms }, divergesAbove: { fixed: 2 }, ...more },
    scheduler: { type: 'hyperband', R: 9, eta: 3 },
    trainer: { module: path.join(root, 'test/fixtures/slow-trainer.mjs') },
    parallelism: 2,
    // Whoever is given up while the machine stands still would be tried alone, and one of these trains for an hour.
    training: { heartbeatSeconds: 8, graceSeconds: 2 },
  });

  function written(name: string, ms: number): string {
    const place = path.join(cluster.stateDir, `${name}.json`);
    writeFileSync(place, JSON.stringify(file(name, ms)));
    return place;
  }

  /** What a process has written so far, of what comes from now on. */
  function heard(child: ChildProcess): () => string {
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return () => text;
  }

  /** Waits until `look` sees `pattern`; gives what was seen. */
  async function within(ms: number, pattern: RegExp, look: () => string | Promise<string>): Promise<string> {
    const since = Date.now();
    for (;;) {
      const seen = await look();
      if (pattern.test(seen)) return seen;
      assert.ok(Date.now() - since < ms, `${String(pattern)} was not to be seen in ${ms} ms, only: ${seen}`);
      await sleep(250);
    }
  }

  /** The view of a study, until it shows `pattern`. */
  async function watched(name: string, pattern: RegExp): Promise<void> {
    const view = spawn(process.execPath, [cli, 'watch', name], {
      env: cluster.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await within(soon, pattern, heard(view)).finally(() => ended(view, 'SIGKILL'));
  }

  const print = async (...args: string[]) => {
    const { code, out, err } = await cluster.everband(...args);
    return `${out}${err}exit code ${code}\n`;
  };

  before(async () => {
    await cluster.start();
    orchestrator = await cluster.worker(['orchestrate', 'predict']);
    trainer = await cluster.worker(['train'], 6);
  });
  after(async () => {
    await cluster.end();
  });

  it('shows it everywhere when the workflow code is not the code that began it, and goes on once that is back', async () => {
    const reordered = cluster.otherBuild({
      'workflows/bundle.js': beginnings.map((line) => [line, `${wait} ${line}`] as const),
    });
    const seen = cluster.everband('start', written('first', 300), '--wait');
    const quiet = cluster.everband('start', written('second', 300), '--wait', '--json');
    const idle = studyOf(file('idle', 3_600_000));
    await cluster.begin(idle);
    for (const name of ['first', 'second']) await recorded(name, 'b2-r1.entered.json');
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.workerOf(reordered, {}, ['orchestrate', 'predict']);
    const log = heard(orchestrator);
    const trouble =
      /everband\/first\S* cannot go on: the worker's workflow code is not the code that began it \(.*TMPRL1100.*\)\. Fix: start a worker of the version that began it/;
    const since = Date.now();
    const left = () => Math.max(0, soon - (Date.now() - since));
    const shown = await Promise.all([
      within(soon, trouble, log),
      within(soon, trouble, () => print('list')),
      within(soon, trouble, () => print('status', 'first')),
      watched('first', trouble),
    ]);
    assert.match(shown[1], /^exit code 0$/m);
    assert.match(shown[2], /^exit code 1$/m);
    assert.match(
      await print('doctor'),
      /WRONG study first: everband\/first\S* cannot go on[^]*fix: start a worker of the version[^]*exit code 1/
    );
    for (const waiting of [seen, quiet]) {
      const { code, err } = await Promise.race([
        waiting,
        sleep(left() + soon).then(() => assert.fail('it still waits')),
      ]);
      assert.equal(code, 1);
      assert.match(err, /everband\/(first|second)\S* cannot go on[^]*left (first|second), which stays on the server/);
    }
    // Nothing has happened to this one: it finds out as soon as somebody asks.
    assert.match(await print('status', 'idle'), /everband\/idle cannot go on: [^]*Fix: start a worker[^]*exit code 1/);
    const other = await cluster.everband('start', written('other', 1), '--wait');
    assert.equal(other.code, 0, other.err);

    // The new code takes one over: it folds what is recorded and goes on from there.
    assert.match(await print('start', '--recover', 'other'), /other has ended[^]*exit code 1/);
    assert.match(await print('start', '--recover', 'second'), /second goes on from its record[^]*exit code 0/);
    const second = studyOf(file('second', 300));
    await cluster.result(second);
    assert.equal(canonicalJson(cluster.record(second)), canonicalJson(await reference(second, segmentOf)));

    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.worker(['orchestrate', 'predict']);
    for (const name of ['first', 'second']) {
      const { ended: how, fates } = await cluster.result(studyOf(file(name, 300)));
      assert.deepEqual([how, fates.failed], ['finished', 0]);
    }
    assert.match(await print('status', 'first'), /^first: done[^]*exit code 0/);
    const client = await cluster.client();
    await client.workflow.getHandle('everband/idle').terminate();
  });

  /** The workflow's commands in another order. */
  const otherOrder = beginnings.map((line) => [line, `${wait} ${line}`] as const);

  /** Waits until a study that runs has a file in its record. */
  async function recorded(name: string, what: string): Promise<void> {
    const place = path.join(cluster.stateDir, 'studies', name, 'record', what);
    for (let tries = 0; !existsSync(place); tries++) {
      assert.ok(tries < 1200, `${what} was never written`);
      await sleep(50);
    }
  }

  for (const [when, what, why] of [
    ['has closed the round', 'b2-r1.json', /what is recorded of b2-r1|b2-r1 is recorded/],
    ['trains the round', 'b2-r1.entered.json', /the trials that came to b2-r1 do not follow/],
  ] as const) {
    it(`is not taken over by a version that promotes others, once it ${when}`, async () => {
      const gate = path.join(cluster.stateDir, `${what}.gate`);
      // Who trains the round does not close it meanwhile.
      const held = what.includes('entered') ? { gate: { fixed: gate }, gateAfter: { fixed: 1 } } : {};
      const one = studyOf(file(`decides-${what.split('.')[1]}`, 300, held));
      await cluster.begin(one);
      await recorded(one.name, what);
      // What trains saves itself and waits: the round stays open.
      const handle = (await cluster.client()).workflow.getHandle(workflowIds.study(one.name));
      await handle.executeUpdate(updateNames.pause);
      await ended(orchestrator, 'SIGKILL');
      const worst = ['.slice(0, places)', '.slice(-places)'] as const;
      const other = cluster.otherBuild({
        'workflows/bundle.js': [...otherOrder, worst],
        'core/schedulers/rounds.js': [worst],
      });
      orchestrator = await cluster.workerOf(other, {}, ['orchestrate', 'predict']);
      await within(soon, /decides\S* cannot go on/, () => print('status', one.name));
      const { code, err } = await cluster.everbandOf(other, 'start', '--recover', one.name);
      assert.equal(code, 1);
      assert.match(err, /the record of study decides-\S+ cannot be followed: .*Its workflows stay as they are/);
      assert.match(err, why);
      await ended(orchestrator, 'SIGKILL');
      orchestrator = await cluster.worker(['orchestrate', 'predict']);
      writeFileSync(gate, '');
      // The server takes no orders for a workflow whose task has failed until it has had the task tried again.
      await within(60_000, /exit code 0/, () => print('resume', one.name));
      await cluster.result(one);
      assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
    });
  }

  it('is taken over by a version that orders its commands otherwise and records more', async () => {
    const gate = path.join(cluster.stateDir, 'extended.gate');
    const one = studyOf(file('extended', 200, { gate: { fixed: gate }, gateAfter: { fixed: 1 } }));
    await cluster.begin(one);
    await recorded(one.name, 'b2-r1.entered.json');
    await ended(orchestrator, 'SIGKILL');
    const kept = ['from, to, outcomes, decision }', 'from, to, outcomes, decision, told: outcomes.length }'] as const;
    const other = cluster.otherBuild({
      'workflows/bundle.js': [...otherOrder, kept],
      'core/engine/study-run.js': [kept],
    });
    orchestrator = await cluster.workerOf(other, {}, ['orchestrate', 'predict']);
    await within(soon, /extended\S* cannot go on/, () => print('status', one.name));
    const { code, err } = await cluster.everbandOf(other, 'start', '--recover', one.name);
    assert.equal(code, 0, err);
    writeFileSync(gate, '');
    await cluster.result(one);
    const told = (name: string) => {
      const text = readFileSync(path.join(cluster.stateDir, 'studies', one.name, 'record', name), 'utf8');
      return text.includes('"told"');
    };
    assert.deepEqual(['b2-r0.json', 'b2-r1.json', 'b0-r0.json'].map(told), [false, true, true]);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
    assert.equal((await cluster.everbandOf(other, 'audit', one.name)).code, 0);
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.worker(['orchestrate', 'predict']);
  });

  it('with ASHA is taken over by a version that orders its commands otherwise and keeps more of a group', async () => {
    const one = studyOf({ ...file('extended-asha', 100), scheduler: { type: 'asha', R: 9, eta: 3, trials: 40 } });
    await cluster.begin(one);
    await recorded(one.name, 'part-0.json');
    await ended(orchestrator, 'SIGKILL');
    const { log: prefix } = cluster.record(one);
    assert.ok(prefix.length > 0);
    const kept = ['from, to, outcomes, decision }', 'from, to, outcomes, decision, told: outcomes.length }'] as const;
    const other = cluster.otherBuild({
      'workflows/bundle.js': [...otherOrder, kept],
      'core/engine/study-run.js': [kept],
    });
    orchestrator = await cluster.workerOf(other, {}, ['orchestrate', 'predict']);
    await within(soon, /extended-asha\S* cannot go on/, () => print('status', one.name));
    const { code, err } = await cluster.everbandOf(other, 'start', '--recover', one.name);
    assert.equal(code, 0, err);
    assert.equal((await cluster.result(one)).trials, 40);
    assert.deepEqual(cluster.record(one).log.slice(0, prefix.length), prefix);
    const folder = path.join(cluster.stateDir, 'studies', one.name, 'record');
    const told = ['part-0.json', `part-${prefix.length}.json`].map((name) => {
      return readFileSync(path.join(folder, name), 'utf8').includes('"told"');
    });
    assert.deepEqual(told, [false, true]);
    const audited = await cluster.everbandOf(other, 'audit', one.name);
    assert.equal(audited.code, 0, audited.out + audited.err);
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.worker(['orchestrate', 'predict']);
  });

  it('shows workflow code that throws, even when the server was never told of a failure', async () => {
    const [line] = beginnings;
    const hanging = cluster.otherBuild({ 'workflows/bundle.js': [[line, `for (;;); ${line}`]] });
    const throwing = cluster.otherBuild({
      'workflows/bundle.js': [[line, `throw new Error('out of order'); ${line}`]],
    });
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.workerOf(hanging, {}, ['orchestrate', 'predict']);
    const study = studyOf(file('throwing', 1));
    await cluster.begin(study);
    // The first attempt is lost with its worker, and of later ones the server only sees that they never end.
    await sleep(2000);
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.workerOf(throwing, {}, ['orchestrate', 'predict']);
    const log = heard(orchestrator);
    const lost = /everband\/throwing cannot go on: its workflow code fails \(its workflow task was begun \d times/;
    await Promise.all([
      within(soon, /everband\/throwing cannot go on: its workflow code fails \(out of order\)\. Fix: /, log),
      within(soon, lost, () => print('list')),
    ]);
    assert.match(await print('status', 'throwing'), /cannot go on: its workflow code fails[^]*exit code 1/);

    // Of another study it hears.
    const told = cluster.everband('start', written('told', 1), '--wait', '--json');
    await within(soon, /everband\/told cannot go on: .* \(out of order\)/, () => print('list'));
    assert.equal((await told).code, 1);
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.worker(['orchestrate', 'predict']);
    for (const name of ['throwing', 'told'])
      assert.equal((await cluster.result(studyOf(file(name, 1)))).ended, 'finished');
  });

  it('says so when every training worker is of another version, and no trial pays for it', async () => {
    const later = cluster.otherBuild({ 'activities/segment-input.js': [['!schema ||', 'version !== 5 ||']] });
    await ended(trainer, 'SIGKILL');
    trainer = await cluster.workerOf(later, {}, ['train'], '--slots', '4');
    const study = studyOf(file('unread', 1));
    await cluster.begin(study);
    const trouble =
      /no worker that polls can read 2 activities of everband\/unread\/b2\/r0 \(this worker reads .*\)\. Fix: start a worker of the version/;
    const shown = await within(60_000, trouble, () => print('status', 'unread'));
    assert.match(shown, /^unread: running[^]*exit code 1/);
    await watched('unread', trouble);
    await ended(trainer, 'SIGKILL');
    trainer = await cluster.worker(['train'], 6);
    const { ended: how, fates } = await cluster.result(study);
    assert.deepEqual([how, fates.failed], ['finished', 0]);
  });

  it('tells it from a study that nobody orchestrates', async () => {
    await ended(orchestrator, 'SIGKILL');
    const study = studyOf(file('alone', 1));
    await cluster.begin(study);
    const trouble =
      /no orchestrating worker has taken the workflow task of everband\/alone for \d+ s\. Fix: `everband worker orchestrate`/;
    assert.match(await within(30_000, trouble, () => print('status', 'alone')), /exit code 1/);
    assert.match(await print('list'), trouble);
    assert.match(await print('doctor'), /WRONG study alone: no orchestrating worker/);
    orchestrator = await cluster.worker(['orchestrate', 'predict']);
    assert.equal((await cluster.result(study)).ended, 'finished');
    assert.match(await print('doctor'), /ok +studies: 0 running/);
  });
});
