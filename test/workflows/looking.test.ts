import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { queryNames, taskQueues, workflowIds, workflowTypes, type TrialAnswer } from '../../workflows/messages.js';
import { Cluster, itReplays, sleep, studyOf } from '../harness.js';

describe('what a study shows while it runs', function () {
  this.timeout(120_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'predict', 'train'], 4);
  });
  after(() => cluster.end());

  const slow = (name: string, scheduler: object) =>
    studyOf({
      name,
      space: { x: { float: [0, 1] }, ms: { fixed: 500 }, divergesAbove: { fixed: 2 } },
      scheduler,
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 4,
    });
  /** What the Web UI shows on a workflow's page. */
  async function details(workflowId: string): Promise<string> {
    const handle = (await cluster.client()).workflow.getHandle(workflowId);
    const metadata = await handle.query<{ currentDetails?: string }, []>('__temporal_workflow_metadata');
    return metadata.currentDetails ?? '';
  }
  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await holds()); tries++) {
      assert.ok(tries < 60, what);
      await sleep(250);
    }
  }
  const ask = async (workflowId: string, trial: string) =>
    (await cluster.client()).workflow
      .getHandle(workflowId)
      .query<TrialAnswer | null, [string]>(queryNames.trial, trial);

  it('is on its own page while a bracket runs, and on every round', async () => {
    const one = slow('looking', { type: 'successiveHalving', trials: 9, R: 27, eta: 3 });
    await cluster.begin(one);
    const page = workflowIds.study(one.name);
    // Nine trials have trained an epoch each, then three of them two more, then one six more.
    await until('the study hears of its rounds', async () =>
      /running, (9|15|21) of \d+ epochs/.test(await details(page))
    );
    assert.match(await details(page), /Best: `b3-t00\d`[^]*\| b3 \| 0 \| 0 to 1 \| 9 \| 3 \| 0 \| 0 \| 0 \| 9 \|/);
    assert.match(
      await details(`${page}/b3/r0`),
      /9 trials, epochs 0 to 1, the best 3 go on[^]*\| 1 \| b3-t00\d \| [^|]+ \|/
    );
    const known = await ask(`${page}/b3/r0`, 'b3-t000');
    assert.deepEqual([known?.to, known?.values.length, known?.end], [1, 1, 'rung']);
    assert.equal(known?.config['ms'], 500);
    assert.equal(await ask(`${page}/b3/r0`, 'b3-t009'), null);
    const listed = (await (await cluster.client()).workflow.getHandle(page).describe()).searchAttributes;
    assert.ok(listed['EverbandBest']?.[0] !== undefined, 'the best so far can be searched for');
    assert.equal((await cluster.everband('stop', one.name)).code, 0);
    await cluster.result(one);
  });

  it('is on the page of an ASHA study too', async () => {
    const one = slow('looking-asha', { type: 'asha', trials: 40, R: 9, eta: 3 });
    await cluster.begin(one);
    const page = workflowIds.study(one.name);
    await until('the study hears of its rungs', async () =>
      /running, [1-9]\d* epochs\n\nBest: /.test(await details(page))
    );
    // Any of the four may have come to its rung first.
    const first = () => ask(page, 'b2-t000');
    await until('the first trial comes to its rung', async () => {
      const known = await first();
      return known !== null && known.from + known.values.length >= 1;
    });
    assert.equal((await first())?.config['ms'], 500);
    assert.equal(await ask(page, 'nobody'), null);
    assert.equal((await cluster.everband('stop', one.name)).code, 0);
    await cluster.result(one);
  });

  it('says that a study that has ended takes no orders, and why one failed', async () => {
    const paused = await cluster.everband('pause', 'looking');
    assert.match(paused.err, /^study looking takes no more orders: it has ended\. Fix: /);
    const client = await cluster.client();
    const raw = {
      workflowId: workflowIds.study('raw'),
      taskQueue: taskQueues.orchestrate,
      args: [{ study: { name: 'raw' } }],
    };
    const handle = await client.workflow.start(workflowTypes.study, raw);
    await assert.rejects(handle.result());
    const status = await cluster.everband('status', 'raw');
    assert.equal(status.code, 1);
    assert.match(status.err, /^study raw failed: [^]*scheduler: /);
  });

  it('ends with 1 when every trial failed, and counts what they trained before', async () => {
    const one = studyOf({
      ...{ ...slow('hopeless', { type: 'full', trials: 2, R: 3 }), training: { attempts: 1, parkSeconds: 0 } },
      space: { ms: { fixed: 10 }, x: { float: [0, 1] }, brokenAfter: { fixed: 2 }, broken: { fixed: '/nowhere' } },
    });
    await cluster.begin(one);
    const result = await cluster.result(one);
    assert.deepEqual([result.fates.failed, result.epochs], [2, 4]);
    for (const { values } of cluster.record(one).trials) assert.equal(values.length, 2);
    const watched = await cluster.everband('watch', one.name);
    assert.equal(watched.code, 1, watched.out + watched.err);
  });

  itReplays(cluster, 5);
});
