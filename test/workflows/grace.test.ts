import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, ended, sleep, studyOf } from '../harness.js';

describe('the time a trainer may take to end', function () {
  this.timeout(150_000);
  const cluster = new Cluster();
  before(() => cluster.start());
  after(() => cluster.end());

  it('may be longer than a minute: a worker that is told to end waits for the epoch', async () => {
    await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], 1);
    const journal = path.join(cluster.stateDir, 'journal');
    const one = studyOf({
      name: 'grace',
      seed: 1,
      space: { x: { float: [0, 1] }, pause: { fixed: 66_000 }, journal: { fixed: journal } },
      scheduler: { type: 'full', trials: 1, R: 1 },
      trainer: {
        command: [process.execPath, fileURLToPath(new URL('../activities/line-trainer.mjs', import.meta.url))],
      },
      training: { heartbeatSeconds: 5, graceSeconds: 90 },
    });
    await cluster.begin(one);
    while (!existsSync(journal)) await sleep(50);
    const since = Date.now();
    // Another one stands by: should the first be given up, it would train the epoch again.
    await cluster.worker(['train'], 1);
    await ended(trainer);
    const seconds = (Date.now() - since) / 1000;
    assert.ok(seconds > 62 && seconds < 80, `ended after ${seconds} s`);
    const { fates } = await cluster.result(one);
    assert.equal(fates.completed, 1);
    assert.equal(readFileSync(journal, 'utf8').trim().split('\n').length, 1);
  });
});
