import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Proxy } from '../../chaos/proxy.js';
import { audit } from '../../core/audit.js';
import { canonicalJson } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import type { StudyStatus } from '../../workflows/messages.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';
import { cli, Cluster, ended, itReplays, reference, runCommand, sleep, studyOf, trainedAgain } from '../harness.js';

const space = { x: { float: [0, 1] }, ms: { fixed: 80 }, divergesAbove: { fixed: 0.9 } };

const slow = (name: string, more: object = {}) =>
  studyOf({
    name,
    seed: 3,
    space,
    scheduler: { type: 'hyperband', R: 9, eta: 3 },
    trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
    parallelism: 4,
    training: { heartbeatSeconds: 2, graceSeconds: 2 },
    ...more,
  });

describe('a study whose server has lost its database', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  before(() => cluster.start());
  after(() => cluster.end());

  /** While this file is away, no epoch after `gateAfter` ends. */
  const gate = path.join(cluster.stateDir, 'gate');
  const held = (gateAfter: number) => ({ ...space, gate: { fixed: gate }, gateAfter: { fixed: gateAfter } });

  const orchestrator = () => cluster.worker(['orchestrate', 'predict']);
  const folderOf = (one: Study) => path.join(cluster.stateDir, 'studies', one.name);
  const filesOf = (one: Study) => {
    const folder = path.join(folderOf(one), 'record');
    return existsSync(folder) ? readdirSync(folder) : [];
  };
  async function until(what: string, holds: () => boolean): Promise<void> {
    for (let tries = 0; !holds(); tries++) {
      assert.ok(tries < 400, `never: ${what}`);
      await sleep(50);
    }
  }
  async function recovered(one: Study): Promise<void> {
    const { code, out, err } = await cluster.everband('start', '--recover', one.name);
    assert.equal(code, 0, err);
    assert.match(out, /goes on from its record/);
  }
  const refusal = async (one: Study) => {
    const { code, err } = await cluster.everband('start', '--recover', one.name);
    assert.equal(code, 1, err);
    return err;
  };

  it('goes on from record and checkpoints, to the same bytes, however often that happens', async () => {
    const one = slow('lost', { pruner: { type: 'swift', minCurves: 4 } });
    await orchestrator();
    let trainer = await cluster.worker(['train'], 4);
    await cluster.begin(one);
    for (const [file, spared] of [['b2-r1.json'], ['b1-r0.json', trainer]] as const) {
      await until(file, () => filesOf(one).includes(file));
      // In the middle of the next round.
      await sleep(250);
      await cluster.loseDatabase(spared && trainer);
      await orchestrator();
      if (!spared) trainer = await cluster.worker(['train'], 4);
      await recovered(one);
    }
    await cluster.result(one);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
    const again = trainedAgain(cluster.stateDir, one);
    assert.ok(again <= 2 * 4, `${again} epochs trained again after 2 losses with 4 slots`);
    // The trainer that outlived the second loss is fenced: nothing of before stands after what came later.
    const epochs = path.join(folderOf(one), 'epochs');
    for (const name of readdirSync(epochs)) {
      const incarnations = readFileSync(path.join(epochs, name), 'utf8').match(/(?<="incarnation":)\d+/g) ?? [];
      assert.deepEqual(incarnations, [...incarnations].sort(), name);
    }
    await cluster.loseDatabase();
    await orchestrator();
    assert.match(await refusal(one), /has ended: its record is complete/);
  });

  it('with ASHA keeps the recorded prefix, trains no checkpointed epoch twice, and passes the audit', async () => {
    writeFileSync(gate, '');
    const one = slow('lost-asha', {
      space: held(0),
      scheduler: { type: 'asha', R: 9, eta: 3, trials: 40 },
      pruner: { type: 'swift', minCurves: 4 },
    });
    await orchestrator();
    await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await until('two parts', () => filesOf(one).filter((name) => name.startsWith('part-')).length >= 2);
    rmSync(gate);
    await sleep(600);
    await cluster.loseDatabase();
    writeFileSync(gate, '');
    const prefix = cluster.record(one).log;
    await orchestrator();
    await cluster.worker(['train'], 4);
    await recovered(one);
    const result = await cluster.result(one);
    assert.equal(result.trials, 40);
    const record = cluster.record(one);
    assert.ok(prefix.length > 0);
    assert.deepEqual(record.log.slice(0, prefix.length), prefix);
    assert.deepEqual(audit(record), []);
    assert.ok(trainedAgain(cluster.stateDir, one) <= 4);
  });

  it('keeps what operators did: a drop, a pause, the parallelism', async () => {
    const flag = path.join(cluster.stateDir, 'never-there');
    const one = slow('lost-acts', {
      space: {
        x: { float: [0, 0.8] },
        ms: { fixed: 60 },
        divergesAbove: { fixed: 2 },
        broken: { choice: [flag, ...Array.from({ length: 19 }, (_, i) => cluster.stateDir + '/.'.repeat(i))] },
      },
      tryFirst: [{ x: 0.5, ms: 60, divergesAbove: 2, broken: flag }],
      // Long enough that others still train when it is paused, however busy the machine is.
      scheduler: { type: 'full', trials: 12, R: 80 },
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 300, heartbeatSeconds: 2, graceSeconds: 2 },
    });
    await orchestrator();
    await cluster.worker(['train'], 4);
    await cluster.begin(one);
    const status = async () => JSON.parse((await cluster.everband('status', one.name, '--json')).out) as StudyStatus;
    for (let i = 0; i < 60; i++) {
      if (/b0-t000 after 1 attempts/.test((await cluster.everband('status', one.name)).out)) break;
      await sleep(200);
    }
    assert.equal((await cluster.everband('parallelism', one.name, '2')).code, 0);
    assert.equal((await cluster.everband('pause', one.name)).code, 0);
    // As long as it cannot be kept, it is not confirmed.
    const notes = path.join(folderOf(one), 'failed');
    writeFileSync(notes, '');
    let confirmed = false;
    const drop = cluster.everband('drop', one.name, 'b0-t000').finally(() => (confirmed = true));
    await sleep(4000);
    assert.equal(confirmed, false);
    rmSync(notes);
    const dropped = await drop;
    assert.match(dropped.out, /b0-t000 is dropped/, dropped.err);
    assert.equal(readdirSync(notes).length, 1);
    // It must not be mended by what was missing coming back.
    writeFileSync(flag, '');
    await cluster.loseDatabase();
    await orchestrator();
    await cluster.worker(['train'], 4);
    await recovered(one);
    const { phase, parallelism } = await status();
    assert.deepEqual([phase, parallelism], ['paused', 2]);
    assert.match(await refusal(one), /still runs/);
    const identity = JSON.parse(readFileSync(path.join(folderOf(one), 'identity.json'), 'utf8')) as object;
    assert.equal((identity as { incarnation: number }).incarnation, 1);
    assert.equal((await cluster.everband('resume', one.name)).code, 0);
    const result = await cluster.result(one);
    assert.equal(result.fates.failed, 1);
    const failed = cluster.record(one).trials.find(({ fate }) => fate === 'failed');
    assert.equal(failed?.id, 'b0-t000');
    assert.deepEqual(audit(cluster.record(one)), []);
  });

  it('refuses when the record or checkpoints are missing, and says which', async () => {
    rmSync(gate, { force: true });
    const one = slow('lost-more', { space: held(1) });
    await orchestrator();
    await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await until('the second round', () => filesOf(one).includes('b2-r0.json'));
    await sleep(100);
    await cluster.loseDatabase();
    const worker = await orchestrator();
    const file = path.join(folderOf(one), 'record', 'b2-r0.json');
    const kept = readFileSync(file, 'utf8');
    writeFileSync(file, kept.replace(/\d\.\d/, '7.7'));
    assert.match(await refusal(one), /b2-r0\.json .* was cut or changed/);
    writeFileSync(file, kept);
    const itself = path.join(folderOf(one), 'record', 'study.json');
    const whole = readFileSync(itself, 'utf8');
    writeFileSync(itself, whole.slice(0, -9));
    assert.match(await refusal(one), /study\.json in the record of study lost-more was cut or changed/);
    writeFileSync(itself, whole);
    const { promoted } = cluster.record(one).brackets[0]?.rounds[0] ?? { promoted: [] };
    const lost = path.join(folderOf(one), 'checkpoints', promoted[0] as string);
    rmSync(lost, { recursive: true });
    assert.match(
      await refusal(one),
      new RegExp(`checkpoints of 1 trials .* missing or damaged: ${promoted[0]} at epoch 1`)
    );
    const nobody = studyOf({ ...slow('never-there'), name: 'never-there' });
    assert.match(await refusal(nobody), /no record of a study named never-there/);
    await ended(worker);
  });

  it('is not taken up at another server while it still runs at the first', async () => {
    const one = slow('elsewhere');
    const other = new Cluster();
    // It runs, at another port than before its database was lost.
    const { address } = await cluster.start();
    const there = { TEMPORAL_ADDRESS: (await other.start()).address };
    const takenUpThere = () => {
      return runCommand(cli, ['start', '--recover', one.name], { env: { ...cluster.environment, ...there } });
    };
    try {
      await orchestrator();
      await cluster.worker(['train'], 4);
      await cluster.begin(one);
      await until('the first round', () => filesOf(one).includes('b2-r0.json'));
      // So that it has not ended by the time that anybody asks.
      assert.equal((await cluster.everband('pause', one.name)).code, 0);
      for (const role of ['orchestrate', 'predict', 'train']) await cluster.workerOf(cli, there, [role]);
      const { code, err } = await takenUpThere();
      assert.equal(code, 1);
      assert.ok(err.includes(`study elsewhere still runs at ${address}, namespace default`), err);
      // At the first server it goes on as if nobody had asked.
      assert.equal((await cluster.everband('resume', one.name)).code, 0);
      await cluster.result(one);
      assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
    } finally {
      await other.end();
    }
  });

  it('is taken up where its server has another address than before', async () => {
    const one = slow('two-addresses');
    const { address } = await cluster.start();
    const road = new Proxy(() => Number(address.split(':')[1]));
    try {
      await cluster.workerOf(cli, { TEMPORAL_ADDRESS: await road.listen() }, ['orchestrate', 'predict']);
      await cluster.worker(['train'], 4);
      await cluster.begin(one);
      await until('the first round', () => filesOf(one).includes('b2-r0.json'));
      await cluster.loseDatabase();
      await orchestrator();
      await cluster.worker(['train'], 4);
      await recovered(one);
      await cluster.result(one);
      assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
    } finally {
      road.close();
    }
  });

  it('has its deadline counted from its first start', async () => {
    const deadlineSeconds = 14;
    const one = slow('lost-deadline', {
      scheduler: { type: 'full', trials: 60, R: 60 },
      limits: { deadlineSeconds },
    });
    await orchestrator();
    await cluster.worker(['train'], 4);
    const first = Date.now();
    await cluster.begin(one);
    await sleep(4000);
    await cluster.loseDatabase();
    await orchestrator();
    await cluster.worker(['train'], 4);
    const second = Date.now();
    await recovered(one);
    const result = await cluster.result(one);
    const [sinceFirst, sinceSecond] = [first, second].map((since) => (Date.now() - since) / 1000) as [number, number];
    assert.equal(result.ended, 'deadline');
    assert.ok(sinceFirst >= deadlineSeconds, `${sinceFirst} s`);
    assert.ok(sinceSecond < deadlineSeconds, `${sinceSecond} s since it was recovered`);
    assert.ok(result.fates.unfinished > 0);
    assert.deepEqual(audit(cluster.record(one)), []);
  });

  it('is not begun anew by accident', async () => {
    const one = slow('lost-twice');
    await orchestrator();
    await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await until('the first round', () => filesOf(one).includes('b2-r0.json'));
    await cluster.loseDatabase();
    await orchestrator();
    await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await assert.rejects(cluster.result(one));
    const { err } = await cluster.everband('status', one.name);
    assert.match(err, /everband start --recover lost-twice/);
    await recovered(one);
    await cluster.result(one);
    assert.equal(canonicalJson(cluster.record(one)), canonicalJson(await reference(one, segmentOf)));
  });

  itReplays(cluster, 3);
});
