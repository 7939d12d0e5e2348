/**
 * ASHA with thousands of trials through Temporal: how busy its slots are over the runs of its workflow, and what it
 * costs in events. `npx tsx bench/asha.ts [trials] [seconds per epoch]`
 */
import os from 'node:os';
import { Cluster, generatedCurves, studyOf } from '../test/harness.js';

const trials = Number(process.argv[2] ?? 3000);
const secondsPerEpoch = Number(process.argv[3] ?? 0.5);
const slots = 50;

const cluster = new Cluster();
try {
  await cluster.start();
  await cluster.worker(['orchestrate']);
  await cluster.worker(['train'], slots);
  const study = studyOf({
    name: 'bench-asha',
    trainer: { replay: generatedCurves(trials, 27), columns: 'loss_', secondsPerEpoch },
    scheduler: { type: 'asha', R: 27, eta: 3, trials },
    parallelism: slots,
  });
  const since = performance.now();
  await cluster.begin(study);
  const { epochs } = await cluster.result(study);
  const seconds = (performance.now() - since) / 1000;
  const { total, most, bytes } = await cluster.events(study);
  const client = await cluster.client();
  const { count } = await client.workflow.count(`WorkflowId STARTS_WITH 'everband/${study.name}/'`);
  const busy = (100 * epochs * secondsPerEpoch) / (slots * seconds);
  console.log(
    [
      `Node ${process.versions.node}, ${os.availableParallelism()} cores: ${trials} trials, ${epochs} epochs of ${secondsPerEpoch} s`,
      `${seconds.toFixed(1)} s in ${count} runs, ${slots} slots busy ${busy.toFixed(1)} % of the time`,
      `${total} events, at most ${most} in a run, ${(bytes / 1e6).toFixed(1)} MB`,
    ].join('\n')
  );
} finally {
  await cluster.end();
}
process.exit();
