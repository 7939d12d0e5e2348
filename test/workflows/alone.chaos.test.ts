/** A trial that takes its worker along, and its neighbours, in both languages; and one that takes too much memory. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Study } from '../../core/study.js';
import { cli, Cluster, ended, itReplays, pythonOf, sleep, studyOf } from '../harness.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('a trial that takes its worker along', function () {
  this.timeout(300_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'predict']);
  });
  after(() => cluster.end());

  /** Four trials, the second of which kills its worker in its first epoch, whenever it trains. */
  const study = (name: string, trainer: object) =>
    studyOf({
      name,
      space: { x: { float: [0, 1] }, kills: { choice: [false, true] } },
      tryFirst: [false, true, false, false].map((kills, i) => ({ x: i / 10, kills })),
      scheduler: { type: 'full', trials: 4, R: 3 },
      trainer,
      parallelism: 4,
      training: { maxLosses: 2, attempts: 1, parkSeconds: 0, heartbeatSeconds: 2 },
    });

  /** What a service manager does: starts a worker again whenever it dies, until the study has ended. Gives how often it did. */
  async function deathsUntil(result: Promise<unknown>, start: () => Promise<ChildProcess>): Promise<number> {
    let over = false;
    let deaths = 0;
    let worker: ChildProcess | null = null;
    const kept = (async () => {
      while (!over) {
        const one = (worker = await start());
        if (one.exitCode === null && one.signalCode === null) await new Promise((resolve) => one.once('exit', resolve));
        if (!over) deaths++;
      }
    })();
    await result;
    over = true;
    (worker as ChildProcess | null)?.kill('SIGTERM');
    await kept;
    return deaths;
  }

  function check(one: Study, deaths: number): void {
    const { trials } = cluster.record(one);
    const fates = trials.map(({ fate, values }) => [fate, values.length]);
    assert.deepEqual(fates, [
      ['completed', 3],
      ['failed', 0],
      ['completed', 3],
      ['completed', 3],
    ]);
    const why =
      /^crash: trial b0-t001 lost its worker 2 times in a row without a new epoch while it trained alone, and \d+ times beside others/;
    assert.match(trials[1]?.reason ?? '', why);
    // Twice beside others, who have no epoch either; then twice alone.
    assert.ok(deaths >= 4 && deaths <= 6, `${deaths} deaths`);
  }

  it('is tried alone after two losses, and its neighbours do not pay for it', async () => {
    const script = path.join(cluster.stateDir, 'kills.mjs');
    writeFileSync(
      script,
      `import { createInterface } from 'node:readline';
      import { setTimeout as sleep } from 'node:timers/promises';
      for await (const line of createInterface({ input: process.stdin })) {
        const { from, to, config } = JSON.parse(line);
        for (let epoch = from + 1; epoch <= to; epoch++) {
          await sleep(config.kills ? 700 : 1500);
          if (config.kills) process.kill(process.ppid, 'SIGKILL');
          if (config.kills) await sleep(60000);
          console.log(JSON.stringify({ epoch, loss: config.x }));
        }
        console.log('{"ready":true}');
      }`
    );
    const one = study('kills', { command: ['node', script] });
    await cluster.begin(one);
    check(one, await deathsUntil(cluster.result(one), () => cluster.worker(['train'], 4)));
  });

  it('is so in a Python worker too', async function () {
    const python = pythonOf(this);
    const script = path.join(cluster.stateDir, 'kills.py');
    const { address } = await cluster.start();
    writeFileSync(
      script,
      [
        'import os, signal, sys, time',
        'import everband.worker',
        'def train(request):',
        '    for epoch in request.epochs():',
        '        kills = request.config["kills"]',
        '        time.sleep(0.7 if kills else 1.5)',
        '        if kills:',
        '            os.kill(os.getppid(), signal.SIGKILL)',
        '            time.sleep(60)',
        '        request.report(loss=request.config["x"])',
        `everband.worker.run(train, task_queue="kills", address=sys.argv[1], slots=4)`,
      ].join('\n')
    );
    const one = study('kills-python', { activity: 'trainSegment', taskQueue: 'kills' });
    await cluster.begin(one);
    const worker = async () => {
      const child = spawn(python, [script, address], {
        env: { ...cluster.environment, PYTHONPATH: path.join(root, 'python') },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise<void>((resolve, reject) => {
        child.stdout?.once('data', () => resolve());
        child.once('exit', (code) => reject(new Error(`worker ended with ${code}`)));
      });
      return child;
    };
    check(one, await deathsUntil(cluster.result(one), worker));
  });

  itReplays(cluster, 4);
});

describe('a trainer that takes more memory than there is', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'predict']);
  });
  const left: ChildProcess[] = [];
  after(async () => {
    for (const worker of left) worker.kill('SIGKILL');
    await cluster.end();
  });

  /** A cgroup below this process's own, with so much memory; without the right to make one the test says so. */
  function cgroup(test: Mocha.Context, bytes: number): { folder: string; procs: string; end(): void } {
    const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
    const [, own = '/'] = lines.flatMap((line) => /^\d+:memory:(.*)$/.exec(line) ?? []);
    const folder = path.join('/sys/fs/cgroup/memory', path.dirname(own), `everband-test-${process.pid}`);
    try {
      mkdirSync(folder);
      writeFileSync(path.join(folder, 'memory.limit_in_bytes'), String(bytes));
    } catch (error) {
      console.log(`      skipped: it needs a memory cgroup of its own: ${(error as Error).message}`);
      return test.skip();
    }
    return { folder, procs: path.join(folder, 'cgroup.procs'), end: () => rmdirSync(folder) };
  }

  it('is killed by the kernel, which is told from a crash, and trains on where there is more', async function () {
    const { folder, procs, end } = cgroup(this, 700 << 20);
    const eating = path.join(cluster.stateDir, 'eating');
    // The worker and what it starts live there, as in a container.
    const small = spawn('/bin/sh', ['-c', 'echo $$ > "$0" && exec "$@"', procs, process.execPath, cli, 'worker', 'train', '--slots', '2'], {
      env: cluster.environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    }); // prettier-ignore
    left.push(small);
    await new Promise<void>((resolve, reject) => {
      small.stdout?.on('data', (chunk: Buffer) => chunk.toString().includes('worker ready') && resolve());
      small.once('exit', (code) => reject(new Error(`worker ended with ${code}`)));
    });
    const big = await cluster.worker(['train'], 1, '--queue', 'big');
    const script = path.join(cluster.stateDir, 'hungry.py');
    writeFileSync(
      script,
      [
        'import everband, os, pathlib, signal, time',
        `eating = pathlib.Path(${JSON.stringify(eating)})`,
        'for request in everband.requests():',
        '    for epoch in request.epochs():',
        '        held = None',
        '        if epoch == 2 and request.config["how"] == "hungry":',
        '            eating.touch()',
        '            held = b"x" * (1 << 30)',
        // The kernel counts, and does not say whom it has killed: of two that die at once either may be taken for it.
        '        if epoch == 2 and request.config["how"] == "killed":',
        '            while not eating.exists():',
        '                time.sleep(0.1)',
        '            time.sleep(3)',
        '            os.kill(os.getpid(), signal.SIGKILL)',
        '        request.report(loss=1 / epoch)',
      ].join('\n')
    );
    const ways = ['hungry', 'killed', 'none'];
    const one = studyOf({
      name: 'hungry',
      space: { x: { float: [0, 1] }, how: { choice: ways } },
      tryFirst: ways.map((how, i) => ({ x: i / 10, how })),
      scheduler: { type: 'full', trials: 3, R: 3 },
      trainer: { command: ['python3', script] },
      training: { attempts: 2, backoffSeconds: 0, parkSeconds: 0, retry: { oom: { queue: 'big', attempts: 2 } } },
    });
    await cluster.begin(one);
    await cluster.result(one);
    const { trials } = cluster.record(one);
    assert.deepEqual(
      trials.map(({ fate }) => fate),
      ['completed', 'failed', 'completed']
    );
    // SIGKILL alone is a crash, also where the kernel has killed another.
    assert.match(trials[1]?.reason ?? '', /^crash: the trainer was ended by SIGKILL after epoch 1/);
    assert.match(readFileSync(path.join(folder, 'memory.oom_control'), 'utf8'), /^oom_kill 1$/m);
    await ended(small);
    await ended(big);
    for (let tries = 0; existsSync(folder) && tries < 40; tries++) {
      try {
        end();
      } catch {
        // What ended last is on its way out.
        await sleep(250);
      }
    }
    assert.ok(!existsSync(folder));
  });

  itReplays(cluster, 2);
});
