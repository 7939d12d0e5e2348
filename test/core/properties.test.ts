import assert from 'node:assert/strict';
import path from 'node:path';
import fc from 'fast-check';
import type { AshaJob, AshaState } from '../../core/asha.js';
import {
  Asha,
  canonicalJson,
  createSampler,
  defineStudy,
  planStudy,
  predict,
  runInMemory,
  type PredictionRequest,
  type RoundRecord,
  type SegmentOutcome,
  type Study,
  type StudyRecord,
  type Trial,
} from '../../core/index.js';
import { AshaRun, type AshaResult } from '../../core/run-asha.js';
import { stream } from '../../core/rng.js';
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
const predictors = fc.constantFrom(
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
        predictors,
        seeds,
        fc.option(fc.integer({ min: 1, max: 400 })),
        async (scheduler, predictor, seed, limit) => {
          const limits = limit === null ? {} : { epochs: limit };
          const study = defineStudy({ space, scheduler, predictor, seed, limits, parallelism: 3 });
          const record = await run(study);
          const plan = planStudy(study.scheduler, study.predictor);
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

  it('trains models on finite curves that reached the rung, and asks about finite ones', async () => {
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
          assert.ok(bracket?.order);
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

  it('goes on from its state, written and read at any moment, as if nothing had happened', () =>
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 8 }), (seed, workers) => {
        const study = defineStudy({ space, scheduler: { type: 'asha', trials: 80, maxBudget: 27 }, seed });
        const whole = new Asha(study);
        let broken = new Asha(study);
        const random = stream(seed, 'moments');
        const out: AshaJob[] = [];
        for (;;) {
          while (out.length < workers) {
            const job = whole.next();
            assert.deepEqual(broken.next(), job);
            if (job === null || job === 'epochLimit') break;
            out.push(job);
          }
          const [job] = out.splice(Math.floor(random.uniform() * out.length), 1);
          if (!job) break;
          const value = random.uniform() < 0.1 ? null : Math.round(8 * random.uniform());
          for (const one of [whole, broken]) one.tell(job, value, 1);
          if (random.uniform() < 0.5) broken = new Asha(study, JSON.parse(JSON.stringify(broken.state)) as AshaState);
          assert.deepEqual(broken.state, whole.state);
        }
      }),
      { numRuns: 40 }
    ));

  for (const [name, study] of studies.filter(([one]) => one in asynchronous)) {
    it(`${name}: interrupted anywhere and gone on from its state, it ends the same`, () =>
      fc.assert(
        fc.asyncProperty(seeds, fc.integer({ min: 0, max: 60 }), async (seed, moment) => {
          const whole = await driven(study(seed), seed, null, []);
          assert.equal(whole.result.ended, 'finished');
          const first = await driven(study(seed), seed, null, whole.order.slice(0, moment), true);
          assert.equal(first.result.ended, null);
          const state = JSON.parse(JSON.stringify(first.result.state)) as AshaState;
          const rest = await driven(study(seed), seed, state, whole.order.slice(moment));
          assert.deepEqual(rest.result, whole.result);
          assert.deepEqual([...first.events, ...rest.events], whole.events);
        }),
        runs
      ));
  }

  /** Runs ASHA with training that ends in `order`, then in a drawn one, or is interrupted there. */
  async function driven(
    study: Study,
    seed: number,
    state: AshaState | null,
    order: readonly string[],
    interrupt = false
  ) {
    const random = stream(seed, 'ends');
    const events: string[] = [];
    const told: string[] = [];
    const open = new Map<string, { resolve: (outcome: SegmentOutcome) => void; outcome: SegmentOutcome }>();
    const sampler = createSampler(study, null);
    const trials = sampler.propose({ bracket: 'b3', offset: 0, count: 60 }).trials;
    let result: AshaResult | null = null;
    const ashaRun = new AshaRun(
      study,
      {
        slots: () => study.parallelism,
        propose: () => Promise.resolve(),
        train: ({ index }, _round, from, to) => {
          const outcome = segment(trials[index] as Trial, from, to);
          return new Promise((resolve) => open.set(`${index}@${from}`, { resolve, outcome }));
        },
        predict: (request) => Promise.resolve(predict(request)),
        happened: (event) => void events.push(event),
        closed: () => undefined,
        halt: () => undefined,
      },
      state
    );
    void ashaRun.run().then((ended) => (result = ended));
    for (;;) {
      await turn();
      if (result) return { result: result as AshaResult, events, order: told };
      if (interrupt && told.length === order.length) {
        for (const { resolve } of open.values()) resolve({ outcome: 'unfinished', values: [] });
        open.clear();
        continue;
      }
      const key = order[told.length] ?? [...open.keys()].sort()[Math.floor(random.uniform() * open.size)];
      const flight = open.get(key ?? '');
      assert.ok(key !== undefined && flight, `${key ?? 'nothing'} is not out`);
      open.delete(key);
      told.push(key);
      flight.resolve(flight.outcome);
    }
  }
});

describe('recorded curves that diverge', function () {
  this.timeout(120_000);
  const sets = {
    full: { scheduler: { type: 'full', trials: 60, maxBudget: 50 } },
    'successive halving': { scheduler: { type: 'successiveHalving', trials: 120, R: 50, eta: 3 } },
    hyperband: { scheduler: { type: 'hyperband', R: 50, eta: 2 } },
    median: { scheduler: { type: 'hyperband', R: 50, eta: 2 }, predictor: 'median' },
    fast: { scheduler: { type: 'hyperband', R: 27, eta: 3 }, predictor: 'fast' },
    swift: { scheduler: { type: 'hyperband', R: 50, eta: 2 }, predictor: 'swift' },
    asha: { scheduler: { type: 'asha', trials: 300, R: 50, eta: 3 } },
    'swift-asha': { scheduler: { type: 'asha', trials: 300, R: 50, eta: 3 }, predictor: 'swift' },
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
