/** How failures of trials are counted and told apart, and studies that can never run. */
import assert from 'node:assert/strict';
import { execFileSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import type { Study } from '../../core/study.js';
import { queryNames, workflowIds, type Progress } from '../../workflows/messages.js';
import { Cluster, generatedCurves, itReplays, sleep, studyOf, until } from '../harness.js';

const here = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

describe('failures of trials', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  let orchestrator: ChildProcess;
  let big: ChildProcess;
  let said = '';
  before(async () => {
    await cluster.start();
    orchestrator = await cluster.worker(['orchestrate', 'predict', 'train'], 2);
    orchestrator.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    big = await cluster.worker(['train'], 1, '--queue', 'big');
  });
  after(() => cluster.end());

  const journal = () => path.join(cluster.stateDir, 'journal');
  /** Attempts of a study in order: trial, epoch it began after, its process and its worker. */
  const attempts = (study: Study) =>
    (existsSync(journal()) ? readFileSync(journal(), 'utf8').trim().split('\n') : [])
      .map((line) => line.split(' '))
      .filter(([name]) => name === study.name)
      .map(([, trial, from, pid, worker]) => ({ trial, from: Number(from), pid: Number(pid), worker: Number(worker) }));
  /** Trials of one study, one for each list of ways. */
  const failing = (name: string, ways: readonly (readonly string[])[], more: object = {}) =>
    studyOf({
      name,
      space: {
        x: { float: [0, 1] },
        journal: { fixed: journal() },
        ways: { choice: ways },
      },
      tryFirst: ways.map((one, i) => ({ x: i / 10, journal: journal(), ways: one })),
      scheduler: { type: 'full', trials: ways.length, R: 4 },
      trainer: { command: ['node', here('failing-trainer.mjs')] },
      ...more,
    });
  const progressOf = async (study: Study): Promise<Progress> =>
    (await cluster.client()).workflow
      .getHandle(workflowIds.round(study.name, 'b0', 0))
      .query<Progress>(queryNames.progress);
  const froms = (study: Study, trial: string) =>
    attempts(study).flatMap((one) => (one.trial === trial ? one.from : []));

  it('count only without a new epoch between them', async () => {
    const ways = [['crash', 'crash', 'crash', 'train'], ['crash', 'crash at once'], ['train']];
    const one = failing('progress', ways, { training: { attempts: 2, backoffSeconds: 0, parkSeconds: 0 } });
    await cluster.begin(one);
    await cluster.result(one);
    const fates = cluster.record(one).trials.map(({ fate, values }) => [fate, values.length]);
    assert.deepEqual(fates, [
      ['completed', 4],
      ['failed', 1],
      ['completed', 4],
    ]);
    assert.deepEqual(froms(one, 'b0-t000'), [0, 1, 2, 3]);
    // The crash after its first epoch, and one more without another.
    assert.deepEqual(froms(one, 'b0-t001'), [0, 1]);
  });

  it('count from segment to segment too', async () => {
    const training = { attempts: 2, backoffSeconds: 0, parkSeconds: 0, segmentEpochs: 1 };
    const ways = ['crash at once', 'train', 'crash at once', 'train', 'crash at once', 'train'];
    const one = failing('segments', [ways, ['train']], { training });
    await cluster.begin(one);
    assert.deepEqual((await cluster.result(one)).fates.completed, 2);
    assert.deepEqual(froms(one, 'b0-t000'), [0, 0, 1, 1, 2, 2, 3]);
  });

  it('are told apart: each kind may have attempts, a back-off and a queue of its own', async () => {
    const ways = [['oom', 'train'], ['oom'], ['crash at once'], ['error', 'train'], ['hang', 'train']];
    const retry = { oom: { queue: 'big', attempts: 2, backoffSeconds: 0 }, crash: { attempts: 1 } };
    const training = { attempts: 2, backoffSeconds: 1, parkSeconds: 600, epochTimeoutSeconds: 10, retry };
    const one = failing('rules', ways, { training });
    await cluster.begin(one);
    await until('two are parked', async () => (await progressOf(one).catch(() => null))?.parked.length === 2);
    const { parked } = await progressOf(one);
    assert.deepEqual(
      parked.map(({ trial, kind, attempts: count }) => [trial, kind, count]),
      [
        ['b0-t001', 'oom', 2],
        ['b0-t002', 'crash', 1],
      ]
    );
    assert.match(parked[0]?.reason ?? '', /^out of memory: the trainer says: CUDA out of memory/);
    assert.match(parked[1]?.reason ?? '', /^crash: the trainer ended with exit code 3 after epoch 0/);
    const status = await cluster.everband('status', one.name);
    assert.match(status.out, /^parked: b0-t001 after 2 attempts: out of memory: the trainer says: CUDA/m);
    const { workers } = { workers: (trial: string) => attempts(one).filter((a) => a.trial === trial).map((a) => a.worker) }; // prettier-ignore
    assert.deepEqual(workers('b0-t000'), [orchestrator.pid, big.pid]);
    assert.deepEqual(workers('b0-t001'), [orchestrator.pid, big.pid]);
    for (const { trial } of parked) assert.equal((await cluster.everband('drop', one.name, trial)).code, 0);
    const { fates } = await cluster.result(one);
    assert.deepEqual([fates.completed, fates.failed], [3, 2]);
    // What has no rule stays where it is.
    assert.deepEqual(workers('b0-t003'), [orchestrator.pid, orchestrator.pid]);
    assert.deepEqual(workers('b0-t004'), [orchestrator.pid, orchestrator.pid]);
    assert.match(cluster.record(one).trials[1]?.reason ?? '', /^out of memory: /);
  });

  it('count where a Python trainer crashes in its first epoch in a process that is kept', async () => {
    const script = path.join(cluster.stateDir, 'kept.py');
    writeFileSync(
      script,
      [
        'import everband, os',
        'for request in everband.requests():',
        '    for epoch in request.epochs():',
        '        with open(request.config["journal"], "a") as log:',
        '            log.write(f"{request.study} {request.trial} {request.start} {os.getpid()} 0\\n")',
        '        if request.config["crashes"]:',
        '            raise KeyError("no such column")',
        '        request.report(loss=1 / epoch)',
      ].join('\n')
    );
    const one = studyOf({
      name: 'kept',
      space: { x: { float: [0, 1] }, journal: { fixed: journal() }, crashes: { choice: [false, true] } },
      tryFirst: [false, true].map((crashes) => ({ x: 0.5, journal: journal(), crashes })),
      scheduler: { type: 'full', trials: 2, R: 1 },
      trainer: { command: ['python3', script] },
      parallelism: 1,
      training: { attempts: 2, backoffSeconds: 0, parkSeconds: 0 },
    });
    await cluster.begin(one);
    const { fates } = await cluster.result(one);
    assert.deepEqual([fates.completed, fates.failed], [1, 1]);
    const [good, first, ...more] = attempts(one);
    // The first crash was in the process of the trial before.
    assert.equal(good?.pid, first?.pid);
    assert.equal(more.length, 1, JSON.stringify(more));
  });

  itReplays(cluster, 8);
});

describe('a study that can never run', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  let said = '';
  before(async () => {
    await cluster.start();
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    orchestrator.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await cluster.worker(['train'], 4);
  });
  after(() => cluster.end());

  async function refusal(study: Study): Promise<string> {
    await cluster.begin(study);
    const error: unknown = await cluster.result(study).catch((reason: unknown) => reason);
    assert.ok(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure, String(error));
    assert.equal(error.cause.type, 'InvalidStudy');
    return error.cause.message;
  }
  it('fails at once where its curves cannot be replayed, and keeps nobody else from going on', async () => {
    const file = generatedCurves(20, 9);
    const replay = (name: string, trainer: object) =>
      studyOf({ name, scheduler: { type: 'hyperband', R: 9, eta: 3 }, trainer: { columns: 'loss_', ...trainer } });
    const since = Date.now();
    assert.match(
      await refusal(replay('prefix', { replay: file, columns: 'los_' })),
      /no columns "los_<epoch>": it has "loss_1"/
    );
    const lost = { ...replay('lost', { replay: file }) };
    const nowhere = { ...lost, trainer: { ...lost.trainer, file: `${file}.lost` } } as Study;
    assert.match(await refusal(nowhere), /curves\.csv\.lost: there is no such file/);
    execFileSync('mkfifo', [`${file}.fifo`]);
    assert.match(await refusal(replay('fifo', { replay: `${file}.fifo` })), /is no regular file/);
    assert.ok(Date.now() - since < 20_000);
    const sound = replay('sound', { replay: file });
    await cluster.begin(sound);
    assert.ok((await cluster.result(sound)).best);
  });

  const journal = () => path.join(cluster.stateDir, 'journal');
  const begun = (name: string) =>
    (existsSync(journal()) ? readFileSync(journal(), 'utf8') : '').split('\n').filter((one) => one.startsWith(`${name} `)).length; // prettier-ignore
  const broken = (name: string, more: object) =>
    studyOf({
      name,
      space: {
        x: { float: [0, 1] },
        journal: { fixed: journal() },
        needs: { fixed: path.join(cluster.stateDir, name) },
      },
      scheduler: { type: 'hyperband', R: 9, eta: 3 },
      trainer: { command: ['node', here('failing-trainer.mjs')] },
      parallelism: 4,
      training: { backoffSeconds: 1, parkSeconds: 600 },
      ...more,
    });
  const paused = (name: string) =>
    until(`${name} is paused`, async () => /^\S+: paused/.test((await cluster.everband('status', name)).out));
  async function details(name: string): Promise<string> {
    const handle = (await cluster.client()).workflow.getHandle(workflowIds.study(name));
    const metadata = await handle.query<{ currentDetails?: string }, []>('__temporal_workflow_metadata');
    return metadata.currentDetails ?? '';
  }

  it('is paused with the cause, which is shown everywhere, and goes on when told so', async () => {
    const one = broken('broken', {});
    await cluster.begin(one);
    await paused(one.name);
    const trace = /Traceback of b\d-t\d+\n.*ModuleNotFoundError: no \S+\/broken in /s;
    const why =
      /the first 3 trials have failed in the same way, and no epoch was ever reported \(b\d-t\d+, .*\): crash: /;
    const status = await cluster.everband('status', one.name);
    assert.equal(status.code, 1);
    assert.match(status.out, why);
    assert.match(status.out, trace);
    assert.match(status.out, /everband resume broken/);
    const json = JSON.parse((await cluster.everband('status', one.name, '--json')).out) as Record<string, unknown>;
    assert.match(String(json['cause']), why);
    assert.match(String(json['cause']), trace);
    for (const command of [['list'], ['doctor']]) {
      const { out } = await cluster.everband(...command);
      assert.match(out, why, command.join(' '));
      assert.match(out, trace, command.join(' '));
    }
    const listed = JSON.parse((await cluster.everband('list', '--json')).out) as { name: string; phase: string }[];
    assert.equal(listed.find(({ name }) => name === one.name)?.phase, 'paused');
    const page = await details(one.name);
    assert.match(page, /\*\*broken\*\*: paused/);
    assert.match(page, trace);
    assert.match(said, /^WARN study broken is paused: the first 3 trials have failed in the same way/m);
    const tries = begun(one.name);
    // At most what was under way when it was paused.
    assert.ok(tries >= 3 && tries <= 12, String(tries));
    await sleep(2500);
    assert.equal(begun(one.name), tries, 'nothing trains while it is paused');

    // Told to go on with nothing mended, it pauses again; its failures have been counted on.
    said = '';
    assert.equal((await cluster.everband('resume', one.name)).code, 0);
    await until('it is tried again', () => begun(one.name) >= tries + 3);
    await paused(one.name);
    await until('it says so again', () => said.includes('WARN study broken is paused'));
    writeFileSync(path.join(cluster.stateDir, one.name), '');
    const watched = cluster.everband('watch', one.name);
    await sleep(3000);
    assert.equal((await cluster.everband('resume', one.name)).code, 0);
    await until('it goes on', async () => /^\S+: running/.test((await cluster.everband('status', one.name)).out));
    const after = await cluster.everband('status', one.name, '--json');
    assert.ok(!('cause' in (JSON.parse(after.out) as object)));
    assert.deepEqual((JSON.parse(after.out) as { troubles: unknown }).troubles, []);
    await until('parked trials are retried', async () => {
      const { phase } = JSON.parse((await cluster.everband('status', one.name, '--json')).out) as { phase: string };
      if (phase !== 'done') await cluster.everband('retry', one.name);
      return phase === 'done';
    });
    const { fates } = await cluster.result(one);
    assert.equal(fates.failed, 0);
    const { out } = await watched;
    assert.match(out, why);
    assert.match(out, trace);
  });

  for (const [name, more] of [
    ['broken-asha', { scheduler: { type: 'asha', R: 9, eta: 3, trials: 20 } }],
    [
      'broken-shards',
      { scheduler: { type: 'full', trials: 5, R: 125 }, training: { segmentEpochs: 1, backoffSeconds: 1 } },
    ],
    ['broken-alone', { scheduler: { type: 'full', trials: 4, R: 9 }, parallelism: 1 }],
  ] as const) {
    it(`is paused whoever trains its trials: ${name}`, async () => {
      const one = broken(name, more);
      await cluster.begin(one);
      await paused(name);
      const { out } = await cluster.everband('status', name);
      assert.match(
        out,
        name === 'broken-alone' ? /a trial has failed, and no epoch/ : /the first 3 trials have failed/
      );
      const stopped = await cluster.everband('stop', name);
      assert.equal(stopped.code, 0, stopped.err);
      await cluster.result(one);
    });
  }

  it('is one of which nothing has trained, and of which all fails in the same way', async () => {
    // Three fail in as many ways.
    const different = studyOf({
      ...broken('different', {
        training: { attempts: 1, parkSeconds: 0 },
        scheduler: { type: 'full', trials: 3, R: 2 },
      }),
      space: {
        x: { float: [0, 1] },
        journal: { fixed: journal() },
        ways: { choice: [['oom'], ['error'], ['crash at once']] },
      },
      tryFirst: [['oom'], ['error'], ['crash at once']].map((ways, i) => ({ x: i / 10, journal: journal(), ways })),
    });
    // Four train an epoch and crash in the same way.
    const later = studyOf({
      ...broken('later', { training: { attempts: 1, parkSeconds: 0 }, scheduler: { type: 'full', trials: 4, R: 2 } }),
      space: { x: { float: [0, 1] }, journal: { fixed: journal() }, ways: { fixed: ['crash'] } },
    });
    said = '';
    for (const one of [different, later]) {
      await cluster.begin(one);
      const result = await cluster.result(one);
      assert.equal(result.fates.failed, one.name === 'later' ? 4 : 3);
    }
    assert.doesNotMatch(said, /is paused/);
  });

  itReplays(cluster, 12);
});
