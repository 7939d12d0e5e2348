/** Random studies, small enough for a round, and what their trainers must come to. */
import { createSampler } from '../core/sampler.js';
import { runInMemory } from '../core/in-memory.js';
import { predict } from '../core/predictors/predict.js';
import type { StudyRecord } from '../core/record.js';
import type { Stream } from '../core/rng.js';
import { schedulerOf } from '../core/schedulers/index.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome } from '../core/trial.js';
import { readTable, replayed } from '../trainers/replay.js';
import { parseStudy } from '../study/parse.js';
import { diverges, nextLoss, type ChaosConfig } from './trainers/loss.mjs';

const trainerKinds = ['module', 'typescript', 'command', 'python', 'python-worker', 'replay'] as const;
type TrainerKind = (typeof trainerKinds)[number];

/** Most epochs of a curve: that of the generated table. */
const longest = 9;
/** Rows of the generated table; no study here draws more trials. */
const rows = 60;

/** A study as it was drawn: what is the same wherever it runs. */
export interface StudyPlan {
  readonly name: string;
  readonly seed: number;
  readonly trainer: TrainerKind;
  readonly scheduler: { readonly type: string; readonly [option: string]: unknown };
  readonly pruner: string | { readonly type: string; readonly [option: string]: unknown };
  readonly parallelism: number;
  readonly segmentEpochs: number | null;
  /** Milliseconds of an epoch. */
  readonly ms: number;
  /** Whether the trainer of some trials fails: never, the first time, or every time, until they are given up. */
  readonly failing: 'no' | 'once' | 'always';
}

/** Where a study runs, and its how manieth of that name it is. */
export interface Place {
  /** Folder of the trainers' files. */
  readonly trainers: string;
  /** Folder of the journals. */
  readonly journals: string;
  readonly python: string | null;
  readonly life: number;
}

/** The task queues of the Python workers and of the predictor elsewhere. */
export const queues = { python: 'chaos-python', predictor: 'chaos-predictor' } as const;

const schedulers: readonly ((random: Stream) => StudyPlan['scheduler'])[] = [
  (random) => ({
    type: 'hyperband',
    ...oneOf(random, [
      { R: 9, eta: 3 },
      { R: 8, eta: 2 },
      { R: 4, eta: 2 },
    ]),
    order: oneOf(random, ['sequential', 'together']),
  }),
  (random) => ({ type: 'asha', R: 9, eta: 3, trials: 8 + random.below(9) }),
  (random) => ({ type: 'successiveHalving', trials: 6 + random.below(7), R: oneOf(random, [4, 8]), eta: 2 }),
  () => ({ type: 'bohb', R: 9, eta: 3 }),
  (random) => ({ type: 'populationBased', trials: 4 + random.below(3), R: 8, interval: 2 }),
  (random) => ({ type: 'asyncPopulationBased', trials: 4 + random.below(3), R: 8, interval: 2 }),
  (random) => ({ type: 'full', trials: 4 + random.below(4), R: 4 + random.below(5) }),
];

const pruners: readonly StudyPlan['pruner'][] = [
  'none',
  'none',
  { type: 'swift', minCurves: 4 },
  { type: 'swift', minCurves: 4, predictor: 'svr-tail' },
  { type: 'swift', minCurves: 4, predictor: { type: 'activity', taskQueue: queues.predictor } },
  { type: 'median', minTrials: 3 },
  { type: 'fast', minCurves: 4 },
];

export function oneOf<T>(random: Stream, all: readonly T[]): T {
  return all[random.below(all.length)] as T;
}

/** A study that makes sense: what `parseStudy` refuses is drawn anew. */
export function drawStudy(random: Stream, name: string): StudyPlan {
  for (;;) {
    const plan: StudyPlan = {
      name,
      seed: random.below(1_000_000),
      trainer: oneOf(random, trainerKinds),
      scheduler: oneOf(random, schedulers)(random),
      pruner: oneOf(random, pruners),
      parallelism: 1 + random.below(5),
      segmentEpochs: oneOf(random, [null, null, 1, 2]),
      ms: oneOf(random, [60, 120, 200, 300]),
      failing: oneOf(random, ['no', 'no', 'no', 'once', 'once', 'always'] as const),
    };
    const place = { trainers: '/', journals: '/', python: 'python3', life: 1 };
    if (parseStudy(fileOf(plan, place), { baseDir: '/', checkFiles: false }).ok) return plan;
  }
}

/** The study file. A later life of the name is another study: with another seed and journal. */
export function fileOf(plan: StudyPlan, { trainers, journals, python, life }: Place): object {
  const { name, seed, scheduler, pruner, parallelism, segmentEpochs, ms, failing } = plan;
  const fixed = { ms, divergesAbove: 0.9, failing, journal: `${journals}/${name}-${life}.jsonl` };
  const space = {
    x: { float: [0.01, 1] },
    luck: { int: [0, 7] },
    ...Object.fromEntries(Object.entries(fixed).map(([key, value]) => [key, { fixed: value }])),
  };
  const trainer = {
    module: { module: `${trainers}/module.mjs` },
    typescript: { module: `${trainers}/typed.ts` },
    command: { command: [process.execPath, `${trainers}/line.mjs`] },
    // Without the Python environment, the same protocol is spoken by a program in JavaScript.
    python: { command: python ? [python, `${trainers}/script.py`] : [process.execPath, `${trainers}/line.mjs`] },
    'python-worker': python
      ? { activity: 'trainSegment', taskQueue: queues.python }
      : { module: `${trainers}/module.mjs` },
    replay: { replay: `${trainers}/curves.csv`, columns: 'loss_', secondsPerEpoch: ms / 1000 },
  }[plan.trainer];
  const always = failing === 'always' && plan.trainer !== 'replay';
  return {
    name,
    seed: seed + life - 1,
    ...(plan.trainer === 'replay' ? {} : { space }),
    scheduler,
    ...(scheduler.type === 'bohb' ? { sampler: { type: 'tpe', wave: 4 } } : {}),
    pruner,
    trainer,
    parallelism,
    training: {
      heartbeatSeconds: 4,
      graceSeconds: 4,
      // A trial is not to be given up because the checker has killed its trainer.
      attempts: always ? 2 : 15,
      backoffSeconds: 1,
      maxLosses: 50,
      parkSeconds: always ? 4 : 600,
      ...(segmentEpochs === null ? {} : { segmentEpochs }),
    },
  };
}

/** Whether the order of results decides, so that two runs need not be the same. */
export function isAsynchronous({ scheduler }: Pick<Study, 'scheduler'>): boolean {
  return schedulerOf(scheduler).step === 'rung';
}

/** Whether a decision of the study rests on a trainer that gives a trial up. */
export function givesUp({ failing, trainer }: StudyPlan): boolean {
  return failing === 'always' && trainer !== 'replay';
}

/** Whether a study asks a predictor on a queue of its own. */
export function asksElsewhere({ pruner }: StudyPlan): boolean {
  return typeof pruner === 'object' && typeof pruner['predictor'] === 'object';
}

/** A table of seeded power-law curves, as text. */
export function curvesTable(random: Stream): string {
  const head = Array.from({ length: longest }, (_, e) => `loss_${e + 1}`);
  const lines = Array.from({ length: rows }, () => {
    const [floor, height] = [random.uniform(), random.uniform()];
    return head.map((_, e) => floor + height / (e + 1)).join(',');
  });
  return [head.join(','), ...lines].join('\n');
}

/** What every undisturbed run of the study comes to. */
export function reference(study: Study): Promise<StudyRecord> {
  const { trainer } = study;
  const table = trainer.type === 'replay' ? readTable(trainer) : null;
  /** What a trial has learnt by an epoch: how far its checkpoint is, and its loss. */
  const states = new Map<string, number>();
  return runInMemory(study, {
    propose: createSampler(study, table?.rows ?? null).propose,
    train({ id, config, seed }, from, to, _round, source): SegmentOutcome {
      if (table) return replayed((table.values[Number(config['row'])] ?? []).slice(from, to));
      const own = config as unknown as ChaosConfig;
      let loss = from === 0 ? 1 : (states.get(source ? `${source.trial}@${source.epoch}` : `${id}@${from}`) as number);
      const values: number[] = [];
      for (let epoch = from + 1; epoch <= to; epoch++) {
        loss = nextLoss(loss, own, seed, epoch);
        if (diverges(own, epoch)) return { outcome: 'diverged', values, nonFinite: 'nan' };
        states.set(`${id}@${epoch}`, loss);
        values.push(loss);
      }
      return { outcome: 'completed', values };
    },
    predict(request) {
      if (request.predictor.type !== 'activity') return predict(request);
      return { outcome: 'predicted', losses: request.candidates.map((curve) => curve[request.epochs - 1] as number) };
    },
  });
}

/** Curves of a record that are not what the trainer makes of configuration, seed and lineage, one sentence for each. */
export function untrue(study: Study, record: StudyRecord): string[] {
  const { trainer } = study;
  const table = trainer.type === 'replay' ? readTable(trainer) : null;
  const byId = new Map(record.trials.map((trial) => [trial.id, trial]));
  const known = new Map<string, { readonly age: number; readonly loss: number }>();
  const stateOf = (id: string, epoch: number): { readonly age: number; readonly loss: number } => {
    const key = `${id} ${epoch}`;
    const found = known.get(key);
    if (found) return found;
    const trial = byId.get(id);
    if (!trial || epoch === 0) return { age: 0, loss: 1 };
    const { config, seed, lineage = [] } = trial;
    const taken = lineage.findLast((exploit) => exploit.epoch === epoch - 1);
    const before = taken ? stateOf(taken.donor, taken.donorEpoch ?? taken.epoch) : stateOf(id, epoch - 1);
    const own = (lineage.findLast((exploit) => exploit.epoch < epoch)?.config ?? config) as unknown as ChaosConfig;
    const age = before.age + 1;
    const state = { age, loss: nextLoss(before.loss, own, seed, age) };
    known.set(key, state);
    return state;
  };
  return record.trials.flatMap(({ id, values, config }) => {
    const at = values.findIndex((value, i) => {
      return value !== (table ? table.values[Number(config['row'])]?.[i] : stateOf(id, i + 1).loss);
    });
    return at === -1 ? [] : [`epoch ${at + 1} of ${id} is ${values[at]}, which its trainer never reported`];
  });
}
