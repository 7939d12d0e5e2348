import assert from 'node:assert/strict';
import { runInMemory } from '../../core/in-memory.js';
import { canonicalJson } from '../../core/record.js';
import { studyOf } from '../../simulate/algorithms.js';
import { runOnCluster, type ClusterSettings } from '../../simulate/cluster.js';
import { replay } from '../../simulate/curves.js';
import { madeUpCurves, setting } from './curves.js';

const table = madeUpCurves(80, 27, { diverging: true });
const seconds = { type: 'fixed', seconds: 10 } as const;
const hard: ClusterSettings = {
  workers: 5,
  epochSeconds: { type: 'lognormal', median: 10, sigma: 1 },
  stragglers: { share: 0.4, factor: 6 },
  failures: { meanSeconds: 200 },
  detectionSeconds: 30,
  predictorSeconds: 7,
};

describe('virtual cluster', () => {
  for (const name of [
    'full:trials=20',
    'successive-halving',
    'hyperband',
    'bohb',
    'median',
    'fast:d=4',
    'swift:d=4',
    'quantum-swift:d=4:reads=10:sweeps=30',
  ]) {
    it(`decides what memory decides, whatever the cluster: ${name}`, async () => {
      const study = studyOf(name, setting(27, 3));
      const expected = canonicalJson(await runInMemory(study, replay(study, table)));
      const clusters = [{ workers: 1, epochSeconds: seconds }, { workers: 64, epochSeconds: seconds }, hard];
      for (const cluster of clusters) {
        assert.equal(canonicalJson((await runOnCluster(study, table, cluster)).record), expected);
      }
    });
  }

  it('is busy all the time with one worker, which takes as long as all epochs', async () => {
    const study = studyOf('hyperband', setting(27, 3));
    const { makespan, busy, record, failures } = await runOnCluster(study, madeUpCurves(80, 27), {
      workers: 1,
      epochSeconds: seconds,
    });
    assert.equal(makespan, 10 * record.result.epochs);
    assert.deepEqual([busy, failures], [1, 0]);
  });

  it('takes segments first come, first served', async () => {
    // Three trials of 4 epochs on two workers, one of which is three times slower: 40 s, 120 s, then 40 s more.
    const study = studyOf('full:trials=3', setting(4, 2));
    const run = await runOnCluster(study, madeUpCurves(3, 4), {
      workers: 2,
      epochSeconds: seconds,
      stragglers: { share: 0.5, factor: 3 },
    });
    assert.deepEqual([run.makespan, run.busySeconds], [120, 200]);
    assert.equal(run.busy, 200 / 240);
  });

  it('trains for as long as the column says', async () => {
    const study = studyOf('full:trials=80', setting(27, 3));
    const curves = madeUpCurves(80, 27);
    const { makespan } = await runOnCluster(study, curves, {
      workers: 1,
      epochSeconds: { type: 'column', column: 'seconds' },
    });
    const all = curves.rows.reduce((sum, row) => sum + 27 * Number(row['seconds']), 0);
    assert.ok(Math.abs(makespan - all) < 1e-6);
    const unknown = { workers: 1, epochSeconds: { type: 'column', column: 'hours' } } as const;
    await assert.rejects(runOnCluster(study, curves, unknown), /column hours holds no positive number/);
  });

  it('draws lognormal epochs per trial, with the median asked for', async () => {
    const epochSeconds = { type: 'lognormal', median: 10, sigma: 0.5 } as const;
    const totals: number[] = [];
    for (let seed = 0; seed < 200; seed++) {
      const study = { ...studyOf('full:trials=1', setting(10, 2)), seed };
      totals.push((await runOnCluster(study, madeUpCurves(5, 10), { workers: 1, epochSeconds })).makespan);
    }
    totals.sort((a, b) => a - b);
    assert.ok(Math.abs((totals[100] as number) - 100) < 12, String(totals[100]));
    // One standard deviation to both sides: e^0.5 and e^-0.5.
    assert.ok(Math.abs((totals[168] as number) - 165) < 25, String(totals[168]));
    assert.ok(Math.abs((totals[32] as number) - 61) < 10, String(totals[32]));
  });

  it('goes on after the last finished epoch when a worker is lost, and pays for the lost one', async () => {
    const study = studyOf('full:trials=10', setting(27, 3));
    const calm = { workers: 1, epochSeconds: seconds };
    const without = await runOnCluster(study, madeUpCurves(80, 27), calm);
    const run = await runOnCluster(study, madeUpCurves(80, 27), {
      ...calm,
      failures: { perEpoch: 0.1 },
      detectionSeconds: 100,
    });
    assert.equal(canonicalJson(run.record), canonicalJson(without.record));
    assert.ok(run.failures > 10 && run.failures < 60, String(run.failures));
    const lost = run.busySeconds - without.busySeconds;
    // A loss costs less than the epoch it happens in.
    assert.ok(lost > 0 && lost < 10 * run.failures, String(lost));
    assert.ok(Math.abs(run.makespan - run.busySeconds - 100 * run.failures) < 1e-6);
  });

  it('says when epochs take longer than workers live', async () => {
    const cluster = { workers: 4, epochSeconds: seconds, failures: { meanSeconds: 0.01 } };
    await assert.rejects(runOnCluster(studyOf('full:trials=2', setting(4, 2)), table, cluster), /it never ends/);
  });

  it('gives ASHA every worker, and its decisions to the clock', async () => {
    const study = studyOf('asha', setting(27, 3));
    const one = await runOnCluster(study, table, { workers: 1, epochSeconds: seconds });
    const again = await runOnCluster(study, table, hard);
    assert.equal(canonicalJson((await runOnCluster(study, table, hard)).record), canonicalJson(again.record));
    assert.notDeepEqual(one.record.log, again.record.log);
    const long = studyOf('asha:trials=2000', setting(27, 3));
    const many = await runOnCluster(long, table, { workers: 100, epochSeconds: seconds });
    assert.ok(many.busy > 0.7, String(many.busy));
    assert.equal(many.record.result.trials, 2000);
  });
});
