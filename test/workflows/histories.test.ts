import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { NativeConnection, Worker } from '@temporalio/worker';
import proto from '@temporalio/proto';
import type { TrainSegmentInput, TrainSegmentResult } from '../../workflows/messages.js';
import { bundle, Cluster, quietRuntime, studyOf } from '../harness.js';

const { History } = proto.temporal.api.history.v1;
const folder = fileURLToPath(new URL('./histories/', import.meta.url));

/** One small study for every kind of workflow. */
const recorded: Record<string, object> = {
  history: { scheduler: { type: 'hyperband', R: 9, eta: 3 }, predictor: { type: 'swift', minCurves: 4 } },
  'history-fast': { scheduler: { type: 'bohb', R: 9, eta: 3, brackets: 1 }, predictor: { type: 'fast', minCurves: 2 } },
  'history-asha': { scheduler: { type: 'asha', R: 9, eta: 3, trials: 20 }, predictor: { type: 'swift', minCurves: 2 } },
};

/** Their histories; made anew with `EVERBAND_RECORD_HISTORIES=1`. */
async function recordHistories(): Promise<void> {
  const cluster = new Cluster();
  try {
    const { address } = await cluster.start();
    await cluster.worker(['orchestrate', 'predict']);
    // An activity trainer: no path of this machine gets into the histories.
    const connection = await NativeConnection.connect({ address });
    const activities = {
      trainSegment: async ({ trial, from, to }: TrainSegmentInput): Promise<TrainSegmentResult> => {
        const x = Number(trial.config['x']);
        const values = Array.from({ length: to - from }, (_, i) => x + 1 / (from + i + 1));
        if (x <= 0.8 || to < 3) return { outcome: 'completed', values };
        return { outcome: 'diverged', values: values.slice(0, Math.max(0, 2 - from)), nonFinite: 'nan' };
      },
    };
    const trainer = await Worker.create({ connection, taskQueue: 'history-train', activities });
    const running = trainer.run();
    for (const [name, more] of Object.entries(recorded)) {
      const study = studyOf({
        name,
        seed: 2,
        space: { x: { float: [0, 1] } },
        trainer: { activity: 'trainSegment', taskQueue: 'history-train' },
        ...more,
      });
      await cluster.begin(study);
      await cluster.result(study);
    }
    const client = await cluster.client();
    mkdirSync(folder, { recursive: true });
    for await (const { workflowId } of client.workflow.list()) {
      const history = await client.workflow.getHandle(workflowId).fetchHistory();
      const name = `${workflowId.replaceAll('/', '.')}.bin.gz`;
      writeFileSync(path.join(folder, name), gzipSync(anonymous(History.encode(history).finish())));
    }
    trainer.shutdown();
    await running;
    await connection.close();
  } finally {
    await cluster.end();
  }
}

/** Without this machine's name, which is in the identity of every worker; as long as before, for lengths are encoded. */
function anonymous(bytes: Uint8Array): Buffer {
  const name = os.hostname();
  return Buffer.from(
    Buffer.from(bytes).toString('latin1').replaceAll(name, 'host'.padEnd(name.length, '-').slice(0, name.length)),
    'latin1'
  );
}

describe('committed histories', function () {
  this.timeout(120_000);
  before(async () => {
    if (process.env['EVERBAND_RECORD_HISTORIES'] || !existsSync(folder)) await recordHistories();
    quietRuntime();
  });

  async function replayAll(code: string): Promise<string[]> {
    const failed: string[] = [];
    for (const file of readdirSync(folder).sort()) {
      const history = History.decode(gunzipSync(readFileSync(path.join(folder, file))));
      const workflowId = file.replace('.bin.gz', '').replaceAll('.', '/');
      await Worker.runReplayHistory({ workflowBundle: { code } }, history, workflowId).catch(() => failed.push(file));
    }
    return failed;
  }

  it('replay with the workflows as built', async () => {
    assert.ok(readdirSync(folder).length >= 10);
    assert.deepEqual(await replayAll(readFileSync(bundle, 'utf8')), []);
  });

  it('do not replay when workflow code is reordered', async () => {
    const code = readFileSync(bundle, 'utf8');
    const before = 'const proposal = await propose(study';
    assert.ok(code.includes(before), 'the line to reorder is gone from the bundle');
    const failed = await replayAll(
      code.replace(before, `await new Promise((done) => setTimeout(done, 1));\n${before}`)
    );
    assert.ok(failed.length > 0, 'a reordering went unnoticed');
  });
});
