/** Objectives and a pruner that look at more than one metric, each invented here in one file's worth of code. */
import assert from 'node:assert/strict';
import { cut, GrowingCurve, type Curve, type Numbers } from '../../core/curve.js';
import { better } from '../../core/engine/best.js';
import { createScheduler } from '../../core/engine/create.js';
import type { PrunerDefinition } from '../../core/engine/pruner.js';
import { Fold, segmentOf } from '../../core/fold.js';
import {
  audit,
  canonicalJson,
  createSampler,
  createStudy,
  defineStudy,
  predict,
  runInMemory,
  type SegmentOutcome,
  type Study,
  type StudyInput,
  type StudyRecord,
  type Trial,
} from '../../core/index.js';
import { lateVerdict } from '../../core/late.js';
import type { ObjectiveDefinition, Result } from '../../core/objectives/definition.js';
import { curveProblem } from '../../core/metrics.js';
import { objectives } from '../../core/objectives/index.js';
import { pruners } from '../../core/pruners/index.js';
import { digestsOf } from '../../core/record.js';
import { takeUp } from '../../core/recover.js';
import { Rung } from '../../core/schedulers/rung.js';
import { drive } from './drive.js';

interface WithinObjective {
  readonly metric: string;
  readonly mode: 'within';
  readonly limited: string;
  readonly atMost: number;
}

/** How much a result exceeds the limit; what is no number exceeds it by more than any. */
const excess = ({ limited, atMost }: WithinObjective, { metrics }: Result): number => {
  const number = metrics?.[limited] ?? null;
  return number === null ? Number.MAX_VALUE : Math.max(0, number - atMost);
};

/** The smaller the metric, the better, as long as another one is within its limit. */
const within: ObjectiveDefinition<WithinObjective> = {
  spellings: [],
  options: {
    limited: { kind: 'text', says: 'The metric that has a limit.' },
    atMost: { kind: 'number', says: 'Its limit.' },
  },
  loss: (value) => value,
  value: (loss) => loss,
  metrics: ({ limited }) => [limited],
  compare: (settings, a, b) => excess(settings, a) - excess(settings, b) || a.loss - b.loss,
  counts: (settings, result) => excess(settings, result) === 0,
};

/** The same without a limit: the other metric is but kept. */
const noting: ObjectiveDefinition<{ readonly metric: string; readonly mode: 'noting' }> = {
  ...{ spellings: [], options: {}, loss: within.loss, value: within.value },
  metrics: () => ['latency'],
};

/** Whoever takes too long at half of the way stops. */
const slow: PrunerDefinition<{ readonly type: 'slow'; readonly limit: number }> = {
  options: { limit: { kind: 'number', says: 'The most milliseconds.' } },
  describe: () => 'without the slow',
  decisionPoint: () => null,
  points: () => [],
  predictor: () => null,
  metrics: () => ['latency'],
  *run(round, { limit }) {
    const { from, to } = round.group;
    const half = from + Math.ceil((to - from) / 2);
    yield* round.open(() => half);
    for (const trial of round.trials) {
      if (trial.end === 'rung' && (trial.result().metrics?.['latency'] ?? Infinity) > limit) trial.end = 'stopped';
    }
    yield* round.train(round.trials.filter(({ end }) => end === 'rung').map((trial) => [trial, to]));
    return null;
  },
};

const space = { x: { type: 'float', low: 0, high: 1 }, width: { type: 'float', low: 0, high: 1 } } as const;
const objective = { mode: 'within', metric: 'loss', limited: 'latency', atMost: 12 } as unknown as Study['objective'];
const hyperband = { type: 'hyperband', maxBudget: 9, eta: 3 } as const;
const asha = { type: 'asha', trials: 24, maxBudget: 9, eta: 3 } as const;

/** The wider, the smaller the loss, and the slower; a tenth of the trials does not know how slow. */
function train({ config, index }: Pick<Trial, 'config' | 'index'>, from: number, to: number): SegmentOutcome {
  const { x, width } = config as { x: number; width: number };
  const epochs = Array.from({ length: to - from }, (_, i) => from + 1 + i);
  return {
    outcome: 'completed',
    values: epochs.map((epoch) => 1 - width + x / 10 + 1 / epoch),
    metrics: { latency: epochs.map((epoch) => (index % 10 === 9 ? null : 20 * width + epoch / 100)) },
  };
}

function inMemory(
  study: Study,
  trainer: (...asked: Parameters<typeof train>) => SegmentOutcome = train
): Promise<StudyRecord> {
  const sampler = createSampler(study, null);
  return runInMemory(study, {
    propose: (request) => sampler.propose(request),
    train: (trial, from, to) => trainer(trial, from, to),
    predict,
  });
}

describe('a study that names further metrics', () => {
  const [known, prunes] = [objectives, pruners] as unknown as Record<string, unknown>[];
  before(() => {
    (known as Record<string, unknown>)['within'] = within;
    (known as Record<string, unknown>)['noting'] = noting;
    (prunes as Record<string, unknown>)['slow'] = slow;
  });
  after(() => {
    delete known?.['within'];
    delete known?.['noting'];
    delete prunes?.['slow'];
  });
  const studyOf = (input: Partial<StudyInput> = {}) =>
    defineStudy({ seed: 3, space, objective, scheduler: hyperband, ...input });
  const latencyOf = (record: StudyRecord, id: string, epoch: number) =>
    record.trials.find((trial) => trial.id === id)?.metrics?.['latency']?.[epoch - 1] ?? Infinity;

  for (const scheduler of [
    hyperband,
    asha,
    { type: 'populationBased', trials: 10, maxBudget: 9, interval: 3 },
    { type: 'asyncPopulationBased', trials: 10, maxBudget: 9, interval: 3 },
  ] as const) {
    it(`ranks by what the objective compares, keeps all of it and can be audited: ${scheduler.type}`, async () => {
      const study = studyOf({ scheduler });
      const record = await inMemory(study);
      const { best } = record.result;
      assert.ok(best);
      const latency = best.metrics?.['latency'];
      assert.ok(typeof latency === 'number' && latency <= 12, `${latency} ms`);
      assert.equal(latency, latencyOf(record, best.trial, best.budget));
      const rankings = record.brackets.flatMap(({ rounds }) => rounds.map(({ ranking }) => ranking));
      const smaller = rankings.filter(([first, ...others]) => others.some(({ value }) => value < (first?.value ?? 0)));
      assert.ok(smaller.length > 0, 'the smallest loss alone would decide the same');
      for (const { rounds } of record.brackets) {
        for (const { ranking, to, promoted } of rounds) {
          const first = ranking.slice(0, promoted.length).map(({ trial }) => trial);
          if (scheduler !== asha) assert.deepEqual([...promoted].sort(), first.sort());
          const over = ranking.map(({ trial }) => latencyOf(record, trial, to) > 12);
          assert.ok(over.lastIndexOf(false) < (over.indexOf(true) + 1 || Infinity), `${over.join()} at ${to}`);
        }
      }
      for (const trial of record.trials) {
        assert.equal(trial.metrics?.['latency']?.length, trial.values.length);
        for (const { donor, epoch, donorEpoch = epoch } of trial.lineage ?? []) {
          const over = (id: string, at: number) => Math.max(0, latencyOf(record, id, at) - 12);
          assert.ok(over(donor, donorEpoch) <= over(trial.id, epoch), `${trial.id} went on from ${donor}`);
        }
      }
      assert.deepEqual(audit(record), []);
      const again = JSON.parse(canonicalJson(record)) as StudyRecord;
      assert.deepEqual(audit(again), []);
    });
  }

  it('knows the better of two results of one budget by it', () => {
    const best = (value: number, latency: number) => ({ trial: 'b0-t000', value, budget: 9, metrics: { latency } });
    assert.equal(better(objective, best(0.1, 13), best(0.9, 11))?.value, 0.9);
    assert.equal(better(objective, best(0.9, 11), best(0.1, 13))?.value, 0.9);
    assert.equal(better(objective, best(0.9, 11), best(0.1, 11))?.value, 0.1);
    assert.equal(better(objective, { ...best(0.9, 99), budget: 27 }, best(0.1, 1))?.value, 0.9, 'the larger budget');
  });

  it('keeps them of a trial alone whose pruner has settled it, over to another machine', () => {
    const given = { mode: 'noting' } as unknown as Study['objective'];
    for (const pruner of ['median', 'swift'] as const) {
      const study = studyOf({ scheduler: { ...asha, trials: 40 }, pruner, objective: given });
      const record = drive(study, { order: 4, train, restore: () => true });
      assert.deepEqual(audit(record), []);
      assert.ok(record.trials.some(({ values }) => values.length > 1));
      for (const trial of record.trials) {
        const { metrics } = train(trial, 0, trial.values.length);
        assert.deepEqual(trial.metrics, metrics, `${trial.id} with ${pruner}`);
      }
    }
  });

  it('decides the same in whatever order results come, and whichever machine takes over', () => {
    const study = studyOf();
    const one = canonicalJson(drive(study, { order: 1, train }));
    let left = 7;
    const restored = drive(study, { order: 2, train, free: () => 2, restore: () => --left % 3 === 0 });
    assert.equal(canonicalJson(restored), one);
  });

  it('carries them over to another machine where trials come to rungs one by one', () => {
    const population = { type: 'asyncPopulationBased', trials: 10, maxBudget: 9, interval: 3 } as const;
    for (const scheduler of [asha, population]) {
      const study = studyOf({ scheduler });
      const record = drive(study, { order: 1, train, restore: () => true });
      assert.deepEqual(audit(record), []);
      assert.ok((record.result.best?.metrics?.['latency'] as number) <= 12);
      assert.equal(canonicalJson(record), canonicalJson(drive(study, { order: 1, train })));
    }
  });

  it('finds a number of theirs that was changed', async () => {
    const record = await inMemory(studyOf());
    const change = (to: (number: number) => number, digests: boolean): StudyRecord => {
      const changed = JSON.parse(canonicalJson(record)) as StudyRecord;
      const promoted = new Set(changed.brackets[0]?.rounds[0]?.promoted);
      const trial = changed.trials.find(({ id }) => promoted.has(id));
      const numbers = trial?.metrics?.['latency'] as number[];
      numbers.forEach((number, i) => (numbers[i] = to(number)));
      return digests ? { ...changed, digests: digestsOf(changed) } : changed;
    };
    assert.match(audit(change((number) => number + 1e-9, false))[0]?.says ?? '', /The digest of b\d-r\d is another/);
    assert.match(audit(change(() => 99, true))[0]?.says ?? '', /^The ranks of b2-r0 do not follow/);
  });

  it('stops at a target only with a result that counts', async () => {
    const record = await inMemory(studyOf({ limits: { target: 0.75 } }));
    const { best, ended } = record.result;
    assert.equal(ended, 'target');
    assert.ok(best && best.value <= 0.75 && (best.metrics?.['latency'] as number) <= 12, JSON.stringify(best));
    const nobody = { ...objective, atMost: -1 } as unknown as Study['objective'];
    for (const scheduler of [hyperband, asha]) {
      const whole = await inMemory(studyOf({ limits: { target: 1.2 }, objective: nobody, scheduler }));
      assert.equal(whole.result.ended, 'finished', 'no result is within the limit');
      assert.ok(whole.trials.some(({ values }) => (values.at(-1) ?? 2) <= 1.2));
    }
    // Whoever counts need not be the first in rank.
    const unordered = { ...within, compare: undefined };
    (known as Record<string, unknown>)['within'] = {
      ...unordered,
      counts: (_one: unknown, { loss }: Result) => loss > 1.15,
    };
    try {
      const second = await inMemory(studyOf({ limits: { target: 1.2 } }));
      assert.equal(second.result.ended, 'target');
    } finally {
      (known as Record<string, unknown>)['within'] = within;
    }
  });

  it('teaches a sampler what the objective compares', async () => {
    const study = studyOf({ sampler: 'tpe', scheduler: { type: 'full', trials: 60, maxBudget: 3 } });
    const record = await inMemory(study);
    const wide = (trials: StudyRecord['trials']) =>
      trials.filter(({ config }) => (config['width'] as number) > 0.6).length / trials.length;
    const late = record.trials.slice(30);
    assert.ok(wide(late) < 0.3, `${wide(late)} of the later trials exceed the limit`);
    const free = await inMemory(
      studyOf({ sampler: 'tpe', scheduler: { type: 'full', trials: 60, maxBudget: 3 }, objective: {} }),
      (...asked) => ({ outcome: 'completed', values: train(...asked).values })
    );
    assert.ok(wide(free.trials.slice(30)) > 0.6, 'without the limit it goes there');
  });

  it('lets a pruner stop trials by a metric that it names', async () => {
    const pruner = { type: 'slow', limit: 12 } as unknown as Study['pruner'];
    const record = await inMemory(studyOf({ pruner, objective: {}, scheduler: hyperband }));
    assert.ok(record.result.fates.stopped > 3);
    for (const trial of record.trials) {
      const last = trial.metrics?.['latency']?.at(-1) ?? null;
      assert.equal(trial.fate === 'stopped', last === null || last > 12, trial.id);
    }
    assert.deepEqual(audit(record), []);
  });

  it('is told of by ask and tell, and refuses what lacks them', async () => {
    const study = studyOf();
    const asked = createStudy(study);
    const job = await asked.ask();
    assert.ok(job);
    const values = Array.from({ length: job.to - job.from }, () => 0.5);
    const rejects = (result: Parameters<typeof asked.tell>[1], message: RegExp) =>
      assert.rejects(asked.tell(job, result), message);
    await rejects(
      values,
      /trial b2-t000 must have 1 numbers of the metric "latency", which the study names, and has 0/
    );
    await rejects({ values, metrics: { latency: [1], memory: [2] } }, /the metric "memory", which neither/);
    await rejects({ values, metrics: { latency: [1, 2] } }, /must have 1 numbers of the metric "latency".* and has 2/);
    await asked.tell(job, { values, metrics: { latency: [NaN] } });
    const [, told] = asked.events;
    assert.deepEqual(told && 'outcome' in told && told.outcome.metrics, { latency: [null] });
    for (let next = await asked.ask(); next; next = await asked.ask()) {
      const trial = { config: next.config, index: Number(next.trial.slice(-3)) } as Trial;
      await asked.tell(next, train(trial, next.from, next.to));
    }
    assert.deepEqual(audit(await asked.record), []);
    await assert.rejects(
      inMemory(study, () => ({ outcome: 'completed', values: [1] })),
      /what trial b2-t000 has reported must have 1 numbers of the metric "latency"/
    );
  });

  it('takes no curve from a worker that lacks something or has something else', () => {
    const problem = (curve: unknown, names = ['latency']) => curveProblem(curve as Curve, names);
    assert.equal(problem({ values: [1, 2], metrics: { latency: [3, null] } }), null);
    assert.equal(problem({ values: [1], metrics: null }, []), null, 'as some languages say that there are none');
    assert.match(problem({ values: [1], metrics: null }) ?? '', /must have 1 numbers of the metric "latency".* has 0/);
    assert.match(problem({ values: ['1'], metrics: { latency: [1] } }) ?? '', /a value that is no finite number/);
    assert.match(problem({ values: [1], metrics: { latency: ['1'] } }) ?? '', /something else than finite numbers/);
    assert.match(problem({ values: [1], metrics: { latency: 'x' } }) ?? '', /and has 0/);
    assert.match(problem({ values: [1] }, ['constructor']) ?? '', /numbers of the metric "constructor".* has 0/);
    const whole = new GrowingCurve({ values: [1], metrics: JSON.parse('{"__proto__":[2]}') as Curve['metrics'] });
    whole.push(3, JSON.parse('{"__proto__":4}') as Numbers);
    assert.equal(JSON.stringify(cut(whole, 0)), '{"values":[1,3],"metrics":{"__proto__":[2,4]}}');
  });

  it('is recovered with them', async () => {
    const study = studyOf();
    const record = await inMemory(study);
    const trials = new Map(record.trials.map((trial) => [trial.id, trial]));
    const fold = new Fold(study, {
      proposal: ({ bracket, first, count }) => ({
        ...{ duplicatesAvoided: 0, duplicatesKept: 0 },
        trials: record.trials
          .filter((one) => one.bracket === bracket && one.index >= first && one.index < first + count)
          .map((one) => ({ ...one, globalIndex: 0 })),
      }),
      segment: (_, task) => {
        const trial = trials.get(task.trial);
        return trial ? segmentOf(task, { base: 0, curve: trial, end: null }) : null;
      },
      answers: () => [],
    });
    fold.rounds(null);
    const closed = fold.run.closed.slice(0, 3);
    const taken = takeUp(study, {
      ...{ closed, entered: [], log: [], stop: null, parallelism: 4, ended: () => null },
      recorded: {
        proposal: (task) => (task.bracket === 'b2' ? fold['recorded'].proposal(task) : null),
        segment: (group, task) =>
          closed.some(({ id }) => id === group.id) ? fold['recorded'].segment(group, task) : null,
        answers: () => [],
      },
    });
    const { best } = createScheduler(study, taken.scheduler).view();
    assert.equal(best?.metrics?.['latency'], latencyOf(record, best?.trial ?? '', 9));
  });

  it('judges late trials by what the objective compares', async () => {
    const record = await inMemory(studyOf());
    const late = { bracket: 'b2', index: 0 };
    assert.equal(lateVerdict(record, late, 0, { value: 0, metrics: { latency: 13 } }, true), 'outranked');
    assert.equal(lateVerdict(record, late, 0, { value: 0, metrics: { latency: 11 } }, true), 'promoted');
  });

  it('keeps a rung by rank over its state', () => {
    const compare = (a: Result, b: Result) => within.compare?.(objective as unknown as WithinObjective, a, b) ?? 0;
    const rung = new Rung(2, compare, 10);
    rung.add(0, { loss: 0.1, metrics: { latency: 50 } });
    rung.add(1, { loss: 0.9, metrics: { latency: 5 } });
    rung.add(2, { loss: 0.2, metrics: { latency: null } });
    rung.add(3, { loss: 0.8, metrics: { latency: 7 } });
    const again = new Rung(2, compare, 10, JSON.parse(JSON.stringify(rung.state)) as Rung['state']);
    assert.deepEqual(again.state, rung.state);
    const order: number[] = [];
    for (let next = again.promotable(); next !== null; next = again.promotable()) {
      order.push(next);
      again.promote(next);
    }
    assert.deepEqual(order, [3, 1]);
    again.add(4, { loss: 0, metrics: { latency: 51 } });
    again.add(5, null);
    assert.equal(again.promotable(), 0, 'the one that exceeds the limit least');
  });

  it('is refused where it makes no sense', () => {
    const refuses = (input: Partial<StudyInput>, message: RegExp) => assert.throws(() => studyOf(input), message);
    refuses({ pruner: 'swift' }, /pruner is "swift": must be none: the objective within compares trials by more/);
    const given = (more: object) => ({ ...objective, ...more }) as Study['objective'];
    refuses(
      { objective: given({ limited: 'epoch' }) },
      /objective is "epoch": no metric is called epoch or checkpoint/
    );
    refuses({ objective: given({ limited: 'loss' }) }, /objective is "loss": is the objective's own metric/);
    refuses({ objective: given({ limited: 'x'.repeat(65) }) }, /the name of a metric has 1 to 64 characters/);
    refuses({ objective: given({ mode: 'best' }) }, /objective.mode is "best": must be one of minimise, maximise/);
    refuses({ objective: given({ atMost: 'much' }) }, /objective.atMost is "much": must be a number/);
    refuses({ objective: given({ atLeast: 3 }) }, /objective.atLeast is 3: is no option of the objective within/);
    refuses(
      { scheduler: { ...asha, trials: 90_000, eta: 2 } },
      /scheduler.trials is 90000: must be at most \d+ with eta 2 and 1 further metrics \(latency\)/
    );
  });
});
