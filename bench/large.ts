/**
 * The largest studies that are allowed, on recorded curves without any waiting: a bracket of 20,000 trials, and a study
 * of 100,000. `npx tsx bench/large.ts <bracket|study> [trials]`
 */
import { rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { recordFile } from '../activities/record-store.js';
import { Cluster, generatedCurves, reference, studyOf } from '../test/harness.js';
import { printPeaks } from './peak.js';
import { canonicalJson } from '../core/record.js';

const kind = process.argv[2] === 'study' ? 'study' : 'bracket';
const trials = Number(process.argv[3] ?? (kind === 'study' ? 100_000 : 20_000));
const scheduler =
  kind === 'study'
    ? { type: 'asha', trials, maxBudget: 16, eta: 4 }
    : { type: 'successiveHalving', trials, maxBudget: 27, eta: 3 };
const curves = generatedCurves(trials, kind === 'study' ? 16 : 27);
const study = studyOf({
  ...{ name: `large-${kind}`, seed: 1, trainer: { replay: curves, columns: 'loss_' }, scheduler },
  parallelism: kind === 'study' ? 200 : 500,
});

const cluster = new Cluster();
try {
  const server = await cluster.start();
  const workers = [await cluster.worker(['orchestrate']), await cluster.worker(['train', 'predict'], 200)];
  const since = performance.now();
  await cluster.begin(study);
  const result = await cluster.result(study);
  const seconds = (performance.now() - since) / 1000;
  const { total, most, bytes } = await cluster.events(study);
  console.log(`Node ${process.versions.node}, ${os.availableParallelism()} cores, ${scheduler.type}, ${trials} trials`);
  console.log(`${seconds.toFixed(0)} s, ${result.epochs} epochs, ended ${result.ended}, best ${result.best?.trial}`);
  console.log(`${total} events, at most ${most} in a workflow, ${(bytes / 1e6).toFixed(0)} MB of histories`);
  const megabytes = (file: string) => `${(statSync(file).size / 1e6).toFixed(0)} MB`;
  console.log(`record ${megabytes(recordFile(cluster.stateDir, study.name))}`);
  console.log(`database ${megabytes(path.join(cluster.stateDir, 'server', 'temporal.db'))}`);
  printPeaks({
    server: server.pid,
    'orchestrating worker': workers[0]?.pid,
    'training worker': workers[1]?.pid,
  });
  if (kind === 'bracket') {
    const same = canonicalJson(await reference(study)) === canonicalJson(cluster.record(study));
    console.log(`byte for byte what runs in memory: ${same ? 'yes' : 'NO'}`);
  }
} finally {
  await cluster.end();
  rmSync(path.dirname(curves), { recursive: true, force: true });
}
process.exit();
