import assert from 'node:assert/strict';
import { audit } from '../../core/audit.js';
import { assembleRecord } from '../../core/assemble.js';
import { StudyRun, type Assignment } from '../../core/engine/study-run.js';
import type { Proposal } from '../../core/engine/propose.js';
import type { KeptGroup } from '../../core/engine/material.js';
import type { Group } from '../../core/engine/work.js';
import { segmentOf, type Recorded } from '../../core/fold.js';
import { Drawn } from '../../core/in-memory.js';
import { createSampler, defineStudy, predict, type Study } from '../../core/index.js';
import { enteredOf, takeUp, type Remains } from '../../core/recover.js';
import { stream } from '../../core/rng.js';
import type { SegmentOutcome } from '../../core/trial.js';
import { segment } from './world.js';

const study = defineStudy({
  seed: 5,
  space: { x: { type: 'float', low: 0, high: 1 } },
  scheduler: { type: 'asha', trials: 30, maxBudget: 9 },
  pruner: { type: 'swift', minCurves: 4 },
  parallelism: 4,
});

/** A study that was carried out in a drawn order, until `lines` of its log stand; with every group it handed out. */
function carriedOut(study: Study, lines: number): { run: StudyRun; drawn: Drawn; groups: readonly Group[] } {
  const sampler = createSampler(study, null);
  const drawn = new Drawn((request) => sampler.propose(request));
  const run = new StudyRun(study);
  const random = stream(7, 'order');
  const out: Assignment[] = [];
  const groups = new Map<string, Group>();
  while (run.ended === null && run.log.length < lines) {
    out.push(...run.next(study.parallelism - run.width));
    for (const { group } of out) groups.set(group.id, group);
    const now = out.findIndex(({ task }) => task.type !== 'train');
    const [one] = out.splice(now >= 0 ? now : random.below(out.length), 1);
    assert.ok(one);
    const { task } = one;
    if (task.type === 'propose') run.tell(one, drawn.propose(task));
    else if (task.type === 'predict') run.tell(one, predict(run.request(task)));
    else run.tell(one, segment(drawn.trial(task.trial), task.from, task.to));
  }
  return { run, drawn, groups: [...groups.values()] };
}

function recordedOf(drawn: Drawn): Recorded {
  return {
    proposal: ({ bracket, first, count }) =>
      drawn.proposals.find(
        ({ trials }) => trials[0]?.bracket === bracket && trials[0].index === first && trials.length === count
      ) ?? null,
    segment: (_group, task) => segment(drawn.trial(task.trial), task.from, task.to),
    answers: () => [],
  };
}

describe('a study that is taken up from its record', () => {
  const { run, drawn } = carriedOut(study, 40);
  const proposals: readonly Proposal[] = drawn.proposals;
  const recorded = recordedOf(drawn);
  const remains = (ended: Remains['ended'], change: Partial<Remains> = {}): Remains => ({
    ...{ recorded, closed: run.closed, entered: [], log: run.log, stop: null, parallelism: 4, ended },
    ...change,
  });

  it('tells what ended unrecorded in trial order, and what follows from it, and nothing else', () => {
    assert.ok(run.closed.length > 3);
    const known = new Set<string>();
    const ended = (_group: unknown, task: { trial: string; from: number; to: number }): SegmentOutcome | null => {
      const { index } = drawn.trial(task.trial);
      if (index > 14) return null;
      known.add(task.trial);
      return segmentOf(task, { base: 0, curve: segment(drawn.trial(task.trial), 0, task.to), end: null });
    };
    const taken = takeUp(study, remains(ended));
    const told = taken.log.filter((line) => line.startsWith('train '));
    assert.ok(told.length > 4, taken.log.join('\n'));
    // In every step of four places, in the order of the trials.
    const first = told.slice(0, 2).map((line) => Number(/t(\d+)/.exec(line)?.[1]));
    assert.deepEqual(
      first,
      [...first].sort((a, b) => a - b)
    );
    assert.ok(taken.goingOn.every(({ task }) => drawn.trial(task.trial).index > 14 || !known.has(task.trial)));
    assert.equal(taken.open.length, 4);

    const again = takeUp(
      study,
      remains(() => null, { log: [...run.log, ...taken.log], closed: [...run.closed, ...taken.closed] })
    );
    assert.deepEqual(again.scheduler, taken.scheduler);
    assert.deepEqual(again.log, []);
    const material = { proposals, closed: [...run.closed, ...taken.closed], promotions: new Map<string, number[]>() };
    const record = assembleRecord(study, { ...material, log: [...run.log, ...taken.log] }, null);
    assert.deepEqual(
      audit(record).filter(({ of }) => of !== 'result'),
      []
    );
  });

  it('refuses a record with a gap, and one that does not follow', () => {
    const none = () => null;
    const [lost, ...rest] = run.closed;
    assert.ok(lost);
    assert.throws(
      () => takeUp(study, remains(none, { log: run.log.slice(1) })),
      /stands|answers what nobody asked|follows/
    );
    const other = {
      ...lost,
      outcomes: lost.outcomes.map((one) => ({ ...one, values: one.values.map((value) => value + 1) })),
    };
    assert.throws(
      () => takeUp(study, remains(none, { closed: [other, ...rest] })),
      new RegExp(`what is recorded of ${lost.id} does not follow`)
    );
    assert.throws(
      () => takeUp(study, remains(none, { closed: [...run.closed, { ...lost, id: 'b2-t029-r2' }] })),
      /b2-t029-r2 is recorded, and something before it is missing/
    );
  });

  it('is stopped where an operator had stopped it', () => {
    const taken = takeUp(
      study,
      remains(() => null, { stop: 'stopped' })
    );
    assert.equal(taken.halted, true);
    assert.deepEqual(taken.log, ['stop stopped']);
  });

  describe('of rounds', () => {
    const { scheduler, pruner } = { scheduler: { type: 'hyperband', maxBudget: 9 }, pruner: 'none' } as const;
    const hyperband = defineStudy({ seed: 5, space: { x: { type: 'float', low: 0, high: 1 } }, scheduler, pruner });
    const { run, drawn, groups } = carriedOut(hyperband, 2);
    const open = run.next(1)[0]?.group as Group;
    const entering = [...groups.filter(({ draws }) => !draws), open];
    const all = recordedOf(drawn);
    /** Of the round that is open, nothing has been reported. */
    const recorded: Recorded = {
      ...all,
      segment: (group, task) => (group.id === open.id ? null : all.segment(group, task)),
    };
    const remains = (change: Partial<Remains>): Remains => ({
      ...{ recorded, closed: run.closed, entered: entering.map(enteredOf) },
      ...{ log: [], stop: null, parallelism: 4, ended: () => null },
      ...change,
    });

    it('goes on with the round that is open, with the trials that came to it', () => {
      assert.deepEqual(
        entering.map(({ id }) => id),
        ['b2-r1', 'b2-r2']
      );
      const { goingOn } = takeUp(hyperband, remains({}));
      assert.deepEqual(
        goingOn.map(({ task }) => task.index),
        open.members
      );
    });

    it('refuses another promotion, also into a round that has not closed', () => {
      for (const { id, members } of entering) {
        const entered = remains({}).entered.map((round) => {
          return round.id === id ? { ...round, members: members.map((member) => member + 1) } : round;
        });
        assert.throws(
          () => takeUp(hyperband, remains({ entered })),
          new RegExp(`the trials that came to ${id} do not follow from the rounds before it`)
        );
      }
      const later = { ...enteredOf(open), id: 'b0-r0' };
      assert.throws(
        () => takeUp(hyperband, remains({ entered: [later] })),
        /b0-r0 has begun, and something before it is missing/
      );
    });

    it('reads what a version wrote that kept less of a round, and none that kept something else', () => {
      const without = run.closed.map(({ decision, ...rest }) => {
        void decision;
        return rest as KeptGroup;
      });
      assert.deepEqual(takeUp(hyperband, remains({ closed: without })), takeUp(hyperband, remains({})));
      for (const more of [{ seconds: 3 }, { exploits: [{ trial: 0, donor: 1, epoch: 1, config: {} }] }]) {
        const closed = run.closed.map((group) => ({ ...group, ...more }));
        assert.throws(() => takeUp(hyperband, remains({ closed })), /what is recorded of b2-r0 does not follow/);
      }
    });
  });
});
