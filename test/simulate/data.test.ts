import assert from 'node:assert/strict';
import path from 'node:path';
import { algorithmNames, studyOf, type Setting } from '../../simulate/algorithms.js';
import { comparison } from '../../simulate/comparison.js';
import { curvesOfCsv } from '../../simulate/curves.js';
import { runComparison } from '../../simulate/pool.js';
import { summarise } from '../../simulate/summary.js';
import { dataFolder } from '../harness.js';

const sets = {
  mlpf: { columns: 'loss_', R: 100, mode: 'minimise', epochs: 3213, swift: 2943 },
  cifar10: { columns: 'acc_', R: 100, mode: 'maximise', epochs: 3213, swift: 2941 },
  svhn: { columns: 'acc_', R: 20, mode: 'maximise', epochs: 341, swift: 337 },
  ptb: { columns: 'ep_', R: 60, mode: 'minimise', epochs: 1514, swift: 1424 },
} as const;

const cluster = { workers: 4, epochSeconds: { type: 'fixed', seconds: 60 } } as const;

describe('recorded data sets', function () {
  this.timeout(120_000);

  for (const [name, { columns, R, mode, epochs, swift }] of Object.entries(sets)) {
    it(`spends the known epochs on ${name}: Hyperband ${epochs}, Swift about ${swift}`, async function () {
      const table = curvesOfCsv(path.join(dataFolder(this), 'curves', `${name}.csv`), columns);
      const setting: Setting = { objective: { metric: 'value', mode }, maxBudget: R, eta: 2, file: name };
      const compared = comparison({
        setting,
        table,
        cluster,
        algorithms: ['hyperband', 'swift'],
        seeds: 20,
        follow: [],
      });
      const [plain, predicted] = summarise(compared, await runComparison(compared, { jobs: 1 }));
      assert.deepEqual([plain?.epochs.low, plain?.epochs.high], [epochs, epochs]);
      const mean = predicted?.epochs.mean ?? NaN;
      assert.ok(Math.abs(mean - swift) < 0.015 * swift, String(mean));
    });
  }

  it('finishes every algorithm on taskset, where rows end in NaN', async function () {
    const table = curvesOfCsv(path.join(dataFolder(this), 'curves', 'taskset.csv'), 'loss_');
    const setting: Setting = {
      objective: { metric: 'loss', mode: 'minimise' },
      maxBudget: 50,
      eta: 2,
      file: 'taskset',
    };
    const algorithms = algorithmNames.map((name) =>
      studyOf(name, setting).pruner.type === 'swift' ? `${name}:d=5` : name
    );
    const compared = comparison({ setting, table, cluster, algorithms, seeds: 1, follow: algorithms });
    const runs = await runComparison(compared, { jobs: 1 });
    assert.equal(runs.length, algorithms.length + 1);
    assert.doesNotMatch(JSON.stringify(summarise(compared, runs)), /NaN/);
    for (const { measures } of runs) assert.ok(measures.value !== null && Number.isFinite(measures.value));
  });
});
