import assert from 'node:assert/strict';
import path from 'node:path';
import fc from 'fast-check';
import {
  audit,
  canonicalJson,
  createSampler,
  defineStudy,
  planOf,
  predict,
  runInMemory,
  type PredictionRequest,
  type RoundRecord,
  type SegmentOutcome,
  type Study,
  type StudyRecord,
  type Trial,
} from '../../core/index.js';
import { configured } from '../../core/engine/exploits.js';
import { createScheduler } from '../../core/engine/create.js';
import { StudyRun, type Assignment } from '../../core/engine/study-run.js';
import type { ProposeTask } from '../../core/engine/work.js';
import { stream } from '../../core/rng.js';
import { trialId } from '../../core/trial.js';
import { dataFolder, reference, studyOf } from '../harness.js';
import { asynchronous, curveOf, effectsOf, segment, studies } from './world.js';

const seeds = fc.integer({ min: 0, max: 100_000 });
const runs = { numRuns: 15 };
const space = { x: { type: 'float', low: 0, high: 1 } } as const;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const run = (study: Study) => runInMemory(study, effectsOf(study));
const rounds = (record: StudyRecord): RoundRecord[] => record.brackets.flatMap((bracket) => bracket.rounds);

/** A scheduler of any shape, small enough to run. */
const schedulers = fc
  .record({
    type: fc.constantFrom('hyperband', 'successiveHalving', 'asha'),
    eta: fc.integer({ min: 2, max: 5 }),
    minBudget: fc.integer({ min: 1, max: 3 }),
    more: fc.integer({ min: 0, max: 40 }),
    trials: fc.integer({ min: 1, max: 50 }),
  })
  .map(({ type, eta, minBudget, more, trials }) => {
    const common = { eta, minBudget, maxBudget: eta * minBudget + more };
    if (type === 'hyperband') return { type: 'hyperband', ...common } as const;
    return type === 'asha'
      ? ({ type: 'asha', trials, ...common } as const)
      : ({ type: 'successiveHalving', trials, ...common } as const);
  });
const pruners = fc.constantFrom(
  { type: 'none' } as const,
  { type: 'median' } as const,
  { type: 'swift', minCurves: 3 } as const
);

describe('every scheduler', function () {
  this.timeout(120_000);

  it('trains no more epochs than its schedule, round by round, and no more than the limit', () =>
    fc.assert(
      fc.asyncProperty(
        schedulers,
        pruners,
        seeds,
        fc.option(fc.integer({ min: 1, max: 400 })),
        async (scheduler, pruner, seed, limit) => {
          const limits = limit === null ? {} : { epochs: limit };
          const study = defineStudy({ space, scheduler, pruner, seed, limits, parallelism: 3 });
          const record = await run(study);
          const plan = planOf(study).table();
          if (limit !== null) assert.ok(record.result.epochs <= limit, `${record.result.epochs} of ${limit}`);
          let epochs = 0;
          for (const round of rounds(record)) {
            const planned = plan.brackets.find(({ id }) => id === round.bracket)?.rounds[round.index];
            assert.ok(planned);
            assert.ok(scheduler.type === 'asha' || round.trials.length <= planned.trials);
            assert.ok(round.epochs <= round.trials.length * (planned.to - planned.from));
            epochs += round.epochs;
          }
          assert.equal(epochs, record.result.epochs);
          assert.equal(
            epochs,
            record.trials.reduce((sum, { values, divergedAt }) => sum + (divergedAt ?? values.length), 0)
          );
          if (scheduler.type !== 'asha') assert.ok(epochs <= plan.epochs);
          for (const { values } of record.trials) assert.ok(values.length <= study.scheduler.maxBudget);
        }
      ),
      { numRuns: 60 }
    ));

  it('promotes the true best of a round', () =>
    fc.assert(
      fc.asyncProperty(schedulers, seeds, fc.boolean(), async (scheduler, seed, maximise) => {
        fc.pre(scheduler.type !== 'asha');
        const mode = maximise ? 'maximise' : 'minimise';
        const record = await run(defineStudy({ space, scheduler, seed, objective: { mode } }));
        const byId = new Map(record.trials.map((trial) => [trial.id, trial]));
        for (const bracket of record.brackets) {
          for (const round of bracket.rounds) {
            const there = round.trials.flatMap((id) => {
              const trial = byId.get(id);
              const value = trial?.values[round.to - 1];
              return trial && value !== undefined ? [{ id, index: trial.index, loss: maximise ? -value : value }] : [];
            });
            there.sort((a, b) => a.loss - b.loss || a.index - b.index);
            const last = round === bracket.rounds.at(-1) && round.promoted.length === 0;
            const keep: number = last ? 0 : Math.max(Math.floor(round.trials.length / scheduler.eta), 1);
            const best: Set<string> = new Set(there.slice(0, keep).map(({ id }) => id));
            assert.deepEqual(new Set(round.promoted), best);
            assert.deepEqual(
              round.ranking.map(({ trial }) => trial),
              there.map(({ id }) => id)
            );
            const next = bracket.rounds[round.index + 1];
            if (next) assert.deepEqual(next.trials, round.promoted);
          }
        }
      }),
      { numRuns: 40 }
    ));

  for (const [name, study] of studies.filter(([one]) => !(one in asynchronous))) {
    it(`${name}: decides the same in whatever order training ends`, () =>
      fc.assert(
        fc.asyncProperty(seeds, seeds, async (seed, order) => {
          const random = stream(order, 'order');
          const open: (() => void)[] = [];
          let ended = false;
          const shuffled = runInMemory(
            study(seed),
            effectsOf(study(seed), (trial: Trial, from, to) => {
              return new Promise<SegmentOutcome>((resolve) => open.push(() => resolve(segment(trial, from, to))));
            })
          ).finally(() => (ended = true));
          while (!ended) {
            const [resolve] = open.splice(Math.floor(random.uniform() * open.length), 1);
            resolve?.();
            if (random.uniform() < 0.5 || open.length === 0) await turn();
          }
          assert.equal(canonicalJson(await shuffled), canonicalJson(await run(study(seed))));
        }),
        runs
      ));
  }

  it('trains predictors on finite curves that reached the rung, and asks about finite ones', async () => {
    let requests = 0;
    for (const [, study] of studies) {
      for (let seed = 0; seed < 8; seed++) {
        const sampler = createSampler(study(seed), null);
        const finished = new Map<string, number[]>();
        await runInMemory(study(seed), {
          propose: (request) => sampler.propose(request),
          train: (trial, from, to) => {
            const outcome = segment(trial, from, to);
            const curve = curveOf(trial, 81);
            if (outcome.outcome === 'completed') finished.set(JSON.stringify(curve.slice(0, to)), curve);
            return outcome;
          },
          predict: (request: PredictionRequest) => {
            requests++;
            const { curves, targets } = request.training;
            assert.equal(curves.length, targets.length);
            curves.forEach((curve, i) => {
              assert.ok([...curve, targets[i]].every(Number.isFinite));
              const known = [...finished.values()].some(
                (full) => full.includes(targets[i] as number) && curve.every((value, e) => value === full[e])
              );
              assert.ok(known, 'a curve that was not trained');
            });
            assert.ok(request.candidates.flat().every(Number.isFinite));
            return predict(request);
          },
        });
      }
    }
    assert.ok(requests > 50, `${requests} requests`);
  });
});

describe('ASHA', function () {
  this.timeout(120_000);

  it('promotes no trial twice and none that has no loss', () =>
    fc.assert(
      fc.asyncProperty(
        seeds,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 2, max: 4 }),
        async (seed, parallelism, eta) => {
          const scheduler = { type: 'asha', trials: 60, maxBudget: eta ** 3, eta } as const;
          const record = await run(defineStudy({ space, scheduler, seed, parallelism }));
          const [bracket] = record.brackets;
          assert.ok(bracket && record.log.length > 0);
          bracket.rounds.forEach((round, k) => {
            assert.equal(new Set(round.trials).size, round.trials.length);
            assert.equal(new Set(round.promoted).size, round.promoted.length);
            const ranked = new Set(round.ranking.map(({ trial }) => trial));
            assert.ok(round.promoted.every((trial) => ranked.has(trial)));
            assert.deepEqual(bracket.rounds[k + 1]?.trials ?? [], round.promoted);
          });
        }
      ),
      { numRuns: 40 }
    ));

  it('keeps no state that 100,000 trials make larger than a mebibyte', () => {
    const study = defineStudy({
      space,
      scheduler: { type: 'asha', trials: 100_000, maxBudget: 81, eta: 4 },
      parallelism: 100,
    });
    const size = (machine: { readonly state: unknown }) => JSON.stringify(machine.state).length;
    const machine = createScheduler(study, null);
    const random = stream(1, 'sizes');
    let most = 0;
    for (let handed = 0; machine.ended === null;) {
      for (const work of machine.next(100)) {
        assert.ok(work.type === 'task');
        const { task, group } = work;
        if (task.type === 'propose') {
          const answer = { trials: [], duplicatesAvoided: 0, duplicatesKept: 0 };
          machine.tell({ type: 'answered', group: group.id, task, answer });
        } else if (task.type === 'train') {
          const values = Array.from({ length: task.to - task.from }, () => random.uniform());
          machine.tell({ type: 'answered', group: group.id, task, answer: { outcome: 'completed', values } });
        }
        if (++handed % 20_000 === 0) most = Math.max(most, size(machine));
      }
    }
    assert.ok(machine.view().brackets[0]?.rounds[0]?.entered === 100_000);
    assert.ok(most > 0 && Math.max(most, size(machine)) < 1024 * 1024, `${most} bytes`);
  });
});

describe('a machine', function () {
  this.timeout(120_000);

  for (const [name, study] of studies) {
    it(`${name}: goes on from its state, written and read at any moment, as if nothing had happened`, () =>
      fc.assert(
        fc.property(seeds, (seed) => {
          const whole = createScheduler(study(seed), null);
          let broken = createScheduler(study(seed), null);
          const random = stream(seed, 'moments');
          const world = new Answers(study(seed));
          const out = new Map<string, SchedulerEvent>();
          /** Both machines hand out the same. */
          const hand = (free: number) => {
            const [works, others] = [whole.next(free), broken.next(free)].map((all) =>
              all.map((work) => world.to(work))
            );
            assert.deepEqual(others, works);
            for (const [key, event] of works ?? []) out.set(key, event);
          };
          for (let turns = 0; whole.ended === null && turns < 20_000; turns++) {
            hand(Math.max(0, study(seed).parallelism - out.size));
            const keys = [...out.keys()];
            const key = keys[Math.floor(random.uniform() * keys.length)] as string;
            const event = out.get(key);
            assert.ok(event, 'nothing is out');
            out.delete(key);
            whole.tell(event);
            broken.tell(event);
            if (random.uniform() > 0.2) continue;
            // Whoever interrupts a study lets its questions be answered; training comes out again.
            hand(0);
            if ([...out.keys()].some((one) => /^p(redict|ropose)/.test(one))) continue;
            broken = createScheduler(study(seed), JSON.parse(JSON.stringify(broken.state)) as typeof broken.state);
            const again = broken.next(0).map((work) => world.to(work)[0]);
            // Groups as a whole come out again, too.
            assert.deepEqual(again.filter((one) => !/^p(redict|ropose)/.test(one)).sort(), [...out.keys()].sort());
          }
          assert.deepEqual(broken.view(), whole.view());
          assert.notEqual(whole.ended, null);
        }),
        runs
      ));
  }

  for (const [name, study] of studies.filter(([one]) => !(one in asynchronous))) {
    it(`${name}: decides the same whatever is free, and whenever`, () =>
      fc.assert(
        fc.asyncProperty(seeds, seeds, async (seed, order) => {
          const random = stream(order, 'free');
          const one = study(seed);
          const effects = effectsOf(one);
          const machine = new StudyRun(one);
          const proposals: ReturnType<typeof effects.propose>[] = [];
          const trials = new Map<string, Trial>();
          const out: Assignment[] = [];
          while (machine.ended === null) {
            out.push(...machine.next(Math.floor(4 * random.uniform())));
            const [next] = out.splice(Math.floor(random.uniform() * out.length), 1);
            if (!next) continue;
            const { task } = next;
            if (task.type === 'propose') {
              const proposal = effects.propose(task);
              proposals.push(proposal);
              for (const trial of proposal.trials) trials.set(trial.id, trial);
              machine.tell(next, proposal);
            } else if (task.type === 'train') {
              machine.tell(next, segment(configured(next.group, trials.get(task.trial) as Trial), task.from, task.to));
            } else machine.tell(next, predict(machine.request(task)));
          }
          const wanted = await run(one);
          const { closed, log } = machine.material(proposals);
          assert.deepEqual([...log], [...wanted.log]);
          const decisions = closed.map(({ id, decision }) => [id, decision?.sentOn ?? null]);
          const recorded = rounds(wanted).map((round) => [
            `${round.bracket}-r${round.index}`,
            round.decision?.sentOn ?? null,
          ]);
          assert.deepEqual(decisions.sort(), recorded.sort());
        }),
        runs
      ));
  }
});

/** Made-up answers, the same for the same work. */
class Answers {
  constructor(private readonly study: Study) {}

  to(work: Works): readonly [key: string, event: SchedulerEvent] {
    if (work.type === 'group') return [`group ${work.group.id}`, this.closing(work)];
    return [`${work.task.type} ${work.group.id}`, this.answer(work)];
  }

  private closing({ group, memory }: Extract<Works, { type: 'group' }>): SchedulerEvent {
    const random = stream(this.study.seed, group.id);
    const losses = group.members.map(() => (random.uniform() < 0.1 ? null : random.uniform()));
    const ends = losses.map((loss) => (loss === null ? ('diverged' as const) : ('rung' as const)));
    const epochs = group.members.length * (group.to - group.from);
    const configs = group.draws && group.holds ? { configs: group.members.map((x) => ({ x })) } : {};
    return { type: 'closed', closing: { group: group.id, ends, losses, epochs, memory, ...configs } };
  }

  private answer({ group, task }: Extract<Works, { type: 'task' }>): SchedulerEvent {
    const random = stream(this.study.seed, group.id, task.type);
    const answer =
      task.type === 'train'
        ? {
            outcome: 'completed' as const,
            values: Array.from({ length: task.to - task.from }, () => random.uniform()),
          }
        : task.type === 'predict'
          ? { outcome: 'predicted' as const, losses: task.candidates.map(() => random.uniform()) }
          : { trials: trialsOf(task), duplicatesAvoided: 0, duplicatesKept: 0 };
    return { type: 'answered', group: group.id, task, answer };
  }
}

function trialsOf({ bracket, offset, first, count }: ProposeTask): Trial[] {
  return Array.from({ length: count }, (_, i) => {
    const index = first + i;
    return { id: trialId(bracket, index), bracket, index, globalIndex: offset + index, config: { x: index }, seed: 0 };
  });
}
type Works = ReturnType<ReturnType<typeof createScheduler>['next']>[number];
type SchedulerEvent = Parameters<ReturnType<typeof createScheduler>['tell']>[0];

describe('audit', function () {
  this.timeout(120_000);
  const copy = (record: StudyRecord) => JSON.parse(JSON.stringify(record)) as StudyRecord;

  for (const [name, study] of studies) {
    it(`${name}: finds nothing in a record as it was made, and every number, text and truth that was changed`, async () => {
      const record = await run(study(7));
      assert.deepEqual(audit(copy(record)), []);
      const random = stream(3, name);
      for (const type of ['number', 'string', 'boolean']) {
        // Three of each kind: `trials.0.fate` and `trials.1.fate` are of one.
        const places = new Map<string, (readonly string[])[]>();
        for (const place of placesOf(record, type)) {
          const kind = place.filter((key) => !/^\d+$/.test(key)).join('.');
          places.set(kind, [...(places.get(kind) ?? []), place]);
        }
        for (const all of places.values()) {
          for (let i = 0; i < 3; i++) {
            const place = all[random.below(all.length)] as readonly string[];
            const changed = copy(record);
            change(changed, place);
            assert.ok(audit(changed).length > 0, `${place.join('.')} was changed unseen`);
          }
        }
      }
    });
  }

  it('names the first decision that does not follow', async () => {
    const swift = studies.find(([name]) => name === 'swift')?.[1](7);
    assert.ok(swift);
    const changed = copy(await run(swift));
    const decided = rounds(changed).filter(({ decision }) => (decision?.predictions.length ?? 0) > 0);
    assert.ok(decided.length > 1);
    for (const { decision } of decided) {
      const verdict = decision?.predictions[0] as { goesOn: boolean };
      verdict.goesOn = !verdict.goesOn;
    }
    const [first] = audit(changed);
    assert.equal(first?.of, `${decided[0]?.bracket}-r${decided[0]?.index}`);
    assert.match(first.says, /^The decisions of .* do not follow: at predictions\.0\.goesOn the record has/);
  });
});

/** Where the values of a type are in a JSON value. */
function placesOf(value: unknown, type: string, at: readonly string[] = []): (readonly string[])[] {
  if (typeof value === type) return [at];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inside]) => placesOf(inside, type, [...at, key]));
}

function change(value: unknown, [key = '', ...rest]: readonly string[]): void {
  const inside = value as Record<string, unknown>;
  const before = inside[key];
  if (rest.length > 0) change(before, rest);
  else if (typeof before === 'string') inside[key] = `${before.slice(0, -1)}${before.endsWith('0') ? '1' : '0'}`;
  else inside[key] = typeof before === 'boolean' ? !before : (before as number) + 1;
}

describe('recorded curves that diverge', function () {
  this.timeout(120_000);
  const sets = {
    full: { scheduler: { type: 'full', trials: 60, maxBudget: 50 } },
    'successive halving': { scheduler: { type: 'successiveHalving', trials: 120, R: 50, eta: 3 } },
    hyperband: { scheduler: { type: 'hyperband', R: 50, eta: 2 } },
    median: { scheduler: { type: 'hyperband', R: 50, eta: 2 }, pruner: 'median' },
    fast: { scheduler: { type: 'hyperband', R: 27, eta: 3 }, pruner: 'fast' },
    swift: { scheduler: { type: 'hyperband', R: 50, eta: 2 }, pruner: 'swift' },
    asha: { scheduler: { type: 'asha', trials: 300, R: 50, eta: 3 } },
    'swift-asha': { scheduler: { type: 'asha', trials: 300, R: 50, eta: 3 }, pruner: 'swift' },
  };
  for (const [name, settings] of Object.entries(sets)) {
    it(`${name} finishes, and no number of its record is NaN or infinite`, async function () {
      const replay = path.join(dataFolder(this), 'curves', 'taskset.csv');
      let diverged = 0;
      for (let seed = 0; seed < 3; seed++) {
        const record = await reference(
          studyOf({ name: 'taskset', seed, ...settings, trainer: { replay, columns: 'loss_' } })
        );
        assert.equal(record.result.ended, 'finished');
        assert.ok(record.result.best && record.result.best.budget === record.scheduler.maxBudget);
        assertFinite(record);
        diverged += record.result.fates.diverged;
      }
      assert.ok(diverged > 0, 'no trial diverged');
    });
  }
});

function assertFinite(value: unknown, at = 'record'): void {
  if (typeof value === 'number') assert.ok(Number.isFinite(value), `${at} is ${value}`);
  if (value === null || typeof value !== 'object') return;
  for (const [key, inside] of Object.entries(value)) {
    if (key !== 'config') assertFinite(inside, `${at}.${key}`);
  }
}
