import assert from 'node:assert/strict';
import { runInMemory } from '../../core/in-memory.js';
import type { StudyRecord } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { studyOf } from '../../simulate/algorithms.js';
import { replay } from '../../simulate/curves.js';
import { measure, wrongStops } from '../../simulate/measures.js';
import type { CurveTable } from '../../trainers/replay.js';
import { madeUpCurves, setting } from './curves.js';

const measured = async (study: Study, table: CurveTable) => {
  const record = await runInMemory(study, replay(study, table));
  return measure({ record, makespan: 100, busySeconds: 50, busy: 0.5, failures: 0 }, table);
};
const flat = (...values: number[]): CurveTable => {
  return { rows: values.map((_, row) => ({ row })), values: values.map((value) => [value, value, value, value]) };
};

describe('measures of a run', () => {
  it('rank and regret are those among all curves, in either direction', async () => {
    const table = flat(0.5, 0.1, 0.3, 0.3, 0.9, NaN);
    const seed = Array.from({ length: 100 }, (_, i) => i);
    const found = new Set<string>();
    for (const one of seed) {
      const least = await measured({ ...studyOf('full:trials=1', setting(4, 2)), seed: one }, table);
      found.add(JSON.stringify([least.value, least.rank, least.regret === null ? null : least.regret.toFixed(2)]));
    }
    assert.deepEqual([...found].sort(), [
      '[0.1,1,"0.00"]',
      '[0.3,2,"0.20"]',
      '[0.5,4,"0.40"]',
      '[0.9,5,"0.80"]',
      '[null,null,null]',
    ]);
    const largest = { ...setting(4, 2), objective: { metric: 'accuracy', mode: 'maximise' } } as const;
    const { value, rank, regret } = await measured(studyOf('full:trials=6', largest), table);
    assert.deepEqual([value, rank, regret], [0.9, 1, 0]);
  });

  it('a stop is wrong when the round needed the trial', () => {
    const table = flat(0.5, 0.1, 0.3, 0.2);
    const trials = [0, 1, 2, 3].map((row) => ({ id: `t${row}`, config: { row } }));
    const stops = (to: number, ...stopped: string[]) => {
      const predictions = stopped.map((trial) => ({ trial, predicted: 1, goesOn: false }));
      const round = { to, trials: trials.map(({ id }) => id), decision: { predictions } };
      const scheduler = { type: 'hyperband', eta: 2, maxBudget: 4 };
      const objective = { metric: 'loss', mode: 'minimise' };
      return wrongStops(
        { scheduler, objective, trials, brackets: [{ rounds: [round] }] } as unknown as StudyRecord,
        table
      );
    };
    // Two places of four: trials 1 and 3.
    assert.equal(stops(2, 't0', 't2'), 0);
    assert.equal(stops(2, 't0', 't1', 't3'), 2);
    assert.equal(stops(4, 't1', 't3'), 1, 'the last round has one place');
  });

  it('no stop is wrong where curves never cross; where the last epoch turns the order around, that of the best is', async () => {
    const places = Array.from({ length: 60 }, (_, row) => row / 60);
    const turned = { ...flat(...places), values: places.map((place) => [place, place, place, 1 - place]) };
    const { pruner } = studyOf('median', setting(4, 2));
    const study = { ...studyOf('full:trials=60', setting(4, 2)), pruner };
    const straight = await measured(study, flat(...places));
    assert.ok(straight.stopped > 10 && straight.stopped < 60, `${straight.stopped} stopped`);
    assert.deepEqual([straight.wrongStops, straight.rank, straight.trials], [0, 1, 60]);
    const { wrongStops: wrong, stopped, rank } = await measured(study, turned);
    assert.deepEqual([wrong, stopped], [1, straight.stopped]);
    assert.ok(rank !== null && rank > 1, `rank ${rank}`);
  });

  it('epochs, stops and models are those of the rule that ran', async () => {
    const table = madeUpCurves(80, 27);
    const of = async (algorithm: string) => {
      const { epochs, stopped, predictorsTrained, trials } = await measured(studyOf(algorithm, setting(27, 3)), table);
      return { epochs, stopped, predictorsTrained, trials };
    };
    assert.deepEqual(await of('hyperband'), { epochs: 357, stopped: 0, predictorsTrained: 0, trials: 49 });
    const median = await of('median');
    const swift = await of('swift:d=4');
    assert.deepEqual([median.trials, median.predictorsTrained, swift.trials], [49, 0, 49]);
    for (const { epochs, stopped } of [median, swift]) assert.ok(stopped > 0 && epochs < 357, `${stopped}, ${epochs}`);
    // One model a round at most, and none before there are four curves.
    assert.ok(swift.predictorsTrained > 0 && swift.predictorsTrained <= 10, `${swift.predictorsTrained} models`);
  });
});
