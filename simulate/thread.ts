/** One thread of a comparison: answers every piece it is given with its run. */
import { parentPort, workerData } from 'node:worker_threads';
import { simulate, type Comparison } from './comparison.js';
import type { Answer } from './pool.js';

const comparison = workerData as Comparison;
parentPort?.on('message', (piece: { contestant: number; seed: number }) => {
  const answer = (one: Answer) => parentPort?.postMessage(one);
  simulate(comparison, piece).then(
    (run) => answer({ run }),
    (error: unknown) => answer({ error: (error as Error).message })
  );
});
