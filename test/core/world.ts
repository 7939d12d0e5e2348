/** A made-up trainer: every configuration has one curve for ever, some of them diverge. */
import { createSampler, predict, type InMemoryEffects, type SegmentOutcome, type Study } from '../../core/index.js';
import { defineStudy, type StudyInput } from '../../core/index.js';
import { exp } from '../../core/math.js';
import { stream } from '../../core/rng.js';
import type { Trial } from '../../core/trial.js';

/** Loss after epoch 1 ... `epochs`: falls towards a level of its own, with noise; about one in six becomes NaN within 20 epochs. */
export function curveOf(trial: Pick<Trial, 'seed' | 'config'>, epochs: number): number[] {
  const random = stream(trial.seed, 'curve');
  const level = Math.abs(Number(trial.config['x'] ?? random.uniform()) - 0.3) + 0.2 * random.uniform();
  const rate = 0.05 + random.uniform() / 3;
  const diverges = random.uniform() < 1 / 6 ? Math.floor(random.uniform() * 20) : Infinity;
  return Array.from({ length: epochs }, (_, i) => {
    const noise = 0.02 * random.uniform();
    return i >= diverges ? NaN : level + exp(-rate * (i + 1)) + noise;
  });
}

export function segment(trial: Pick<Trial, 'seed' | 'config'>, from: number, to: number): SegmentOutcome {
  const values = curveOf(trial, 81).slice(from, to);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad === -1) return { outcome: 'completed', values };
  return { outcome: 'diverged', values: values.slice(0, bad), nonFinite: 'nan' };
}

export function effectsOf(study: Study, train: InMemoryEffects['train'] = segment): InMemoryEffects {
  const sampler = createSampler(study, null);
  return { propose: (request) => sampler.propose(request), train, predict };
}

const space = { x: { type: 'float', low: 0, high: 1 }, y: { type: 'choice', values: ['a', 'b', 'c'] } } as const;
const hyperband = { type: 'hyperband', maxBudget: 27 } as const;
const asha = { type: 'asha', trials: 60, maxBudget: 27 } as const;

/** One study per algorithm; with small demands, so that every rule decides something in a small study. */
const synchronous: Readonly<Record<string, StudyInput>> = {
  full: { space, scheduler: { type: 'full', trials: 12, maxBudget: 9 } },
  'successive halving': { space, scheduler: { type: 'successiveHalving', trials: 27, maxBudget: 27 } },
  hyperband: { space, scheduler: hyperband },
  'hyperband, brackets together': { space, scheduler: { ...hyperband, order: 'together' } },
  bohb: { space, scheduler: hyperband, sampler: 'tpe' },
  median: { space, scheduler: hyperband, pruner: 'median' },
  swift: { space, scheduler: hyperband, pruner: { type: 'swift', minCurves: 5 } },
  fast: { space, scheduler: { ...hyperband, maxBudget: 9 }, pruner: { type: 'fast', minCurves: 5 } },
  'population-based training': {
    space,
    scheduler: { type: 'populationBased', trials: 12, maxBudget: 10, interval: 3 },
  },
};
export const asynchronous: Readonly<Record<string, StudyInput>> = {
  asha: { space, scheduler: asha },
  'asynchronous population-based training': {
    space,
    scheduler: { type: 'asyncPopulationBased', trials: 12, maxBudget: 10, interval: 3 },
  },
  'asha, median': { space, scheduler: asha, pruner: 'median' },
  'swift-asha': { space, scheduler: asha, pruner: { type: 'swift', minCurves: 5 } },
};

export const studies = Object.entries({ ...synchronous, ...asynchronous }).map(
  ([name, settings]) => [name, (seed: number) => defineStudy({ name: 'world', ...settings, seed })] as const
);
