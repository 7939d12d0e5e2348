import assert from 'node:assert/strict';
import {
  auditLate,
  bestWithLate,
  lateDigests,
  lateFormat,
  lateStart,
  lateVerdict,
  lateView,
  type LateRecord,
  type LateRetry,
  type LateRung,
} from '../../core/late.js';
import { digestsOf, type StudyRecord } from '../../core/record.js';
import type { Fate } from '../../core/trial.js';
import { studyOf } from './small-study.js';

const halving = { type: 'successiveHalving', trials: 9, maxBudget: 9, minBudget: 1, eta: 3 } as const;
const asha = { type: 'asha', trials: 9, maxBudget: 9, minBudget: 1, eta: 3 } as const;

/** Nine trials whose values at the first rung are .0 to .8 but for those that are lost; three go on, then one. */
function recordOf(
  more: object = {},
  fates: Readonly<Record<number, Fate>> = { 0: 'failed', 7: 'diverged' }
): StudyRecord {
  const { objective, pruner } = studyOf();
  const id = (index: number) => `b2-t00${index}`;
  const all = Array.from({ length: 9 }, (_, index) => index);
  const there = all.filter((index) => fates[index] === undefined);
  const ranked = (indexes: readonly number[]) => indexes.map((index) => ({ trial: id(index), value: index / 10 }));
  const round = (index: number, from: number, to: number, trials: readonly number[], promoted: readonly number[]) => ({
    ...{ bracket: 'b2', index, from, to, trials: trials.map(id), promoted: promoted.map(id) },
    ...{ ranking: ranked(trials.filter((one) => there.includes(one))), decision: null, epochs: 0 },
  });
  const rounds = [round(0, 0, 1, all, [1, 2, 3]), round(1, 1, 3, [1, 2, 3], [1]), round(2, 3, 9, [1], [])];
  const record = {
    ...{ study: 'test', objective, pruner, scheduler: halving, log: [] },
    brackets: [{ id: 'b2', iteration: 1, s: 2, rounds }],
    trials: all.map((index) => {
      return {
        ...{ id: id(index), bracket: 'b2', index, config: {}, seed: 0, values: [] },
        fate: fates[index] ?? 'outranked',
      };
    }),
    ...more,
  } as unknown as StudyRecord;
  return { ...record, digests: digestsOf(record) };
}

const trial = (index: number) => ({ bracket: 'b2', index });
const rung = (round: number, value: number, became: LateRung['became']): LateRung => {
  const [from, to] = (
    [
      [0, 1],
      [1, 3],
      [3, 9],
    ] as const
  )[round] ?? [0, 0];
  const values = Array.from({ length: to - from }, () => value);
  return { round, from, to, values, end: 'rung', became };
};
/** Chained to a record that has ended. */
function chained(late: Pick<LateRecord, 'trial' | 'retries'>, record = recordOf(), ended = true): LateRecord {
  const { trial: id, retries } = late;
  const all = { format: lateFormat, study: 'test', trial: id, retries } as const;
  return { ...all, digests: lateDigests(record, ended, all) };
}
const lateOf = (id: string, ...rungs: LateRung[]): LateRecord =>
  chained({ trial: id, retries: [{ queue: null, reset: null, rungs }] });

describe('a late trial at its rung', () => {
  const record = recordOf();

  it('is promoted when it ranks before the worst that was promoted there', () => {
    assert.equal(lateVerdict(record, trial(0), 0, { value: 0.29 }, true), 'promoted');
    assert.equal(lateVerdict(record, trial(0), 0, { value: 0.31 }, true), 'outranked');
    assert.equal(lateVerdict(record, trial(0), 1, { value: 0.11 }, true), 'outranked');
  });

  it('ranks by its index on a tie', () => {
    assert.equal(lateVerdict(record, trial(0), 0, { value: 0.3 }, true), 'promoted');
    assert.equal(lateVerdict(record, trial(7), 0, { value: 0.3 }, true), 'outranked');
  });

  it('ranks the larger value first where the objective is maximised', () => {
    const largest = recordOf({ objective: { metric: 'accuracy', mode: 'maximise' } });
    assert.equal(lateVerdict(largest, trial(0), 0, { value: 0.9 }, true), 'promoted');
    assert.equal(lateVerdict(largest, trial(0), 0, { value: 0.2 }, true), 'outranked');
  });

  it('has completed at the last one, whatever its value', () => {
    assert.equal(lateVerdict(record, trial(0), 2, { value: 99 }, false), 'completed');
  });

  it('waits for a round that has not closed, and is unranked where it never did or nobody went on', () => {
    const [bracket] = record.brackets;
    const open = recordOf({ brackets: [{ ...bracket, rounds: bracket?.rounds.slice(0, 1) }] });
    assert.equal(lateVerdict(open, trial(0), 1, { value: 0 }, false), null);
    assert.equal(lateVerdict(open, trial(0), 1, { value: 0 }, true), 'unranked');
    const nobody = recordOf({ brackets: [{ ...bracket, rounds: [{ ...bracket?.rounds[0], promoted: [] }] }] });
    assert.equal(lateVerdict(nobody, trial(0), 0, { value: 0 }, true), 'unranked');
  });

  it('with ASHA is promoted at once when it can be, and outranked only when the study has ended', () => {
    const running = recordOf({ scheduler: asha });
    assert.equal(lateVerdict(running, trial(0), 0, { value: 0.29 }, false), 'promoted');
    assert.equal(lateVerdict(running, trial(0), 0, { value: 0.31 }, false), null);
    assert.equal(lateVerdict(running, trial(0), 0, { value: 0.31 }, true), 'outranked');
  });
});

describe('what may be retried late', () => {
  const plain = { reset: false, queue: null };
  const refused = (record: StudyRecord, late: LateRecord | null, id: string, ask: typeof plain) => {
    const start = lateStart(record, late, id, ask);
    return 'refused' in start ? start.refused : JSON.stringify(start);
  };

  it('is a trial that failed, from the round it failed in', () => {
    assert.deepEqual(lateStart(recordOf(), null, 'b2-t000', plain), { round: 0, goesOn: null });
    assert.match(refused(recordOf(), null, 'b2-t001', plain), /has not failed: it is outranked/);
    const going = recordOf({}, { 0: 'unfinished' });
    assert.match(refused(going, null, 'b2-t000', plain), /has not failed in a round that has closed/);
    assert.match(refused(recordOf(), null, 'b2-t099', plain), /no trial b2-t099/);
    assert.deepEqual(lateStart(recordOf({}, { 2: 'failed' }), null, 'b2-t002', plain), { round: 1, goesOn: null });
  });

  it('is one that diverged only from its first epoch or elsewhere', () => {
    assert.match(refused(recordOf(), null, 'b2-t007', plain), /--reset .* or --queue/);
    assert.deepEqual(lateStart(recordOf(), null, 'b2-t007', { ...plain, reset: true }), { round: 0, goesOn: null });
  });

  it('goes on where an earlier late retry failed, and not after one that came to its end', () => {
    const failed = lateOf('b2-t000', rung(0, 0, 'promoted'), { ...rung(1, 0, null), end: 'failed', reason: 'gone' });
    assert.deepEqual(lateStart(recordOf(), failed, 'b2-t000', plain), { round: 1, goesOn: null });
    const over = lateOf('b2-t000', rung(0, 0.5, 'outranked'));
    assert.match(refused(recordOf(), over, 'b2-t000', plain), /retried late already: it is outranked/);
  });
});

describe('a late retry that has lost its workflow', () => {
  const plain = { reset: false, queue: null };
  const lost = (retry: Partial<LateRetry>, ...before: LateRetry[]) => ({
    retries: [...before, { queue: null, reset: null, rungs: [], ...retry }],
  });

  it('goes on with what it had come to, asked for as it was or on another queue', () => {
    const open = lost({ queue: 'big-gpu', rungs: [rung(0, 0, 'promoted')] });
    const [retry] = open.retries;
    assert.deepEqual(lateStart(recordOf(), open, 'b2-t000', plain), { round: 0, goesOn: retry });
    assert.deepEqual(lateStart(recordOf(), open, 'b2-t000', { ...plain, queue: 'other' }), { round: 0, goesOn: retry });
    const waiting = lost({ rungs: [rung(0, 0, null)] });
    assert.deepEqual(lateStart(recordOf(), waiting, 'b2-t000', plain), { round: 0, goesOn: waiting.retries[0] });
  });

  it('goes on after its reset although it had diverged, and with --reset begins anew', () => {
    const open = lost({ reset: 17 });
    assert.deepEqual(lateStart(recordOf(), open, 'b2-t007', plain), { round: 0, goesOn: open.retries[0] });
    assert.deepEqual(lateStart(recordOf(), open, 'b2-t007', { ...plain, reset: true }), { round: 0, goesOn: null });
  });

  it('begins where the one before has failed', () => {
    const failed = {
      ...plain,
      reset: null,
      rungs: [rung(0, 0, 'promoted'), { ...rung(1, 0, null), end: 'failed' as const }],
    };
    const open = lost({}, failed);
    assert.deepEqual(lateStart(recordOf(), open, 'b2-t000', plain), { round: 1, goesOn: open.retries[1] });
  });
});

describe('both results', () => {
  const through = lateOf('b2-t000', rung(0, 0, 'promoted'), rung(1, 0, 'promoted'), rung(2, 0, 'completed'));

  it('are the best as decided and the best with late retries', () => {
    const decided = { trial: 'b2-t001', value: 0.1, budget: 9 };
    assert.deepEqual(bestWithLate(recordOf(), decided, [through]), { trial: 'b2-t000', value: 0, budget: 9 });
    assert.deepEqual(bestWithLate(recordOf(), decided, [lateOf('b2-t000', rung(0, 0, 'outranked'))]), decided);
    const { state, epochs, value } = lateView(through);
    assert.deepEqual([state, epochs, value], ['completed', 9, 0]);
  });

  it('are audited: a verdict, a round or a trial that does not follow is named', () => {
    assert.deepEqual(auditLate(recordOf(), through), []);
    const says = (late: LateRecord) =>
      auditLate(recordOf(), late)
        .map((finding) => finding.says)
        .join(' ');
    assert.match(says(lateOf('b2-t000', rung(0, 0.9, 'promoted'))), /"promoted" in round 0, and "outranked" follows/);
    assert.match(says(lateOf('b2-t000', rung(1, 0, 'promoted'))), /has a round 1 that does not follow/);
    assert.match(says(lateOf('b2-t001', rung(0, 0, 'promoted'))), /b2-t001 has not failed/);
    assert.match(says({ ...through, study: 'another' }), /no trial of this study/);
  });
});

describe('the chain of late retries', () => {
  const late = lateOf('b2-t000', rung(0, 0.5, 'outranked'));
  const says = (record: StudyRecord, one: LateRecord) =>
    auditLate(record, one)
      .map((finding) => finding.says)
      .join(' ');

  it('goes on from the last link of the record', () => {
    assert.deepEqual(
      late.digests.map(({ of }) => of),
      ['record', 'trial', 'retry 0', 'late']
    );
    assert.deepEqual(late.digests[0], recordOf().digests.at(-1));
    assert.equal(says(recordOf(), late), '');
  });

  it('finds what was changed in a retry, and that a retry is missing or was added', () => {
    const [retry] = late.retries;
    assert.ok(retry);
    const [first] = retry.rungs;
    assert.ok(first);
    const other = { ...late, retries: [{ ...retry, rungs: [{ ...first, values: [0.6] }] }] };
    assert.match(says(recordOf(), other), /does not hold: its retry 0 was changed/);
    assert.match(says(recordOf(), { ...late, retries: [{ ...retry, queue: 'other' }] }), /its retry 0 was changed/);
    assert.match(says(recordOf(), { ...late, retries: [] }), /does not hold/);
    assert.match(says(recordOf(), { ...late, digests: late.digests.slice(0, -1) }), /beside its retries was changed/);
  });

  it('finds a record that was changed after it, its digests included, and the file of another trial or study', () => {
    const changed = recordOf({ seed: 8 });
    assert.match(says(changed, late), /it follows another record than this one/);
    const failed = recordOf({}, { 0: 'failed', 4: 'failed', 7: 'diverged' });
    const four = chained({ ...late, trial: 'b2-t004' }, failed);
    assert.equal(says(failed, four), '');
    assert.match(says(failed, { ...four, trial: 'b2-t000' }), /it follows another trial than the record has/);
    assert.match(
      says({ ...recordOf(), study: 'other' }, late),
      /belongs to no trial of this study: the file names the study /
    );
  });

  it('is that of the trial alone while the study runs, which is wrong where both have ended', () => {
    const open = chained({ trial: 'b2-t000', retries: [{ queue: null, reset: null, rungs: [] }] }, recordOf(), false);
    assert.equal(open.digests[0]?.of, 'trial');
    assert.equal(says(recordOf(), open), '');
    assert.match(says(recordOf(), chained(late, recordOf(), false)), /is not chained to the record of its study/);
  });
});
