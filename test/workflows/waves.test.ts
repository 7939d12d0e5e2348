import assert from 'node:assert/strict';
import { canonicalJson } from '../../core/record.js';
import { workflowIds } from '../../workflows/messages.js';
import { Cluster, generatedCurves, itReplays, reference, studyOf } from '../harness.js';

describe('a round that draws its trials in waves', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start({ 'limit.historyCount.suggestContinueAsNew': 15 });
    await cluster.worker(['orchestrate', 'predict', 'train'], 8);
  });
  after(() => cluster.end());

  it('goes on in a new run between two waves, to the same bytes', async () => {
    const study = studyOf({
      name: 'waves',
      seed: 3,
      scheduler: { type: 'bohb', R: 9, eta: 3 },
      sampler: { type: 'tpe', wave: 2 },
      trainer: { replay: generatedCurves(60, 9), columns: 'loss_' },
      parallelism: 2,
    });
    await cluster.begin(study);
    await cluster.result(study);
    assert.equal(canonicalJson(cluster.record(study)), canonicalJson(await reference(study)));
    const client = await cluster.client();
    const { count } = await client.workflow.count(`WorkflowId = '${workflowIds.round(study.name, 'b2', 0)}'`);
    assert.ok(count > 1, `${count} runs of the first round`);
  });

  itReplays(cluster, 4);
});
