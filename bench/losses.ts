/**
 * How long each loss takes: from the fault to the next epoch of what it hit, on real processes. Medians of several runs.
 * `npx tsx bench/losses.ts [runs] [loss,…]`
 *
 * Two workers train with two slots each, two trials at a time, epochs of 300 ms (which the seconds include).
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { childrenOf } from '../chaos/processes.js';
import type { Study } from '../core/study.js';
import { Cluster, ended, sleep, studyOf } from '../test/harness.js';

const runs = Number(process.argv[2] ?? 3);
const only = process.argv[3]?.split(',');
const python = path.resolve('python/.venv/bin/python');
const trainer = path.resolve('bench/faults/trainer.py');

interface Line {
  readonly trial: string;
  readonly epoch: number;
  readonly pid: number;
  /** Seconds since 1970. */
  readonly at: number;
}

class Scene {
  readonly cluster = new Cluster();
  workers: ChildProcess[] = [];
  study!: Study;

  get lines(): Line[] {
    const file = path.join(this.cluster.stateDir, 'journal.jsonl');
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  }

  async begin(): Promise<void> {
    await this.cluster.start();
    this.study = studyOf({
      name: 'losses',
      space: { lr: { float: [0, 1] }, momentum: { float: [0, 1] } },
      scheduler: { type: 'hyperband', R: 27, eta: 3 },
      pruner: { type: 'swift', predictor: 'svr', minCurves: 5 },
      trainer: { command: [python, trainer, path.join(this.cluster.stateDir, 'journal.jsonl'), '0.3'] },
      parallelism: 2,
    });
    for (const role of ['train', 'train', 'orchestrate', 'predict']) await this.start(role);
    await this.cluster.begin(this.study);
  }

  async start(role: string): Promise<ChildProcess> {
    const worker = await this.cluster.worker([role]);
    this.workers.push(worker);
    return worker;
  }

  /** The first line for which it holds, among those from `from` on. */
  async line(holds: (line: Line, all: readonly Line[]) => boolean, from = 0): Promise<Line> {
    for (let tries = 0; tries < 6000; tries++) {
      const all = this.lines;
      const one = all.slice(from).find((line) => holds(line, all));
      if (one) return one;
      await sleep(20);
    }
    throw new Error('nothing like it within 2 minutes');
  }

  /** Seconds from a fault, which hits a trial between epochs 4 and 6, until another process trains the next epoch of it. */
  async untilItGoesOn(lose: (hit: Line) => void | Promise<void>): Promise<number> {
    const hit = await this.line(({ epoch }) => epoch > 3 && epoch < 7);
    const since = Date.now();
    await lose(hit);
    const next = await this.line(
      ({ trial, epoch, pid }) => trial === hit.trial && epoch > hit.epoch && pid !== hit.pid
    );
    return next.at - since / 1000;
  }

  /** Seconds from now until a trial that had not begun is trained: its workflow went on. */
  async untilNewTrial(since = Date.now()): Promise<number> {
    // Two trials of this moment end yet, and an answer that was on its way may begin two more.
    const known = new Set(this.lines.map(({ trial }) => trial));
    let fresh = 0;
    const seen = new Set<string>();
    const { at } = await this.line(({ trial, at }) => {
      if (known.has(trial) || seen.has(trial) || at < since / 1000) return false;
      seen.add(trial);
      return ++fresh > 4;
    }, this.lines.length);
    return at - since / 1000;
  }

  /** Freezes the predicting worker, and waits until a decision hangs on it: seconds since 1970 when it began to. */
  async hang(): Promise<number> {
    this.worker('predict').kill('SIGSTOP');
    for (;;) {
      const last = this.lines.at(-1)?.at ?? Infinity;
      if (Date.now() / 1000 - last > 1.5) return last;
      await sleep(20);
    }
  }

  /** The worker of a trainer process. */
  workerWith(trainer: number): ChildProcess {
    const one = this.workers.find(({ pid }) => childrenOf(pid as number).some((child) => child.pid === trainer));
    if (!one) throw new Error(`whose is trainer ${trainer}?`);
    return one;
  }

  worker(role: string): ChildProcess {
    const one = this.workers.find(({ spawnargs, exitCode, signalCode }) => {
      return spawnargs.includes(role) && exitCode === null && signalCode === null;
    });
    if (!one) throw new Error(`no worker ${role}`);
    return one;
  }
}

const losses: Readonly<Record<string, (scene: Scene) => Promise<number>>> = {
  'a trainer process, kill -9': async (scene) =>
    scene.untilItGoesOn(({ pid }) => {
      process.kill(pid, 'SIGKILL');
    }),
  'a training worker, kill -9': async (scene) =>
    scene.untilItGoesOn(async ({ pid }) => ended(scene.workerWith(pid), 'SIGKILL')),
  'a training worker, frozen': async (scene) =>
    scene.untilItGoesOn(({ pid }) => {
      scene.workerWith(pid).kill('SIGSTOP');
      process.kill(pid, 'SIGSTOP');
    }),
  'the orchestrating worker, kill -9, another one runs': async (scene) => {
    await scene.line((_, all) => all.length > 5);
    const worker = scene.worker('orchestrate');
    await scene.start('orchestrate');
    const since = Date.now();
    await ended(worker, 'SIGKILL');
    return scene.untilNewTrial(since);
  },
  'the predicting worker, kill -9 while it answers': async (scene) => {
    await scene.line((_, all) => all.length > 5);
    const since = await scene.hang();
    const killed = Date.now() / 1000;
    await ended(scene.worker('predict'), 'SIGKILL');
    await scene.start('predict');
    return (await scene.line(({ at }) => at > since, 0)).at - killed;
  },
  'the predicting worker, frozen while it answers': async (scene) => {
    await scene.line((_, all) => all.length > 5);
    const since = await scene.hang();
    await scene.start('predict');
    return (await scene.line(({ at }) => at > since, 0)).at - since;
  },
  'the server, kill -9, started again at once': async (scene) => {
    await scene.line((_, all) => all.length > 5);
    const since = Date.now();
    scene.cluster.killServer();
    await sleep(300);
    await scene.cluster.start();
    return scene.untilNewTrial(since);
  },
  'the server with its database and every worker, kill -9, recovered': async (scene) => {
    await scene.line((_, all) => all.length > 5);
    const since = Date.now();
    await scene.cluster.loseDatabase();
    scene.workers = [];
    await Promise.all(['train', 'orchestrate', 'predict'].map((role) => scene.start(role)));
    const { code, err } = await scene.cluster.everband('start', '--recover', 'losses');
    if (code !== 0) throw new Error(err);
    return scene.untilNewTrial(since);
  },
};

console.log(`Node ${process.versions.node}, ${os.availableParallelism()} cores, ${runs} runs each`);
for (const [name, lose] of Object.entries(losses)) {
  if (only && !only.some((part) => name.includes(part))) continue;
  const seconds: number[] = [];
  for (let run = 0; run < runs; run++) {
    const scene = new Scene();
    try {
      await scene.begin();
      seconds.push(await lose(scene));
    } finally {
      for (const { pid } of scene.workers.filter(
        ({ exitCode, signalCode }) => exitCode === null && signalCode === null
      ))
        for (const child of childrenOf(pid as number)) process.kill(child.pid, 'SIGKILL');
      await scene.cluster.end();
    }
  }
  seconds.sort((a, b) => a - b);
  const [least, median, most] = [0, Math.floor(runs / 2), runs - 1].map((i) => (seconds[i] as number).toFixed(1));
  console.log(`${name}: median ${median} s (${least} to ${most})`);
}
process.exit();
