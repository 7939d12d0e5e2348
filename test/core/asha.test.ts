import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { defineStudy, type StudyInput } from '../../core/define-study.js';
import { createScheduler } from '../../core/engine/create.js';
import type { Scheduler } from '../../core/engine/scheduler.js';
import type { Group, Task, TrainTask } from '../../core/engine/work.js';
import type { Json } from '../../core/settings.js';
import { Rung } from '../../core/schedulers/rung.js';
import { planOf, type Study } from '../../core/study.js';
import type { Result } from '../../core/objectives/definition.js';
import { quantile } from '../../core/quantile.js';

type AshaInput = Extract<StudyInput['scheduler'], { type: 'asha' }>;
interface AshaJob {
  readonly trial: number;
  readonly rung: number;
}

/** One free place at a time, and results as numbers. */
class Player {
  readonly machine: Scheduler;
  private readonly out = new Map<string, { readonly group: Group; readonly task: TrainTask }>();

  constructor(study: Study, state: Json | null = null) {
    this.machine = createScheduler(study, state);
  }

  get inFlight(): number {
    return this.out.size;
  }

  /** What one free place does; null when there is nothing, for now or for ever. */
  next(): AshaJob | null {
    let job: AshaJob | null = null;
    for (let works = this.machine.next(1); works.length > 0; works = this.machine.next(0)) {
      for (const { group, task } of works as readonly { group: Group; task: Task }[]) {
        const [trial] = group.members as [number];
        if (task.type === 'propose') {
          const answer = { trials: [], duplicatesAvoided: 0, duplicatesKept: 0 };
          this.machine.tell({ type: 'answered', group: group.id, task, answer });
        } else if (task.type === 'train') {
          job = { trial, rung: group.round };
          this.out.set(`${trial} ${group.round}`, { group, task });
        }
      }
    }
    return job;
  }

  /** `value` null: it diverged at the first epoch of its way. */
  tell({ trial, rung }: AshaJob, value: number | null): void {
    const key = `${trial} ${rung}`;
    const { group, task } = this.out.get(key) ?? { group: { id: `b9-t00${trial}-r${rung}` }, task: nothing };
    this.out.delete(key);
    const values = Array.from({ length: task.to - task.from }, () => value as number);
    const answer =
      value === null
        ? ({ outcome: 'diverged', values: [], nonFinite: 'nan' } as const)
        : ({ outcome: 'completed', values } as const);
    this.machine.tell({ type: 'answered', group: group.id, task, answer });
  }
}

const nothing: TrainTask = { type: 'train', trial: 'b9-t000', index: 0, from: 0, to: 1 };

function ashaOf(scheduler: Omit<AshaInput, 'type'>, more: Omit<StudyInput, 'scheduler'> = {}): Player {
  return new Player(defineStudy({ scheduler: { type: 'asha', ...scheduler }, ...more }));
}

/** Starts as many trials as there are values, then tells their first rung. */
function firstRung(asha: Player, values: readonly (number | null)[]): void {
  const jobs = values.map(() => asha.next() as AshaJob);
  assert.ok(jobs.every(({ rung }) => rung === 0));
  jobs.forEach((job, i) => asha.tell(job, values[i] as number | null));
}

const byLoss = (a: Result, b: Result) => a.loss - b.loss;

describe('ASHA', () => {
  it('has rungs at r_min * eta^k, and R as the last one', () => {
    const rungs = (scheduler: Omit<AshaInput, 'type' | 'trials'>) =>
      planOf(defineStudy({ scheduler: { type: 'asha', trials: 1, ...scheduler } })).first[0]?.rounds.map(
        ({ from, to }) => [from, to]
      );
    assert.deepEqual(rungs({ maxBudget: 27 }), [
      [0, 1],
      [1, 3],
      [3, 9],
      [9, 27],
    ]);
    assert.deepEqual(rungs({ maxBudget: 20, minBudget: 2, eta: 2 }), [
      [0, 2],
      [2, 4],
      [4, 8],
      [8, 16],
      [16, 20],
    ]);
  });

  it('promotes the best floor(n / eta) of a rung, and starts trials until there are that many', () => {
    const asha = ashaOf({ trials: 9, maxBudget: 9 });
    firstRung(asha, [5, 3]);
    assert.deepEqual(asha.next(), { trial: 2, rung: 0 });
    asha.tell({ trial: 2, rung: 0 }, 4);
    assert.deepEqual(asha.next(), { trial: 1, rung: 1 });
    firstRung(asha, [1, 6]);
    // Five results have one place, which trial 3 has now: that trial 1 went before is no matter.
    assert.deepEqual(asha.next(), { trial: 3, rung: 1 });
    assert.deepEqual(asha.next(), { trial: 5, rung: 0 });
    asha.tell({ trial: 5, rung: 0 }, 2);
    assert.deepEqual(asha.next(), { trial: 5, rung: 1 });
    assert.deepEqual(asha.next(), { trial: 6, rung: 0 });
  });

  it('promotes from the highest rung first', () => {
    const asha = ashaOf({ trials: 40, maxBudget: 8, eta: 2 });
    const jobs = Array.from({ length: 8 }, () => asha.next() as AshaJob);
    jobs.forEach((job, i) => asha.tell(job, i));
    const second = [asha.next() as AshaJob, asha.next() as AshaJob];
    assert.deepEqual(
      second.map(({ trial, rung }) => [trial, rung]),
      [
        [0, 1],
        [1, 1],
      ]
    );
    second.forEach((job) => asha.tell(job, job.trial));
    // Trials 2 and 3 of the first rung could go as well.
    assert.deepEqual(asha.next(), { trial: 0, rung: 2 });
    assert.deepEqual(asha.next(), { trial: 2, rung: 1 });
  });

  it('breaks ties by trial index, whichever came first', () => {
    const asha = ashaOf({ trials: 4, maxBudget: 2, eta: 2 });
    const jobs = Array.from({ length: 4 }, () => asha.next() as AshaJob);
    for (const job of [...jobs].reverse()) asha.tell(job, 1);
    assert.deepEqual([asha.next(), asha.next(), asha.next()], [{ trial: 0, rung: 1 }, { trial: 1, rung: 1 }, null]);
  });

  it('counts trials without a loss among those that came to a rung, and never promotes them', () => {
    const asha = ashaOf({ trials: 6, maxBudget: 3 });
    firstRung(asha, [null, null, 7, null, null, null]);
    assert.deepEqual([asha.next(), asha.next()], [{ trial: 2, rung: 1 }, null]);
    const none = ashaOf({ trials: 3, maxBudget: 3 });
    firstRung(none, [null, null, null]);
    assert.equal(none.next(), null);
    assert.equal(none.machine.ended, 'finished');
  });

  it('ranks a metric to maximise the other way round', () => {
    const asha = ashaOf({ trials: 3, maxBudget: 3 }, { objective: { mode: 'maximise' } });
    firstRung(asha, [0.1, 0.3, 0.2]);
    assert.deepEqual(asha.next(), { trial: 1, rung: 1 });
  });

  it('starts nothing whose epochs, with all in flight, would exceed the limit', () => {
    const asha = ashaOf({ trials: 'untilLimit', maxBudget: 9 }, { limits: { epochs: 5 } });
    firstRung(asha, [1, 2, 3]);
    assert.deepEqual(asha.next(), { trial: 0, rung: 1 });
    assert.equal(asha.next(), null);
    asha.tell({ trial: 0, rung: 1 }, null);
    assert.equal(asha.machine.view().epochs, 4);
    assert.equal(asha.machine.ended, 'epochLimit');
  });

  it('knows the quantile of a rung however many results it has forgotten', () => {
    const rung = new Rung(3, byLoss, 60);
    assert.equal(rung.quantile(1 / 3), null);
    const losses = Array.from({ length: 60 }, (_, i) => (i * 37) % 61);
    losses.forEach((loss, i) => {
      rung.add(i, { loss });
      const exact = quantile(losses.slice(0, i + 1), 1 / 3);
      assert.ok(Math.abs((rung.quantile(1 / 3) as number) - exact) < 1e-12, `after ${i + 1}`);
    });
    const again = new Rung(3, byLoss, 60, rung.state);
    assert.equal(again.quantile(1 / 3), rung.quantile(1 / 3));
    assert.equal(again.promotable(), rung.promotable());
  });

  it('starts trials without end until a limit', () => {
    const asha = ashaOf({ trials: 'untilLimit', maxBudget: 3 }, { limits: { target: 0 } });
    firstRung(
      asha,
      Array.from({ length: 2 }, () => null)
    );
    for (let i = 2; i < 500; i++) assert.deepEqual(asha.next(), { trial: i, rung: 0 });
    assert.throws(() => ashaOf({ trials: 'untilLimit', maxBudget: 3 }), /needs a limit/);
  });

  it('refuses what is not in flight', () => {
    const asha = ashaOf({ trials: 2, maxBudget: 3 });
    assert.throws(() => asha.tell({ trial: 0, rung: 0 }, 1), /group b9-t000-r0 is not out/);
    const job = asha.next() as AshaJob;
    asha.tell(job, 1);
    assert.throws(() => asha.tell(job, 1), RangeError);
  });
});

/** Jobs as they started, `[trial, rung]`, and results as they came, `[trial, rung, value]`. */
type Event = [trial: number, rung: number, value?: number];
interface Play {
  readonly rule: 'paper' | 'released';
  readonly mode: 'min' | 'max';
  readonly workers: number;
  /** Results that come before anything starts again. */
  readonly burst: number;
  readonly scheduler: AshaInput;
  readonly events: readonly Event[];
}

/** What Syne Tune 0.13.0's promotion ASHA decided, fed the same results in the same order (asha_reference.py). */
describe("ASHA's promotions against Syne Tune's", () => {
  const { plays } = JSON.parse(readFileSync(new URL('fixtures/asha.json', import.meta.url), 'utf8')) as {
    plays: readonly Play[];
  };
  const study = ({ scheduler, mode }: Play) =>
    defineStudy({ scheduler, objective: { mode: mode === 'max' ? 'maximise' : 'minimise' } });

  for (const play of plays.filter(({ rule }) => rule === 'paper')) {
    const { eta, trials } = play.scheduler;
    it(`are the same with floor(n / eta) places: ${trials} trials, eta ${eta}, ${play.workers} workers, ${play.mode}, bursts of ${play.burst}`, () => {
      const asha = new Player(study(play));
      let promotions = 0;
      for (const [trial, rung, value] of play.events) {
        if (value === undefined) {
          assert.deepEqual(asha.next(), { trial, rung });
          if (rung > 0) promotions++;
          continue;
        }
        if (play.burst === 1 && asha.inFlight < play.workers) assert.equal(asha.next(), null);
        asha.tell({ trial, rung }, value);
      }
      assert.equal(asha.next(), null);
      assert.ok(promotions > 15, `${promotions} promotions`);
    });
  }

  it('differ in the released rule by its wider quantile and by ties, and by nothing else', () => {
    const counts = { same: 0, wider: 0, tie: 0 };
    for (const play of plays.filter(({ rule }) => rule === 'released')) {
      const sign = play.mode === 'max' ? -1 : 1;
      const eta = play.scheduler.eta as number;
      const rungs: [number, number][][] = (planOf(study(play)).first[0]?.rounds ?? []).map(() => []);
      const promoted: number[][] = rungs.map(() => []);
      const inFlight: AshaJob[] = [];
      let started = 0;
      for (const [trial, rung, value] of play.events) {
        if (value !== undefined) {
          inFlight.splice(
            inFlight.findIndex((job) => job.trial === trial),
            1
          );
          rungs[rung]?.push([trial, sign * value]);
          continue;
        }
        // Both decide from the history that the released rule has made.
        const ours = new Player(study(play), stateOf(study(play), { started, rungs, promoted, inFlight })).next();
        if (ours?.trial === trial && ours.rung === rung) counts.same++;
        else {
          assert.ok(
            rung > 0 && (ours?.rung ?? 0) <= rung,
            'the released rule promotes where ours does, and where it does not'
          );
          const there = rungs[rung - 1] ?? [];
          const loss = there.find(([one]) => one === trial)?.[1] as number;
          const cutoff = quantile(
            there.map(([, other]) => other),
            1 / eta
          );
          assert.ok(loss <= cutoff + 1e-12, 'the interpolated quantile of the results');
          const better = there.filter(([, other]) => other < loss).length;
          if (better >= Math.floor(there.length / eta)) counts.wider++;
          else {
            assert.ok(there.filter(([, other]) => other === loss).length > 1);
            counts.tie++;
          }
        }
        inFlight.push({ trial, rung });
        if (rung === 0) started++;
        else promoted[rung - 1]?.push(trial);
      }
    }
    console.log(`      ${counts.same} decisions equal, ${counts.wider} by the wider quantile, ${counts.tie} by a tie`);
    assert.ok(counts.same > 200 && counts.wider > 0 && counts.tie > 0, JSON.stringify(counts));
  });
});

/** The state of a machine with this history. */
function stateOf(
  study: Study,
  history: {
    readonly started: number;
    readonly rungs: readonly (readonly (readonly [trial: number, loss: number])[])[];
    readonly promoted: readonly (readonly number[])[];
    readonly inFlight: readonly AshaJob[];
  }
): Json {
  const empty = new Player(study).machine.state as Readonly<Record<string, Json>>;
  const eta = (study.scheduler as Extract<Study['scheduler'], { type: 'asha' }>).eta;
  const rungs = history.rungs.map((results, k) => {
    // As wide as all that came there: the released rule promotes from further down.
    const rung = new Rung(eta, byLoss, 10_000);
    for (const [trial, loss] of results) rung.add(trial, { loss });
    for (const trial of history.promoted[k] ?? []) rung.promote(trial);
    return rung.state;
  });
  const flights = history.inFlight.map(({ trial, rung }) => ({ trial, rung, judged: null }));
  return { ...empty, started: history.started, drawn: history.started, rungs, flights } as unknown as Json;
}
