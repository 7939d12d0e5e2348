import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Cluster, generatedCurves } from '../harness.js';

describe('the view of a running study', function () {
  this.timeout(120_000);
  const cluster = new Cluster();
  before(async () => {
    await cluster.start();
    await cluster.worker(['orchestrate', 'train', 'predict'], 2);
  });
  after(() => cluster.end());

  async function started(name: string, changes: object): Promise<string> {
    const file = path.join(cluster.stateDir, `${name}.json`);
    // Slow enough to be seen under way: the view looks once a second.
    const trainer = { replay: generatedCurves(60, 9), columns: 'loss_', secondsPerEpoch: 0.05 };
    writeFileSync(file, JSON.stringify({ name, trainer, parallelism: 2, ...changes }));
    const { code, out, err } = await cluster.everband('start', file, '--wait');
    assert.equal(code, 0, err);
    return out.slice(out.indexOf(`study ${name} started`));
  }

  it('tells of the trials of ASHA, whose epochs no plan bounds', async () => {
    const out = await started('asha', { scheduler: { type: 'asha', R: 9, eta: 3, trials: 30 } });
    assert.match(out, /^best so far [\d.]+ of b2-t\d+ at \d \(\d+ epochs, \d+\/30 trials\)$/m);
    assert.match(out, /^b2 rung 0: 30 trials to 1, best [\d.]+, \d+ promoted \(\d+ epochs, 30\/30 trials\)$/m);
    assert.match(out, /^epochs: \d+$/m);
    assert.doesNotMatch(out, /round|saved|not spent| of +at /);
  });

  it("tells of the rounds of BOHB, in shares of Hyperband's epochs", async () => {
    const out = await started('bohb', { scheduler: { type: 'bohb', R: 9, eta: 3 } });
    assert.match(out, /^b2 round 0: 9 trials to 1, best [\d.]+, 3 promoted \(\d+\/69 epochs\)$/m);
    assert.match(out, /^epochs: 69 of Hyperband's 69$/m);
  });
});
