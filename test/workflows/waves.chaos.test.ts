import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { canonicalJson } from '../../core/record.js';
import { workflowIds } from '../../workflows/messages.js';
import { Cluster, ended, generatedCurves, itReplays, reference, sleep, studyOf } from '../harness.js';

describe('a round that draws its trials in waves', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  let orchestrator: ChildProcess;
  before(async () => {
    await cluster.start();
    await cluster.worker(['predict', 'train'], 8);
    orchestrator = await cluster.worker(['orchestrate']);
  });
  after(() => cluster.end());

  const studyOfWaves = (name: string, secondsPerEpoch: number) =>
    studyOf({
      name,
      seed: 3,
      scheduler: { type: 'bohb', R: 9, eta: 3 },
      sampler: { type: 'tpe', wave: 2 },
      trainer: { replay: generatedCurves(60, 9), columns: 'loss_', secondsPerEpoch },
      parallelism: 2,
    });

  it('draws the next wave when what it drew before is damaged and its orchestrator is lost', async () => {
    const study = studyOfWaves('damaged', 0.5);
    await cluster.begin(study);
    const file = path.join(cluster.stateDir, 'studies', study.name, 'record', 'b2.p0.json');
    while (!existsSync(file)) await sleep(50);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"index": 0', '"index": 7'));
    await ended(orchestrator, 'SIGKILL');
    orchestrator = await cluster.worker(['orchestrate']);
    await cluster.result(study);
    assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
  });

  it('goes on in a new run between two waves, to the same bytes', async () => {
    const study = studyOfWaves('waves', 0);
    cluster.killServer();
    await cluster.start({ 'limit.historyCount.suggestContinueAsNew': 15 });
    await cluster.begin(study);
    await cluster.result(study);
    assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
    const client = await cluster.client();
    const { count } = await client.workflow.count(`WorkflowId = '${workflowIds.round(study.name, 'b2', 0)}'`);
    assert.ok(count > 1, `${count} runs of the first round`);
  });

  itReplays(cluster, 4);
});
