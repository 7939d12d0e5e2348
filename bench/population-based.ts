/**
 * Population-based training through Temporal with a trainer in Python, in generations and asynchronously, beside Ray
 * Tune's: the same tasks (population_task.py), first configurations, seeds, intervals and places, in turn.
 * `npx tsx bench/population-based.ts <python with bench/requirements.txt> [seeds]`
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { exploitsOf } from '../report/trials.js';
import { createSampler } from '../core/sampler.js';
import { Cluster, studyOf } from '../test/harness.js';

const python = process.argv[2];
const seeds = Number(process.argv[3] ?? 5);
if (!python || !(seeds >= 1)) {
  console.error('npx tsx bench/population-based.ts <python with bench/requirements.txt> [seeds, 1 or more]');
  process.exit(1);
}
const here = fileURLToPath(new URL('.', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-bench-'));
const rule = { quantile: 0.25, resampleProbability: 0.25 };
const atOnce = 4;

/** Where a task is better, its parameters with their bounds and whether they are on a scale of powers, and its size. */
const tasks = {
  toy: {
    ...{ mode: 'maximise', trials: 2, R: 200, interval: 10 },
    bounds: { h0: [0, 1, false], h1: [0, 1, false] },
    // Each of the two sees one half of the problem.
    tryFirst: [{ h0: 1, h1: 0 }, { h0: 0, h1: 1 }], // prettier-ignore
  },
  digits: {
    ...{ mode: 'minimise', trials: 8, R: 30, interval: 3 },
    bounds: { lr: [1e-4, 1, true], momentum: [0, 0.99, false], weightDecay: [1e-6, 0.1, true] },
    tryFirst: [],
  },
} as const;
type Task = keyof typeof tasks;

interface Run {
  /** At the last epoch, of the best trial. */
  readonly best: number;
  readonly seconds: number;
  readonly epochs: number;
  readonly exploits: number;
}

function study(task: Task, type: 'populationBased' | 'asyncPopulationBased', seed: number) {
  const { mode, trials, R, interval, bounds, tryFirst } = tasks[task];
  return studyOf({
    name: `bench-${task}-${type}-${seed}`,
    seed,
    objective: { metric: 'value', mode },
    space: Object.fromEntries(
      Object.entries(bounds).map(([name, [low, high, log]]) => [name, { float: [low, high], log }])
    ),
    scheduler: { type, trials, R, interval, ...rule },
    tryFirst,
    trainer: { command: [python, path.join(here, 'population_trainer.py'), task] },
    parallelism: atOnce,
  });
}

async function everband(cluster: Cluster, one: ReturnType<typeof study>): Promise<Run> {
  const since = performance.now();
  await cluster.begin(one);
  const { best, epochs } = await cluster.result(one);
  const seconds = (performance.now() - since) / 1000;
  return { best: best?.value ?? NaN, seconds, epochs, exploits: exploitsOf(cluster.record(one)).length };
}

function rayTune(task: Task, seed: number): Run & { readonly version: string } {
  const { mode, R, interval, bounds, trials } = tasks[task];
  const one = study(task, 'asyncPopulationBased', seed);
  const drawn = createSampler(one, null).propose({ bracket: 'b0', offset: 0, count: trials }).trials;
  const file = path.join(folder, `${task}-${seed}.json`);
  const settings = {
    ...{ task, R, interval, seed, atOnce, ...rule, synch: false, bounds, folder: here },
    mode: mode === 'maximise' ? 'max' : 'min',
    storage: path.join(folder, 'ray'),
    configs: drawn.map(({ config, seed: own }) => ({ ...config, seed: own })),
  };
  writeFileSync(file, JSON.stringify(settings));
  const out = execFileSync(python as string, [path.join(here, 'ray_pbt_peer.py'), file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(out.toString().trim().split('\n').at(-1) ?? '') as Run & { version: string };
}

const median = (all: readonly number[]) => {
  const sorted = [...all].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
};
const shown = (all: readonly number[], digits: number) => {
  return `${median(all).toFixed(digits)} (${Math.min(...all).toFixed(digits)} to ${Math.max(...all).toFixed(digits)})`;
};

const cluster = new Cluster();
try {
  const since = performance.now();
  await cluster.start();
  await cluster.worker(['orchestrate', 'predict']);
  await cluster.worker(['train'], atOnce);
  const lines: string[] = [];
  let version = '';
  for (const task of Object.keys(tasks) as Task[]) {
    const runs = new Map<string, Run[]>();
    const note = (name: string, run: Run) => runs.set(name, [...(runs.get(name) ?? []), run]);
    for (let seed = 0; seed < seeds; seed++) {
      note('everband, in generations', await everband(cluster, study(task, 'populationBased', seed)));
      note('everband, asynchronous', await everband(cluster, study(task, 'asyncPopulationBased', seed)));
      const ray = rayTune(task, seed);
      version = ray.version;
      note('Ray Tune, asynchronous', ray);
    }
    const peers = runs.get('Ray Tune, asynchronous') ?? [];
    for (const [name, own] of runs) {
      const better = own.filter(({ best }, i) => {
        const other = peers[i]?.best ?? NaN;
        return tasks[task].mode === 'maximise' ? best > other : best < other;
      });
      const columns = [
        ...[task, name, shown(own.map(({ best }) => best), 4), own === peers ? '' : `${better.length} of ${seeds}`],
        ...[own.map(({ epochs }) => epochs), own.map(({ exploits }) => exploits)].map((all) => shown(all, 0)),
        shown(own.map(({ seconds }) => seconds), 1),
      ]; // prettier-ignore
      lines.push(`| ${columns.join(' | ')} |`);
    }
  }
  const [load = 0] = os.loadavg();
  const all = ((performance.now() - since) / 60_000).toFixed(1);
  console.log(
    `Node ${process.versions.node}, Ray ${version}, ${os.availableParallelism()} cores, seeds 0 to ${seeds - 1}, ` +
      `load at the end ${load.toFixed(1)}, ${all} min in all`
  );
  console.log(
    '| task | | best at R: median (range) | better than Ray Tune | epochs | exploits | s |\n|---|---|---|---|---|---|---|'
  );
  for (const line of lines) console.log(line);
} finally {
  await cluster.end();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
