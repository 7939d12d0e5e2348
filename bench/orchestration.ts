/**
 * The 143-trial study (R=81, eta=3) with epochs that cost nothing, start to result, against Optuna on the same number of
 * trials and NePS on the same number of evaluations: all of them in turn, medians.
 * `npx tsx bench/orchestration.ts [runs] [python with bench/requirements.txt]`
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stream } from '../core/rng.js';
import { Cluster, studyOf } from '../test/harness.js';
import { printPeaks } from './peak.js';

const runs = Number(process.argv[2] ?? 5);
const python = process.argv[3];
const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-bench-'));
const curves = path.join(folder, 'curves.csv');
const head = Array.from({ length: 81 }, (_, e) => `loss_${e + 1}`);
const rows = Array.from({ length: 400 }, (_, row) => {
  const random = stream(1, row);
  const [a, b, c] = [random.uniform(), random.uniform(), random.uniform()];
  return head.map((_, e) => 0.05 + a * a + b / (e + 2) ** (0.5 + c)).join(',');
});
writeFileSync(curves, [head.join(','), ...rows].join('\n'));

const variants = {
  'everband, a segment per rung': {},
  'everband, a segment per rung, brackets together': { scheduler: { order: 'together' } },
  'everband, an activity per epoch': { training: { segmentEpochs: 1 } },
} as const;
const peers = [['optuna', 'sqlite'], ['optuna', 'journal'], ['optuna', 'memory'], ['neps']] as const;
const seconds = new Map<string, number[]>();
const note = (name: string, value: number) => seconds.set(name, [...(seconds.get(name) ?? []), value]);

const cluster = new Cluster();
try {
  const server = await cluster.start();
  const workers = [await cluster.worker(['orchestrate']), await cluster.worker(['train', 'predict'], 100)];
  const events = new Map<string, string>();
  for (let run = -1; run < runs; run++) {
    for (const [name, more] of Object.entries(variants)) {
      const study = studyOf({
        name: `bench-${Object.keys(variants).indexOf(name)}-${run + 1}`,
        seed: run + 1,
        trainer: { replay: curves, columns: 'loss_' },
        parallelism: 100,
        ...more,
        scheduler: { type: 'hyperband', R: 81, eta: 3, ...('scheduler' in more ? more.scheduler : {}) },
      });
      const since = performance.now();
      await cluster.begin(study);
      await cluster.result(study);
      // The first round of runs warms every process up.
      if (run >= 0) note(name, (performance.now() - since) / 1000);
      const { total, most, bytes } = await cluster.events(study);
      events.set(name, `${total} events (at most ${most} in a workflow), ${(bytes / 1e6).toFixed(2)} MB`);
    }
    if (!python || run < 0) continue;
    for (const [peer, ...kind] of peers) {
      const own = mkdtempSync(path.join(folder, peer));
      const out = execFileSync(python, [`bench/${peer}_peer.py`, ...kind, own, String(run)]).toString();
      const [time, version, peak] = out.trim().split(' ');
      const name = `${peer} ${version}, ${kind[0] ?? 'files'}`;
      note(name, Number(time));
      events.set(name, `peak memory ${peak} MB`);
    }
  }
  const load = os.loadavg()[0]?.toFixed(1);
  console.log(
    `Node ${process.versions.node}, ${os.availableParallelism()} cores, ${runs} runs each, load at the end ${load}`
  );
  for (const [name, all] of seconds) {
    const sorted = [...all].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] as number;
    const range = `${(sorted[0] as number).toFixed(2)} to ${(sorted.at(-1) as number).toFixed(2)}`;
    console.log(`${name}: median ${median.toFixed(2)} s (${range})  ${events.get(name) ?? ''}`);
  }
  printPeaks({
    server: server.pid,
    'orchestrating worker': workers[0]?.pid,
    'training and predicting worker': workers[1]?.pid,
  });
} finally {
  await cluster.end();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
