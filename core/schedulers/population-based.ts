/**
 * Population-based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks", algorithm 1) in
 * synchronous generations: all trials train one interval, then the worst go on from the checkpoints of the best with
 * configurations near theirs. What it finds is a schedule of configurations rather than one.
 */
import { Plan } from '../engine/plan.js';
import type { Combination, SchedulerContext, SchedulerDefinition } from '../engine/scheduler.js';
import type { Exploit } from '../engine/work.js';
import type { Refusal } from '../options.js';
import { prunerOf } from '../pruners/index.js';
import { stream } from '../rng.js';
import type { Config } from '../settings.js';
import { explore } from '../space-explore.js';
import { maxBudget } from './options.js';
import { Rounds, type Closed, type Next } from './rounds.js';

/** What both forms of population-based training are told. */
export interface Population {
  /** The population. */
  readonly trials: number;
  /** R: epochs that every trial of the population trains. */
  readonly maxBudget: number;
  /** Epochs of a generation. */
  readonly interval: number;
  /** Share of the population that exploits, and of those who are exploited. @default 0.25 */
  readonly quantile: number;
  /** @default 0.25 */
  readonly resampleProbability: number;
  /** @default 1.2 */
  readonly factor: number;
}

export interface PopulationBasedScheduler extends Population {
  readonly type: 'populationBased';
}

/** Most generations and trials: a row of each generation and the configuration of each trial travel in one message. */
const maxGenerations = 1000;
const maxTrials = 500;

/** What both forms of population-based training are told, and where they part. */
export const population = {
  options: {
    trials: { kind: 'whole', min: 2, max: maxTrials, says: 'The population: how many trials train side by side.' },
    maxBudget,
    interval: {
      kind: 'whole',
      says: 'Epochs of a generation, after which the worst trials go on from the best ones; a tenth of R is a start.',
    },
    quantile: {
      kind: 'number',
      above: 0,
      max: 0.5,
      default: 0.25,
      says: 'The share of the population that exploits after a generation, and the share that is exploited.',
    },
    resampleProbability: {
      kind: 'number',
      min: 0,
      max: 1,
      default: 0.25,
      says: 'The chance of each parameter to be drawn anew, rather than perturbed, when a trial exploits another.',
    },
    factor: {
      kind: 'number',
      above: 1,
      default: 1.2,
      says: 'What a perturbed number is multiplied or divided by.',
    },
  },
  shapes: ({ trials, maxBudget: R, interval }: Population) => {
    const generations = Math.ceil(R / interval);
    return [{ s: 0, trials, rungs: Array.from({ length: generations }, (_, i) => Math.min((i + 1) * interval, R)) }];
  },
  kept: (_: Population, entered: number) => entered,
  refuse: (combination: Combination<Population>) => [...generationRules(combination), ...partnerRules(combination)],
} as const;

export const populationBased: SchedulerDefinition<PopulationBasedScheduler> = {
  ...population,
  title: 'population-based training',
  step: 'round',
  exploits: true,
  create(context, state) {
    const plan = new Plan({ definition: populationBased, settings: context.settings, pruner: context.study.pruner });
    const places = (round: { readonly trials: number }) => round.trials;
    const promote = (closed: Closed) => generation(context, closed);
    return new Rounds({ context, plan, together: false, places, promote, holds: true }, state);
  },
};

/** Everybody who has a loss goes on, the worst of them from the checkpoints of the best. */
function generation(context: SchedulerContext<PopulationBasedScheduler>, { round, ranking, configOf }: Closed): Next {
  const size = ranking.length;
  const share = shareOf(size, context.settings.quantile);
  const exploits = ranking.slice(size - share).map(({ trial }): Exploit => {
    const { donor: place, explored } = exploit(context, round.index, trial, share);
    const { trial: donor } = ranking[place] as (typeof ranking)[number];
    return { trial, donor, epoch: round.to, config: explored(configOf(donor)) };
  });
  const byTrial = (a: Exploit, b: Exploit) => a.trial - b.trial;
  return { promoted: ranking.map(({ trial }) => trial).sort((a, b) => a - b), exploits: exploits.sort(byTrial) };
}

/**
 * Truncation selection: how many of `size` results are the worst, each of which goes on from one of as
 * many best. With small populations at least one does; the best and the worst do not overlap.
 */
export function shareOf(size: number, quantile: number): number {
  // Without the trailing digits of a product of decimals.
  return Math.min(Math.ceil(size * quantile - 1e-9), Math.floor(size / 2));
}

/**
 * What a trial draws that exploits another one after a generation: which of `among` donors, with equal chances, and a
 * configuration near that one's.
 */
export function exploit(
  { settings, study }: SchedulerContext<Population>,
  generation: number,
  trial: number,
  among: number
): { readonly donor: number; readonly explored: (config: Config) => Config } {
  const random = stream(study.seed, 'population', generation, trial);
  const donor = random.below(among);
  return { donor, explored: (config) => explore(study.space, config, settings, random) };
}

function generationRules({ settings }: Combination<Population>): Refusal[] {
  const { interval, maxBudget: R } = settings;
  if (interval >= R) {
    const rule = `must be below maxBudget (${R}), or nobody ever learns from another; the scheduler full trains every trial to R`;
    return [{ path: 'scheduler.interval', value: interval, rule }];
  }
  if (Math.ceil(R / interval) <= maxGenerations) return [];
  const rule = `must be at least ${Math.ceil(R / maxGenerations)}: there are at most ${maxGenerations} generations`;
  return [{ path: 'scheduler.interval', value: interval, rule }];
}

/** What a trial that changes its configuration on the way cannot be together with. */
function partnerRules({ pruner, sampler, trainer }: Combination<Population>): Refusal[] {
  const refusals: Refusal[] = [];
  if (trainer?.type === 'replay') {
    const rule =
      'population-based training cannot use recorded curves: none was recorded under a changing configuration';
    refusals.push({ path: 'trainer', value: trainer.type, rule });
  }
  if (pruner && prunerOf(pruner).compares !== undefined) {
    const rule = 'must be none: population-based training replaces bad trials instead of stopping them';
    refusals.push({ path: 'pruner', value: pruner.type, rule });
  }
  if (sampler?.learns) {
    const rule = `the sampler ${sampler.name} learns from what a configuration came to, and population-based training changes configurations on the way: random, sobol and grid draw the first ones`;
    refusals.push({ path: 'sampler', value: sampler.name, rule });
  }
  return refusals;
}
