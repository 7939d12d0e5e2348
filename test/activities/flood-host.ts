/** Trains a trial whose trainer floods its outputs, and prints what that did to the process that trains it. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createTrainActivities } from '../../activities/train.js';
import { trustedSegment } from '../trusted.js';
import type { TrainSegmentInput, TrainSegmentResult } from '../../workflows/messages.js';

const [megabytes = 300, epochTimeoutSeconds = 60, hangAt] = process.argv.slice(2).map(Number);
const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-flood-'));
const trainer = fileURLToPath(new URL('./flooding-trainer.mjs', import.meta.url));
const input: TrainSegmentInput = trustedSegment(stateDir, {
  ...{ schemaVersion: 2 as const, study: 's', metric: 'loss', from: 0, to: 10 },
  trainer: { type: 'command', command: [process.execPath, trainer], cwd: stateDir, env: {} },
  trial: {
    ...{ id: 't', bracket: 'b0', index: 0, globalIndex: 0, seed: 1 },
    config: { megabytes, ...(hangAt === undefined ? {} : { hangAt }) },
  },
  training: { maxLosses: 3, epochTimeoutSeconds, graceSeconds: 5 },
});
const activities = createTrainActivities({ stateDir, slots: 1 });
const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
const before = process.memoryUsage().rss;
let [most, last, longest] = [before, Date.now(), 0];
const began = Date.now();
environment.on('heartbeat', () => {
  longest = Math.max(longest, Date.now() - last);
  last = Date.now();
});
const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
const train = (): Promise<TrainSegmentResult> => environment.run(activities.trainSegment, input);
const outcome = await train().then(
  ({ outcome, values }) => `${outcome} ${values.length}`,
  (error: Error) => error.message.split('\n')[0]
);
clearInterval(watch);
activities.dispose();
const size = (name: string) => statSync(path.join(stateDir, 'studies/s/logs', name), { throwIfNoEntry: false })?.size;
const mib = (bytes: number) => Math.round(bytes / (1 << 20));
console.log(
  JSON.stringify({
    ...{ outcome, seconds: (Date.now() - began) / 1000, rssBefore: mib(before), rssMost: mib(most) },
    ...{ longestWithoutBeat: longest, logs: [size('t.log.1'), size('t.log')] },
  })
);
rmSync(stateDir, { recursive: true, force: true });
process.exit();
