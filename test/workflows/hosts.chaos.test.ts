import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, ended, studyOf, itReplays } from '../harness.js';

const trainer = { command: ['node', fileURLToPath(new URL('../fixtures/host-trainer.mjs', import.meta.url))] };

interface Epoch {
  readonly trial: string;
  readonly epoch: number;
  readonly gpu: string;
  readonly begun: number;
  readonly ended: number;
}

describe('the host a trial trains on', function () {
  this.timeout(300_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'predict']);
  });
  after(() => cluster.end());

  it('gives every slot a GPU of its own, and no GPU to two trials at once', async () => {
    const worker = await cluster.worker(['train'], 2, '--gpus', '3,5');
    const journal = path.join(cluster.stateDir, 'gpus.jsonl');
    const study = studyOf({
      name: 'gpus',
      space: { x: { float: [0, 1] }, journal: { fixed: journal } },
      scheduler: { type: 'full', trials: 6, R: 4 },
      trainer,
      parallelism: 6,
    });
    await cluster.begin(study);
    await cluster.result(study);
    await ended(worker);
    const epochs = readFileSync(journal, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Epoch); // prettier-ignore
    assert.equal(epochs.length, 24);
    assert.deepEqual([...new Set(epochs.map(({ gpu }) => gpu))].sort(), ['3', '5']);
    for (const a of epochs) {
      const shared = epochs.filter(
        (b) => b.gpu === a.gpu && b.trial !== a.trial && b.begun < a.ended && a.begun < b.ended
      );
      assert.deepEqual(shared, [], `${a.trial} shared its GPU`);
    }
  });

  it('ends a trial that kills its host again and again; the others go on', async () => {
    const space = { x: { float: [0, 1] }, poison: { choice: [0, 3] } };
    const study = studyOf({
      name: 'poison',
      space,
      tryFirst: [0, 3, 0, 0].map((poison, i) => ({ x: i / 10, poison })),
      scheduler: { type: 'full', trials: 4, R: 6 },
      trainer,
      parallelism: 4,
      training: { maxLosses: 2, attempts: 1, parkSeconds: 0, heartbeatSeconds: 5 },
    });
    let over = false;
    let deaths = 0;
    // What a service manager does: start it again whenever it dies.
    const kept = (async () => {
      while (!over) {
        const worker = await cluster.worker(['train'], 1, '--gpus', '7');
        await new Promise<void>((resolve) => {
          worker.once('exit', (_, signal) => {
            if (signal === 'SIGKILL') deaths++;
            resolve();
          });
          const look = setInterval(() => {
            if (!over) return;
            clearInterval(look);
            worker.kill('SIGTERM');
          }, 100);
          worker.once('exit', () => clearInterval(look));
        });
      }
    })();
    await cluster.begin(study);
    const { fates } = await cluster.result(study);
    over = true;
    await kept;
    assert.deepEqual([fates.failed, fates.completed], [1, 3]);
    const [bad, ...good] = [...cluster.record(study).trials].sort(
      (a, b) => Number(a.fate !== 'failed') - Number(b.fate !== 'failed')
    );
    assert.match(bad?.reason ?? '', /lost its worker 2 times in a row without a new epoch/);
    for (const trial of good) assert.deepEqual(trial.values, [7, 7, 7, 7, 7, 7]);
    // Once with new epochs, twice without.
    assert.equal(deaths, 3);
  });

  itReplays(cluster, 3);
});
