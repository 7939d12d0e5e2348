/**
 * The embedded annealer against D-Wave's SimulatedAnnealingSampler on 120-variable problems of mlpf, at equal reads and
 * sweeps: pairs in turn, medians of CPU seconds, lowest and mean energies.
 * `EVERBAND_DATA=... npx tsx bench/annealer.ts [runs] [python with dwave-samplers]`
 */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { problemOf } from '../core/predictors/annealer/fit.js';
import { anneal, betaRange } from '../core/predictors/annealer/simulated.js';
import { encodeQubo } from '../core/predictors/annealer/wire.js';
import { stream } from '../core/rng.js';
import { readTable } from '../trainers/replay.js';

const runs = Number(process.argv[2] ?? 5);
const python = process.argv[3] ?? 'python/.venv/bin/python';
const data = process.env['EVERBAND_DATA'];
if (!data) throw new Error('EVERBAND_DATA is not set: point it at the folder that holds curves/mlpf.csv');

interface Run {
  readonly best: number;
  readonly mean: number;
  readonly cpu: number;
}
type Peer = Run & { readonly version: string; readonly python: string };

const file = path.join(data, 'curves', 'mlpf.csv');
const curves = readTable({ type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 }).values.filter(
  (curve) => (curve[99] as number) < 597
);

/** The problem of 20 random curves, their first 25 epochs and their last loss scaled to [0, 1]. */
function problem(seed: number) {
  const order = stream(seed, 'bench').permutation(curves.length).slice(0, 20);
  const table = order.map((i) => [...(curves[i] as number[]).slice(0, 25), (curves[i] as number[])[99] as number]);
  const scaled = table.map((row) =>
    row.map((value, column) => {
      const all = table.map((other) => other[column] as number);
      return (value - Math.min(...all)) / (Math.max(...all) - Math.min(...all));
    })
  );
  return problemOf(
    scaled.map((row) => row.slice(0, 25)),
    scaled.map((row) => row[25] as number),
    seed
  ).qubo;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

let peer: Peer | null = null;
console.log('| reads x sweeps | sampler | CPU s (range) | best energy | mean energy |');
console.log('|---|---|---|---|---|');
for (const [reads, sweeps] of [
  [100, 300],
  [1000, 300],
  [1000, 1000],
] as const) {
  const found = new Map<string, Run[]>();
  const note = (name: string, run: Run) => found.set(name, [...(found.get(name) ?? []), run]);
  // The first pair warms up.
  for (let run = -1; run < runs; run++) {
    const qubo = problem(run + 1);
    const since = process.cpuUsage();
    const { energies } = anneal(qubo, { reads, sweeps, seed: run + 1 });
    const { user, system } = process.cpuUsage(since);
    const ours = {
      best: Math.min(...energies),
      mean: energies.reduce((sum, value) => sum + value, 0) / reads,
      cpu: (user + system) / 1e6,
    };
    const request = { ...encodeQubo(qubo), reads, sweeps, seed: run + 1 };
    const ask = (more: object): Peer =>
      JSON.parse(
        execFileSync(python, ['bench/annealer_peer.py'], { input: JSON.stringify({ ...request, ...more }) }).toString()
      ) as Peer;
    peer = ask({});
    const sameRange = ask({ betaRange: betaRange(qubo) });
    if (run < 0) continue;
    note('everband', ours);
    note('dwave-samplers, its default temperatures', peer);
    note('dwave-samplers, our temperatures', sameRange);
  }
  for (const [name, all] of found) {
    const times = all.map(({ cpu }) => cpu);
    const range = `${Math.min(...times).toFixed(2)} to ${Math.max(...times).toFixed(2)}`;
    const [best, mean] = [median(all.map((run) => run.best)), median(all.map((run) => run.mean))];
    console.log(
      `| ${reads} x ${sweeps} | ${name} | ${median(times).toFixed(2)} (${range}) | ${best.toFixed(3)} | ${mean.toFixed(3)} |`
    );
  }
}
console.log(
  `\n${runs} problems, medians. Node ${process.versions.node}, dwave-samplers ${peer?.version} on Python ${peer?.python}, ` +
    `${os.availableParallelism()} cores.`
);
