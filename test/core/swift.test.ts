import assert from 'node:assert/strict';
import path from 'node:path';
import { dataFolder, reference, studyOf } from '../harness.js';

describe('Swift-Hyperband on recorded curves', function () {
  this.timeout(120_000);
  it('spends the published share of epochs on mlpf: 2943 ± 30 on average, same loss in 89.5 % of 200 seeds', async function () {
    const file = path.join(dataFolder(this), 'curves', 'mlpf.csv');
    let epochs = 0;
    let equal = 0;
    for (let seed = 0; seed < 200; seed++) {
      const of = (pruner: string) =>
        reference(
          studyOf({
            name: 'swift',
            seed,
            pruner,
            scheduler: { type: 'hyperband', R: 100, eta: 2 },
            trainer: { replay: file, columns: 'loss_' },
          })
        );
      const [swift, hyperband] = [await of('swift'), await of('none')];
      assert.equal(hyperband.result.epochs, 3213);
      epochs += swift.result.epochs;
      if (swift.result.best?.value === hyperband.result.best?.value) equal++;
    }
    console.log(`      mean ${epochs / 200} epochs, equal in ${equal / 2} %`);
    assert.ok(Math.abs(epochs / 200 - 2943) <= 30, `mean of ${epochs / 200} epochs`);
    assert.ok(equal >= 179, `equal in ${equal} of 200 seeds`);
  });
});
