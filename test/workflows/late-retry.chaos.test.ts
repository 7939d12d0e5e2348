import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LateRecord } from '../../core/late.js';
import { canonicalJson, digestOf, digestsOf } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { updateNames, workflowIds, type StudyStatus } from '../../workflows/messages.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';
import { Cluster, ended, itReplays, sleep, studyOf, trainedAgain } from '../harness.js';

describe('a late retry', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  // Studies and late retries go on in new runs, while others speak to them.
  before(() => cluster.start({ 'limit.historyCount.suggestContinueAsNew': 100 }));
  after(() => cluster.end());

  const folderOf = (one: Study) => path.join(cluster.stateDir, 'studies', one.name);
  const flagOf = (name: string) => path.join(cluster.stateDir, `${name}.flag`);
  const gateOf = (name: string) => path.join(cluster.stateDir, `${name}.gate`);
  const recordBytes = (one: Study) => readFileSync(path.join(folderOf(one), 'record', 'record.json'), 'utf8');
  const run = async (...args: string[]) => {
    const { code, out, err } = await cluster.everband(...args);
    assert.equal(code, 0, err);
    return out;
  };
  const refusal = async (...args: string[]) => {
    const { code, out, err } = await cluster.everband(...args);
    assert.notEqual(code, 0, out);
    return err;
  };
  type Status = StudyStatus & { withLate?: { best: { trial: string }; trials: { trial: string; state: string }[] } };
  const statusOf = async (one: Study) => JSON.parse(await run('status', one.name, '--json')) as Status;

  /**
   * Rungs 1, 3 and 9; `x` of each trial: the larger, the better. Those of `broken` need the flag after epoch `after`,
   * those of `held` the gate after epoch 3: their last round stays open until it is there.
   */
  function study(
    name: string,
    ms: number,
    xs: readonly number[],
    broken: readonly number[],
    { after = 0, held = [] }: { after?: number; held?: readonly number[] } = {}
  ): Study {
    const [flag, there, gate] = [flagOf(name), cluster.stateDir, gateOf(name)];
    const { length } = xs;
    const gates = { gate: { choice: [gate, there] }, gateAfter: { fixed: 3 } };
    return studyOf({
      name,
      seed: 3,
      space: {
        x: { float: [0, 1] },
        ms: { fixed: ms },
        divergesAbove: { fixed: 0.95 },
        broken: { choice: [flag, there] },
        brokenAfter: { fixed: after },
        ...(held.length > 0 ? gates : {}),
      },
      tryFirst: xs.map((x, i) => ({
        ...{ x, ms, divergesAbove: 0.95, brokenAfter: after },
        broken: broken.includes(i) ? flag : there,
        ...(held.length > 0 ? { gate: held.includes(i) ? gate : there, gateAfter: 3 } : {}),
      })),
      scheduler: { type: 'successiveHalving', trials: length, R: 9, eta: 3 },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 2,
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 300, heartbeatSeconds: 2, graceSeconds: 2 },
    });
  }

  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await holds()); tries++) {
      assert.ok(tries < 200, `never: ${what}`);
      await sleep(150);
    }
  }

  async function dropParked(one: Study, ...trials: string[]): Promise<void> {
    for (const trial of trials) {
      await until(`${trial} is parked`, async () => {
        return (await run('status', one.name)).includes(`parked: ${trial} after 1 attempts`);
      });
      await run('drop', one.name, trial);
    }
  }

  function lateOf(one: Study, trial: string): LateRecord | null {
    const file = path.join(folderOf(one), 'late', `${trial}.json`);
    if (!existsSync(file)) return null;
    const whole = readFileSync(file, 'utf8');
    return JSON.parse(whole.slice(whole.indexOf('\n') + 1)) as LateRecord;
  }
  const becameOf = (one: Study, trial: string) =>
    lateOf(one, trial)
      ?.retries.at(-1)
      ?.rungs.map(({ became }) => became);
  const valuesOf = (one: Study, trial: string) =>
    lateOf(one, trial)
      ?.retries.at(-1)
      ?.rungs.flatMap(({ values }) => values);
  const drawn = (one: Study, id: string) => cluster.record(one).trials.find((trial) => trial.id === id);

  it('after the end trains from the checkpoint, as far as it would have gone, through kill -9; the record stays', async () => {
    const one = study('closed', 350, [0.9, 0.1, 0.5, 0.4, 0.3, 0.2, 0.15, 0.12, 0.8], [0, 8], { after: 2 });
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    let trainer = await cluster.worker(['train'], 2);
    await cluster.begin(one);
    // Both came to the first rung and failed on their way to the second.
    await dropParked(one, 'b2-t000', 'b2-t008');
    const decided = await cluster.result(one);
    assert.equal(decided.best?.trial, 'b2-t002');
    const bytes = recordBytes(one);
    assert.ok(readdirSync(path.join(folderOf(one), 'checkpoints')).includes('b2-t000'), 'its checkpoint is kept');
    assert.match(await refusal('retry', one.name, 'b2-t001'), /b2-t001 has not failed: it is outranked/);

    // Nothing has changed yet: it fails again, and says so.
    await run('retry', one.name, 'b2-t000');
    await until('it has failed again', () => lateOf(one, 'b2-t000')?.retries[0]?.rungs[0]?.end === 'failed');
    assert.match(await run('status', one.name), /late retry: b2-t000 failed.*the data set is not there/);

    writeFileSync(flagOf(one.name), '');
    const answers = await run('retry', one.name, '--failed');
    assert.match(answers, /b2-t000 is retried late: everband\/closed\/late\/b2-t000/);
    assert.match(answers, /b2-t008 is retried late/);
    await until('it trains', () => (lateOf(one, 'b2-t000')?.retries[1]?.rungs.length ?? 0) >= 1);
    await ended(trainer, 'SIGKILL');
    assert.match(await refusal('retry', one.name, 'b2-t000'), /retried late (right now|already)/);
    assert.match(await refusal('delete', one.name), /retried late right now/);
    trainer = await cluster.worker(['train'], 2);
    await until('both are through', () => {
      return [0, 8].every((i) => ['completed', 'outranked'].includes(becameOf(one, `b2-t00${i}`)?.at(-1) ?? ''));
    });
    for (const id of ['b2-t000', 'b2-t008']) {
      assert.deepEqual(becameOf(one, id), ['promoted', 'completed']);
      const trial = drawn(one, id);
      assert.ok(trial);
      assert.deepEqual(
        valuesOf(one, id),
        segmentOf({ ...trial, globalIndex: 0 }, 1, 9).values,
        'as if nothing had happened'
      );
      const log = readFileSync(path.join(folderOf(one), 'logs', `${id}.log`), 'utf8');
      const first = log.match(/^\{"epoch":1,/gm) ?? [];
      assert.ok(first.length <= 1, `${id} went on from its checkpoint`);
    }
    assert.equal(recordBytes(one), bytes);

    const status = await run('status', one.name);
    assert.match(status, /^best: b2-t002 /m);
    assert.match(status, /^best with late retries: b2-t000 /m);
    assert.equal((await statusOf(one)).withLate?.best.trial, 'b2-t000');
    assert.match(await run('trials', one.name), /b2-t000 +failed .*completed, /);
    assert.match(await run('audit', one.name), /every decision of closed follows/);
    const out = path.join(cluster.stateDir, 'out');
    await run('export', one.name, '--out', out);
    assert.equal(readFileSync(path.join(out, 'closed.json'), 'utf8'), bytes);
    const late = JSON.parse(readFileSync(path.join(out, 'closed.late.json'), 'utf8')) as Record<
      string,
      { trial: string }
    >;
    assert.deepEqual([late['asDecided']?.trial, late['withLate']?.trial], ['b2-t002', 'b2-t000']);
    await run('report', one.name, '--out', path.join(out, 'closed.html'));
    assert.match(readFileSync(path.join(out, 'closed.html'), 'utf8'), /The best with them is b2-t000/);
    assert.match(await refusal('retry', one.name, 'b2-t000'), /was retried late already: it is completed/);

    // Whoever changes a verdict and the digest with it is found out by what follows.
    const file = path.join(folderOf(one), 'late', 'b2-t008.json');
    const kept = readFileSync(file, 'utf8');
    writeFileSync(file, kept.replace('"completed"', '"outranked"'));
    assert.match((await cluster.everband('audit', one.name)).out, /late retry of b2-t008 was cut or changed/);
    writeFileSync(file, kept);
    await ended(trainer);
    await ended(orchestrator);
  });

  it('beside a running study changes none of its decisions, waits for its rungs, and nobody is demoted', async () => {
    const xs = [0.9, 0.1, 0.5, 0.4, 0.3, 0.2, 0.15, 0.12, 0.11];
    const one = study('running', 1000, xs, [0, 8], { held: [2] });
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await until('it is parked', async () => (await run('status', one.name)).includes('parked: b2-t000'));
    await run('drop', one.name, 'b2-t000');
    // It has failed, and is no late trial before its round has closed.
    assert.match(await refusal('retry', one.name, 'b2-t000'), /has not failed in a round that has closed/);
    await dropParked(one, 'b2-t008');
    await until('the round has closed', () => existsSync(path.join(folderOf(one), 'record', 'b2-r0.json')));
    writeFileSync(flagOf(one.name), '');
    assert.match(await run('retry', one.name, '--failed'), /b2-t000 is retried late: everband\/running\/late\/b2-t000/);
    // A pause reaches it.
    await run('pause', one.name);
    const late = (await cluster.client()).workflow.getHandle(workflowIds.late(one.name, 'b2-t000'));
    await until('its trainer has saved itself', async () => {
      const { raw } = await late.describe();
      return !raw.pendingActivities?.length;
    });
    const seen = () => {
      const file = path.join(folderOf(one), 'epochs', 'b2-t000.jsonl');
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    };
    const before = seen();
    await sleep(1500);
    assert.equal(seen(), before);
    assert.equal((await statusOf(one)).phase, 'paused');
    assert.match(await refusal('retry', one.name, 'b2-t000'), /retried late right now/);
    writeFileSync(gateOf(one.name), '');
    await run('resume', one.name);
    const result = await cluster.result(one);
    const bytes = recordBytes(one);
    assert.equal(result.best?.trial, 'b2-t002');
    assert.equal(result.fates.failed, 2);
    await until('it is through', () => becameOf(one, 'b2-t000')?.at(-1) === 'completed');
    assert.deepEqual(becameOf(one, 'b2-t000'), ['promoted', 'promoted', 'completed']);
    await until('the other too', () => becameOf(one, 'b2-t008')?.at(-1) === 'outranked');
    assert.equal(recordBytes(one), bytes);
    assert.deepEqual(cluster.record(one).brackets[0]?.rounds[0]?.promoted, ['b2-t002', 'b2-t003', 'b2-t004']);
    assert.match(await run('audit', one.name), /every decision of running follows/);
    const client = await cluster.client();
    const handle = client.workflow.getHandle(workflowIds.study(one.name));
    const page = await handle.query<{ currentDetails?: string }, []>('__temporal_workflow_metadata');
    assert.match(page.currentDetails ?? '', /everband\/running\/late\//);
    await ended(trainer);
    await ended(orchestrator);
  });

  it('beside a full round waits until a trial of it has come to its rung: no more train than the study allows', async () => {
    const log = path.join(cluster.stateDir, 'crowded.log');
    const x = (i: number) => ([0, 1, 3].includes(i) ? 0.9 : 0.1 + i / 50);
    const base = study(
      'crowded',
      400,
      Array.from({ length: 18 }, (_, i) => x(i)),
      // Not the first three: with none else the study would pause.
      [0, 1, 3]
    );
    const one = studyOf({
      ...base,
      trainer: { module: fileURLToPath(new URL('../fixtures/busy-trainer.mjs', import.meta.url)) },
      space: {
        x: { float: [0, 1] },
        ms: { fixed: 400 },
        divergesAbove: { fixed: 0.95 },
        log: { fixed: log },
        broken: { choice: [flagOf('crowded'), cluster.stateDir] },
        brokenAfter: { fixed: 0 },
      },
      tryFirst: base.tryFirst.map((config) => ({ ...config, log })),
      scheduler: { type: 'successiveHalving', trials: 18, R: 9, eta: 3 },
      parallelism: 4,
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 1, heartbeatSeconds: 30, graceSeconds: 30 },
    });
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 8);
    await cluster.begin(one);
    await until('the round has closed', () => existsSync(path.join(folderOf(one), 'record', 'b2-r0.json')));
    writeFileSync(flagOf(one.name), '');
    const handle = (await cluster.client()).workflow.getHandle(workflowIds.study(one.name));
    const lates = ['b2-t000', 'b2-t001', 'b2-t003'];
    for (const trial of lates) {
      await handle.executeUpdate(updateNames.retryLate, { args: [{ trial, reset: false, queue: null }] });
    }
    await cluster.result(one);
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    // The first time it failed.
    assert.ok(lines.filter((line) => line === 'begin b2-t000').length > 1, 'it has trained beside the study');
    let now = 0;
    const most = Math.max(...lines.map((line) => (now += line.startsWith('begin') ? 1 : -1)));
    assert.equal(most, 4);
    for (const trial of lates) await until(`${trial} is through`, () => becameOf(one, trial)?.at(-1) === 'completed');
    assert.match(await run('audit', one.name), /every decision of crowded follows/);
    await ended(trainer);
    await ended(orchestrator);
  });

  it('beside ASHA takes one of its places, and is decided by who was promoted', async () => {
    const flag = flagOf('late-asha');
    const one = studyOf({
      ...study('late-asha', 150, [0.9, 0.1], [0]),
      scheduler: { type: 'asha', R: 9, eta: 3, trials: 30 },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      space: {
        x: { float: [0, 1] },
        ms: { fixed: 150 },
        divergesAbove: { fixed: 2 },
        broken: { choice: [flag, cluster.stateDir] },
      },
      tryFirst: [
        { x: 0.9, ms: 150, divergesAbove: 2, broken: flag },
        ...Array.from({ length: 29 }, (_, i) => ({ x: i / 60, ms: 150, divergesAbove: 2, broken: cluster.stateDir })),
      ],
    });
    let orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await dropParked(one, 'b2-t000');
    writeFileSync(flag, '');
    assert.match(await run('retry', one.name, 'b2-t000'), /is retried late/);
    await sleep(500);
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const result = await cluster.result(one);
    assert.equal(result.fates.failed, 1);
    const bytes = recordBytes(one);
    await until('it is through', () => becameOf(one, 'b2-t000')?.at(-1) === 'completed');
    assert.equal(recordBytes(one), bytes);
    assert.match(await run('audit', one.name), /every decision of late-asha follows/);
    await ended(trainer);
    await ended(orchestrator);
  });

  it('ends with a study that is stopped, and goes on from there when it is asked again', async () => {
    const one = study('halted', 1000, [0.9, 0.1, 0.5, 0.4, 0.3, 0.2, 0.15, 0.12, 0.11], [0], {
      ...{ after: 1, held: [0, 2] },
    });
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await dropParked(one, 'b2-t000');
    await until('the round has closed', () => existsSync(path.join(folderOf(one), 'record', 'b2-r1.json')));
    writeFileSync(flagOf(one.name), '');
    await run('retry', one.name, 'b2-t000');
    await run('stop', one.name);
    const result = await cluster.result(one);
    assert.equal(result.ended, 'stopped');
    await until('it has ended', () => lateOf(one, 'b2-t000')?.retries[0]?.rungs.at(-1)?.end === 'unfinished');
    writeFileSync(gateOf(one.name), '');
    await run('retry', one.name, 'b2-t000');
    await until('it is through', () => becameOf(one, 'b2-t000')?.at(-1) === 'completed');
    assert.match(await run('audit', one.name), /every decision of halted follows/);
    await ended(trainer);
    await ended(orchestrator);
  });

  it('of what diverged asks for --reset or a queue, on which other workers train', async () => {
    const one = study('diverged', 20, [0.97, 0.1, 0.96, 0.2, 0.3, 0.4, 0.15, 0.12, 0.8], [8]);
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 2);
    await cluster.begin(one);
    await dropParked(one, 'b2-t008');
    await cluster.result(one);
    assert.match(await refusal('retry', one.name), /exactly one of these: a trial, --failed or --diverged/);
    const says = /2 trials of diverged diverged \(b2-t000, b2-t002\), and .*diverges again: say --reset/;
    assert.match(await refusal('retry', one.name, '--diverged'), says);
    assert.match(await refusal('retry', one.name, 'b2-t000'), /has diverged, and the same configuration/);
    assert.match(await run('retry', one.name, '--diverged', '--reset'), /b2-t002 is retried late/);
    await until('it has diverged again', () => lateOf(one, 'b2-t002')?.retries[0]?.rungs[0]?.end === 'diverged');

    writeFileSync(flagOf(one.name), '');
    const { out, err } = await cluster.everband('retry', one.name, '--failed', '--queue', 'big-gpu');
    assert.match(out, /b2-t008 is retried late/);
    assert.match(err, /no worker polls the queue big-gpu\. Fix: `everband worker train --queue big-gpu`/);
    await sleep(1500);
    assert.deepEqual(becameOf(one, 'b2-t008'), []);
    const big = await cluster.worker(['train'], 1, '--queue', 'big-gpu');
    await until('it is through', () => becameOf(one, 'b2-t008')?.at(-1) === 'completed');
    assert.equal(lateOf(one, 'b2-t008')?.retries[0]?.queue, 'big-gpu');
    assert.match(await run('delete', one.name), /deleted diverged/);
    assert.ok(!existsSync(folderOf(one)));
    for (const worker of [big, trainer, orchestrator]) await ended(worker);
  });

  itReplays(cluster, 6);

  it('beside a study that is recovered is lost, is named on its page, and goes on when it is asked for again', async () => {
    const xs = [0.9, 0.1, 0.5, 0.4, 0.3, 0.2, 0.15, 0.12, 0.11];
    const base = study('rescued', 600, xs, [0], { held: [2] });
    const one = { ...base, training: { ...base.training, parkSeconds: 0.1 } };
    await cluster.worker(['orchestrate', 'predict']);
    await cluster.worker(['train'], 4);
    await cluster.begin(one);
    await until('the round has closed', () => existsSync(path.join(folderOf(one), 'record', 'b2-r0.json')));
    writeFileSync(flagOf(one.name), '');
    await run('retry', one.name, 'b2-t000');
    await until('it has come to a rung', () => becameOf(one, 'b2-t000')?.[0] === 'promoted');
    await cluster.loseDatabase();
    await cluster.worker(['orchestrate', 'predict']);
    await cluster.worker(['train'], 4);
    await run('start', '--recover', one.name);
    await run('pause', one.name);
    const page = async () => {
      const handle = (await cluster.client()).workflow.getHandle(workflowIds.study(one.name));
      const all = await handle.query<{ currentDetails?: string }, []>('__temporal_workflow_metadata');
      return all.currentDetails ?? '';
    };
    const says =
      /The late retry of b2-t000 was lost with its server: `everband retry rescued b2-t000` goes on with it\./;
    assert.match(await page(), says);
    assert.match(await run('status', one.name), says);
    assert.match(await run('retry', one.name, 'b2-t000'), /b2-t000 goes on with its late retry/);
    assert.doesNotMatch(await page(), says);
    writeFileSync(gateOf(one.name), '');
    await run('resume', one.name);
    const result = await cluster.result(one);
    assert.equal(result.fates.failed, 1);
    const bytes = recordBytes(one);
    await until('it is through', () => becameOf(one, 'b2-t000')?.at(-1) === 'completed');
    assert.equal(lateOf(one, 'b2-t000')?.retries.length, 1);
    assert.equal(recordBytes(one), bytes);
    assert.match(await run('audit', one.name), /every decision of rescued follows/);
  });

  it('that was lost with its server says so, and goes on from its checkpoint when it is asked for again', async () => {
    const xs = [0.9, 0.1, 0.5, 0.4, 0.3, 0.2, 0.15, 0.12, 0.11];
    const base = study('gone', 300, xs, [0], { after: 1 });
    const one = { ...base, training: { ...base.training, parkSeconds: 0.1 } };
    await cluster.worker(['orchestrate', 'predict']);
    await cluster.worker(['train']);
    await cluster.begin(one);
    await cluster.result(one);
    const bytes = recordBytes(one);
    writeFileSync(flagOf(one.name), '');
    await run('retry', one.name, 'b2-t000');
    const epochs = path.join(folderOf(one), 'epochs', 'b2-t000.jsonl');
    await until('it is on its way to its last rung', () => {
      return becameOf(one, 'b2-t000')?.[0] === 'promoted' && /"epoch":5,/.test(readFileSync(epochs, 'utf8'));
    });
    await cluster.loseDatabase();
    await cluster.worker(['orchestrate', 'predict']);
    await cluster.worker(['train']);
    const says =
      /^The late retry of b2-t000 was lost with its server: `everband retry gone b2-t000` goes on with it\.$/m;
    assert.match(await run('status', one.name), says);
    const answer = /b2-t000 goes on with its late retry: everband\/gone\/late\/b2-t000/;
    assert.match(await run('retry', one.name, '--failed'), answer);
    assert.doesNotMatch(await run('status', one.name), says);
    await until('it is through', () => becameOf(one, 'b2-t000')?.at(-1) === 'completed');
    assert.deepEqual(becameOf(one, 'b2-t000'), ['promoted', 'completed']);
    assert.equal(lateOf(one, 'b2-t000')?.retries.length, 1);
    const trial = drawn(one, 'b2-t000');
    assert.ok(trial);
    assert.deepEqual(valuesOf(one, 'b2-t000'), segmentOf({ ...trial, globalIndex: 0 }, 1, 9).values);
    // What was reported as its worker died may not have been kept.
    assert.ok(trainedAgain(cluster.stateDir, one) <= 1);
    assert.equal(recordBytes(one), bytes);
    assert.match(await run('audit', one.name), /every decision of gone follows/);

    // Whoever changes what it came to, with the digest of the file, is found out by the chain.
    const file = path.join(folderOf(one), 'late', 'b2-t000.json');
    const kept = readFileSync(file, 'utf8');
    const audited = async () => (await cluster.everband('audit', one.name)).out;
    const late = lateOf(one, 'b2-t000');
    const text = canonicalJson({ ...late, retries: late?.retries.map((retry) => ({ ...retry, queue: 'other' })) });
    writeFileSync(file, `${digestOf(text)}\n${text}`);
    assert.match(await audited(), /chain of the late retry of b2-t000 does not hold: its retry 0 was changed/);
    writeFileSync(file, kept);
    const copy = path.join(folderOf(one), 'late', 'b2-t001.json');
    writeFileSync(copy, kept);
    assert.match(await audited(), /late retry of b2-t001 of study gone is that of b2-t000 of study gone/);
    rmSync(copy);
    const changed = { ...cluster.record(one), seed: 4 };
    const other = canonicalJson({ ...changed, digests: digestsOf(changed) });
    writeFileSync(path.join(folderOf(one), 'record', 'record.json'), other);
    assert.match(await audited(), /late retry of b2-t000 does not hold: it follows another record than this one/);
  });

  itReplays(cluster, 1);
});
