/**
 * Workflows that are started with anything, by somebody without the key: none is left with a task that fails again and again,
 * and none writes anything. EVERBAND_FUZZ_RUNS says how many of each type.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { WorkflowFailedError, type Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { taskQueues, workflowIds, workflowTypes } from '../../workflows/messages.js';
import { Cluster, sleep, studyOf } from '../harness.js';
import { damaged, json } from '../random-json.js';

const runs = Number(process.env['EVERBAND_FUZZ_RUNS'] ?? 80);
const seed = Number(process.env['EVERBAND_FUZZ_SEED'] ?? 20261127);
/** Started at once. */
const abreast = 20;

describe('random input of a workflow', function () {
  this.timeout(0);
  const cluster = new Cluster();
  let client: Client;
  /** What workflows of a real study were given, by type, with the seal of another key. */
  const sound: Record<string, object> = {};

  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'predict', 'train']);
    client = await cluster.client();
    const study = studyOf({
      ...{ name: 'sound', space: { ms: { fixed: 5 }, x: { float: [0, 1] }, divergesAbove: { fixed: 2 } } },
      ...{ scheduler: { type: 'hyperband', R: 4, eta: 2 }, pruner: 'median' },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
    });
    await cluster.begin(study);
    await cluster.result(study);
    const inputOf = async (id: string) => {
      const { events } = await client.workflow.getHandle(id).fetchHistory();
      const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
      const text = JSON.stringify(payload && defaultPayloadConverter.fromPayload(payload));
      return JSON.parse(text.replaceAll(/"seal":"[^"]*"/g, '"seal":"v1.AAAA.AAAA.AAAA"')) as Record<string, unknown>;
    };
    const round = await inputOf(workflowIds.round(study.name, 'b2', 0));
    const { identity, control } = round;
    const trial = { id: 'b2-t000', bracket: 'b2', index: 0, globalIndex: 0, config: { ms: 5, x: 0.5 }, seed: 1 };
    sound[workflowTypes.study] = await inputOf(workflowIds.study(study.name));
    sound[workflowTypes.round] = round;
    sound[workflowTypes.shard] = {
      ...{ spec: study, identity, control, carried: null, parallelism: 1 },
      ...{ round: { bracket: 'b2', round: 0, from: 0, to: 2 }, jobs: [{ trial, from: 0, to: 2 }] },
    };
    sound[workflowTypes.late] = { study: 'sound', request: { trial: trial.id, reset: false, queue: null }, identity };
  });
  after(() => cluster.end());

  async function endOf(type: string, input: unknown, id: string): Promise<void> {
    const handle = await client.workflow.start(type, {
      ...{ workflowId: id, taskQueue: taskQueues.orchestrate, args: [input], workflowExecutionTimeout: '10m' },
    });
    const shown = JSON.stringify(input)?.slice(0, 2000);
    // Where there is nothing to do, as for jobs of a study that is stopped, it ends well.
    const result = handle.result().catch((error: unknown) => {
      assert.ok(error instanceof WorkflowFailedError, `${String(error)}: ${shown}`);
    });
    const ended = await Promise.race([result.then(() => true), sleep(30_000).then(() => false)]);
    if (ended) return;
    // It may wait for something, as a paused one does; none of its tasks may have failed.
    const { raw } = await handle.describe();
    assert.ok((raw.pendingWorkflowTask?.attempt ?? 1) <= 1, `its task fails: ${shown}`);
    await handle.terminate();
  }

  for (const type of Object.values(workflowTypes)) {
    it(`${type} ends, or waits, and writes nothing`, async () => {
      const inputs = fc.sample(fc.oneof(json, damaged(sound[type]), damaged(sound[type])), { numRuns: runs, seed });
      let next = 0;
      const lane = async () => {
        for (let i = next++; i < inputs.length; i = next++) await endOf(type, inputs[i], `everband/raw-${type}-${i}`);
      };
      await Promise.all(Array.from({ length: abreast }, lane));
      assert.deepEqual(readdirSync(path.join(cluster.stateDir, 'studies')), ['sound']);
    });
  }
});
