import assert from 'node:assert/strict';
import { comparison } from '../../simulate/comparison.js';
import { runComparison } from '../../simulate/pool.js';
import { summarise } from '../../simulate/summary.js';
import { madeUpCurves, setting } from './curves.js';

const names = ['hyperband', 'swift:d=4', 'asha', 'bohb'];
const compared = (algorithms: readonly string[], seeds: number) =>
  comparison({
    setting: setting(27, 3),
    table: madeUpCurves(80, 27, { diverging: true }),
    cluster: { workers: 4, epochSeconds: { type: 'lognormal', median: 60, sigma: 0.5 }, failures: { perEpoch: 0.01 } },
    algorithms,
    seeds,
    follow: algorithms,
  });

describe('a comparison on several threads', function () {
  this.timeout(60_000);

  it('comes to the same on any number of them', async () => {
    const one = await runComparison(compared(names, 4), { jobs: 1 });
    const three = await runComparison(compared(names, 4), { jobs: 3 });
    assert.equal(one.length, 20, 'the yardstick runs beside the four');
    assert.deepEqual(three, one);
    const summaries = summarise(compared(names, 4), three);
    assert.deepEqual(
      summaries.map(({ algorithm }) => algorithm),
      names
    );
    assert.doesNotMatch(JSON.stringify(summaries), /NaN/);
  });

  for (const jobs of [1, 2]) {
    it(`keeps what is done when it is ended, ${jobs} at once`, async () => {
      const end = new AbortController();
      const runs = await runComparison(compared(names, 1000), {
        jobs,
        signal: end.signal,
        progress: (done, all) => {
          assert.equal(all, 4000, 'the yardstick, which nobody asked for, is not counted');
          if (done === 12) end.abort();
        },
      });
      assert.ok(runs.length >= 15 && runs.length < 20, String(runs.length));
      const [hyperband] = summarise(compared(names, 1000), runs);
      assert.ok(hyperband && hyperband.seeds >= 2);
    });

    it(`says what went wrong, ${jobs} at once`, async () => {
      const broken = {
        ...compared(['asha'], 3),
        cluster: { workers: 0, epochSeconds: { type: 'fixed', seconds: 1 } },
      } as const;
      await assert.rejects(runComparison(broken, { jobs }), /0 workers: 1 or more/);
    });
  }

  it('refuses curves that are too short', () => {
    assert.throws(
      () => comparison({ ...compared(['asha'], 1), table: madeUpCurves(9, 20), algorithms: ['asha'], follow: [] }),
      /R = 27, and the curves have 20 epochs/
    );
  });
});
