import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { audit } from '../../core/audit.js';
import { Cluster, ended, itReplays, studyOf } from '../harness.js';

/** Longer than the 8 s after which a worker tells the server that it is still at a workflow task. */
const slowMilliseconds = 8600;
/** Of the looks into the record, one by one. */
const slowLooks = [4, 8, 12, 16, 20, 24];

describe('a record on a disk so slow that other events come while it is looked into', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  // In a new run a promoted trial's configuration comes from the record.
  before(() => cluster.start({ 'limit.historyCount.suggestContinueAsNew': 60 }));
  after(() => cluster.end());

  it('is decided from in one order, in which trials fail and are parked meanwhile', async () => {
    const look = 'async recall(study, identity, bracket, indexes) {';
    const slow = cluster.otherBuild({
      'activities/record.js': [
        [
          look,
          `${look}
            globalThis.looks = (globalThis.looks ?? 0) + 1;
            if (${JSON.stringify(slowLooks)}.includes(globalThis.looks)) {
              await new Promise((resolve) => setTimeout(resolve, ${slowMilliseconds}));
            }`,
        ],
      ],
    });
    const orchestrator = await cluster.workerOf(slow, {}, ['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 4);
    const fixed = { ms: 400, divergesAbove: 2 };
    const broken = [
      `${cluster.stateDir}/never`,
      ...Array.from({ length: 4 }, (_, i) => cluster.stateDir + '/.'.repeat(i)),
    ];
    const one = studyOf({
      name: 'slow-record',
      seed: 3,
      space: {
        x: { float: [0, 0.8] },
        ...Object.fromEntries(Object.entries(fixed).map(([name, value]) => [name, { fixed: value }])),
        broken: { choice: broken },
      },
      scheduler: { type: 'asha', R: 9, eta: 3, trials: 30 },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 4,
      training: { attempts: 2, backoffSeconds: 1, parkSeconds: 5 },
    });
    await cluster.begin(one);
    await cluster.result(one);
    assert.deepEqual(audit(cluster.record(one)), []);
    for (const worker of [orchestrator, trainer]) await ended(worker);
  });

  itReplays(cluster, 3);
});
