import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { WorkflowNotFoundError } from '@temporalio/client';
import { canonicalJson } from '../../core/record.js';
import { audit } from '../../core/audit.js';
import type { Study } from '../../core/study.js';
import { updateNames, workflowIds } from '../../workflows/messages.js';
import { Cluster, ended, generatedCurves, itReplays, reference, sleep, studyOf } from '../harness.js';

describe('a record that is lost or changed while its study runs', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  let curves: string;
  before(async () => {
    curves = generatedCurves(60, 9);
    // The study goes on in a new run every few rounds.
    await cluster.start({
      'limit.historyCount.suggestContinueAsNew': 60,
      // A workflow is deleted only when its own tasks are acknowledged, by default every 30 s.
      'history.transferProcessorUpdateAckInterval': '"1s"',
      'history.visibilityProcessorUpdateAckInterval': '"1s"',
    });
    await cluster.worker(['predict', 'train'], 8);
  });
  after(() => cluster.end());

  const study = (name: string, more: object = {}) =>
    studyOf({
      name,
      seed: 3,
      scheduler: { type: 'hyperband', R: 9, eta: 3, iterations: 2 },
      pruner: { type: 'swift', minCurves: 4 },
      trainer: { replay: curves, columns: 'loss_', secondsPerEpoch: 0.05 },
      parallelism: 8,
      ...more,
    });
  const file = (one: Study, name: string) => path.join(cluster.stateDir, 'studies', one.name, 'record', name);
  async function until(name: string, holds: () => boolean): Promise<void> {
    for (let tries = 0; !holds(); tries++) {
      assert.ok(tries < 900, `${name} never came`);
      await sleep(100);
    }
  }
  /** Deletes a workflow from the server, as its retention does. */
  async function deleted(workflowId: string): Promise<void> {
    const client = await cluster.client();
    const workflowExecution = { workflowId };
    await client.workflowService.deleteWorkflowExecution({ namespace: 'default', workflowExecution });
    const handle = client.workflow.getHandle(workflowId);
    for (;;) {
      const there = await handle.describe().catch((error: unknown) => {
        assert.ok(error instanceof WorkflowNotFoundError, String(error));
      });
      if (!there) return;
      await sleep(100);
    }
  }
  /** What `everband status` shows once it shows a trouble. */
  async function troubled(one: Study): Promise<string> {
    for (let tries = 0; ; tries++) {
      const { out } = await cluster.everband('status', one.name);
      if (out.includes('trouble: ')) return out;
      assert.ok(tries < 30, `no trouble was ever shown, only: ${out}`);
      await sleep(300);
    }
  }
  const damages: Record<string, (at: string) => void> = {
    deleted: (at) => rmSync(at),
    cut: (at) => writeFileSync(at, readFileSync(at, 'utf8').slice(0, -30)),
    'changed in a digit': (at) => writeFileSync(at, readFileSync(at, 'utf8').replace(/\.\d/, '.x').replace('.x', '.5')),
  };

  for (const [what, damage] of Object.entries(damages)) {
    it(`comes back from the workflows that wrote it: ${what}`, async () => {
      const orchestrator = await cluster.worker(['orchestrate']);
      const one = study(`lost-${what.replaceAll(' ', '-')}`);
      await cluster.begin(one);
      await until('the last bracket', () => existsSync(file(one, 'i2-b0.p0.json')));
      for (const name of ['b2-r0.json', 'b1.p0.json', 'b0-r0.json', 'i2-b2-r1.json', 'study.json'])
        damage(file(one, name));
      const result = await cluster.result(one);
      const wanted = await reference(one);
      assert.deepEqual(result, JSON.parse(JSON.stringify(wanted.result)));
      assert.equal(canonicalJson(cluster.record(one)), canonicalJson(wanted));
      assert.deepEqual(audit(cluster.record(one)), []);
      await ended(orchestrator);
    });
  }

  it('comes back when orchestrators have two state folders', async function () {
    this.timeout(240_000);
    const folders = ['one', 'two'].map((name) => path.join(cluster.stateDir, name));
    for (const folder of folders) mkdirSync(folder);
    const one = study('two-folders', { sampler: 'tpe' });
    let orchestrator = await cluster.workerIn(folders[0] as string, ['orchestrate']);
    await cluster.begin(one);
    // They take over from each other, again and again.
    let done = false;
    const result = cluster.result(one).finally(() => (done = true));
    for (let turn = 1; !done && turn < 8; turn++) {
      await sleep(1500);
      const next = await cluster.workerIn(folders[turn % 2] as string, ['orchestrate']);
      await ended(orchestrator, 'SIGKILL');
      orchestrator = next;
    }
    assert.deepEqual(await result, JSON.parse(JSON.stringify((await reference(one)).result)));
    await ended(orchestrator);
  });

  it('is waited for, with command and file named, only when retention has taken its workflow, too', async () => {
    const orchestrator = await cluster.worker(['orchestrate']);
    const one = study('lost-for-good', {
      scheduler: { type: 'hyperband', R: 9, eta: 3 },
      pruner: 'none',
    });
    const lost = file(one, 'b2-r0.json');
    await cluster.begin(one);
    await until('the first round', () => existsSync(lost));
    const kept = readFileSync(lost, 'utf8');
    // A study of replayed curves is soon over.
    await (await cluster.client()).workflow.getHandle(workflowIds.study(one.name)).executeUpdate(updateNames.pause);
    await deleted(workflowIds.round(one.name, 'b2', 0));
    rmSync(lost);
    assert.equal((await cluster.everband('resume', one.name)).code, 0);
    const status = await troubled(one);
    assert.match(status, /^lost-for-good: running/);
    assert.match(
      status,
      /^trouble: the record lacks b2-r0\.json, which no workflow has any more: put back a copy, or end the study with `everband delete lost-for-good --force`$/m
    );
    writeFileSync(lost, kept);
    await cluster.result(one);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one)));
    await ended(orchestrator);
  });

  for (const [what, scheduler, first] of [
    ['rounds', { type: 'hyperband', R: 9, eta: 3 }, 'b2-r0.json'],
    ['trials one by one', { type: 'asha', R: 9, eta: 3, trials: 60 }, 'part-0.json'],
  ] as const) {
    it(`of ${what} keeps the study waiting, and status says so, as long as it cannot be written`, async () => {
      const orchestrator = await cluster.worker(['orchestrate']);
      const one = study(`unwritable-${scheduler.type}`, { scheduler, pruner: 'none' });
      await cluster.begin(one);
      await until('the first file', () => existsSync(file(one, first)));
      const folder = path.dirname(file(one, first));
      renameSync(folder, `${folder}.kept`);
      writeFileSync(folder, 'no folder');
      assert.match(await troubled(one), /: running, [^]*^trouble: .*(ENOTDIR|EEXIST|not a directory).*$/m);
      rmSync(folder);
      renameSync(`${folder}.kept`, folder);
      assert.equal((await cluster.result(one)).ended, 'finished');
      assert.deepEqual(audit(cluster.record(one)), []);
      assert.doesNotMatch((await cluster.everband('status', one.name)).out, /trouble/);
      await ended(orchestrator);
    });
  }

  it('of trials one by one comes back, too', async function () {
    this.timeout(300_000);
    const orchestrator = await cluster.worker(['orchestrate']);
    const one = study('lost-rungs', { scheduler: { type: 'asha', R: 9, eta: 3, trials: 60 } });
    await cluster.begin(one);
    await until('a first part', () => existsSync(file(one, 'part-0.json')));
    rmSync(file(one, 'part-0.json'));
    rmSync(file(one, 'b2.p0.json'));
    const result = await cluster.result(one);
    assert.equal(result.trials, 60);
    assert.deepEqual(audit(cluster.record(one)), []);
    await ended(orchestrator);
  });

  itReplays(cluster, 20);

  // The last, for it leaves the histories of another build.
  it('comes back where the digests of many files are in files of their own', async () => {
    const few = cluster.otherBuild({ 'workflows/bundle.js': [['const maxLoose = 1000', 'const maxLoose = 3']] });
    const orchestrator = await cluster.workerOf(few, {}, ['orchestrate']);
    const one = study('lost-digests');
    await cluster.begin(one);
    await until('the last bracket', () => existsSync(file(one, 'i2-b0.p0.json')));
    for (const name of ['digests-0.json', 'b2-r0.json']) damages['cut']?.(file(one, name));
    rmSync(file(one, 'b2-r1.json'));
    const wanted = await reference(one);
    assert.deepEqual(await cluster.result(one), JSON.parse(JSON.stringify(wanted.result)));
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(wanted));
    await ended(orchestrator);
  });
});
