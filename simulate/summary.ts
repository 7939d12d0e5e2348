/** Means over seeds with 95 % intervals, by bootstrap: nothing is assumed of how values are spread. */
import { modeOf } from '../core/objectives/index.js';
import { stream } from '../core/rng.js';
import { matched, type Comparison, type Run } from './comparison.js';
import { epochsToMatch, gridPoints, type Match } from './match.js';
import type { Measures } from './measures.js';
import { yardstick } from './algorithms.js';

export interface Mean {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export interface Summary {
  readonly algorithm: string;
  readonly seeds: number;
  readonly epochs: Mean;
  /** Of the epochs of one Hyperband iteration with the comparison's eta. */
  readonly share: number;
  /** Over the seeds in which a trial reached R; null when there are none. */
  readonly value: Mean | null;
  readonly regret: Mean | null;
  readonly rank: Mean | null;
  readonly hours: Mean;
  readonly busy: number;
  /** Means per run. */
  readonly stopped: number;
  readonly wrongStops: number;
  readonly predictorsTrained: number;
  readonly failures: number;
  /** Null when it was not followed. */
  readonly match: Match | null;
  /** By hundredths of a Hyperband iteration (eta 2), the mean best metric so far; null until every seed has one. */
  readonly anytime: readonly (number | null)[] | null;
}

export function summarise(comparison: Comparison, runs: readonly Run[]): Summary[] {
  const { contestants, setting } = comparison;
  const of = (contestant: number) => runs.filter((run) => run.contestant === contestant);
  const first = contestants.findIndex(({ name, shown }) => name === matched && !shown);
  const targets = new Map(of(first).map(({ seed, measures }) => [seed, measures.value]));
  const unit = yardstick(setting.maxBudget, setting.eta).epochs;
  return contestants.flatMap(({ name, shown }, contestant): Summary[] => {
    const own = of(contestant);
    if (!shown || own.length === 0) return [];
    const mean = (key: 'epochs' | 'value' | 'regret' | 'rank') => meanOf(numbers(own, key));
    const average = (key: keyof Measures) => (meanOf(numbers(own, key)) as Mean).mean;
    const epochs = mean('epochs') as Mean;
    const followed = own.flatMap(({ seed, curve }) => {
      const target = targets.get(seed);
      return curve && target !== undefined && target !== null
        ? [{ curve, target: modeOf(setting.objective).loss(target) }]
        : [];
    });
    return [
      {
        algorithm: name,
        seeds: own.length,
        epochs,
        share: epochs.mean / unit,
        value: mean('value'),
        regret: mean('regret'),
        rank: mean('rank'),
        hours: meanOf(numbers(own, 'seconds').map((seconds) => seconds / 3600)) as Mean,
        busy: average('busy'),
        stopped: average('stopped'),
        wrongStops: average('wrongStops'),
        predictorsTrained: average('predictorsTrained'),
        failures: average('failures'),
        match: epochsToMatch(
          followed.map(({ curve }) => curve),
          followed.map(({ target }) => target)
        ),
        anytime:
          followed.length === 0
            ? null
            : Array.from({ length: gridPoints }, (_, point) => {
                const sum = followed.reduce((total, { curve }) => total + (curve[point] as number), 0);
                const value = modeOf(setting.objective).value(sum / followed.length);
                return Number.isFinite(value) ? value : null;
              }),
      },
    ];
  });
}

function numbers(runs: readonly Run[], key: keyof Measures): number[] {
  return runs.map((run) => run.measures[key]).filter((value) => value !== null);
}

const resamples = 1000;

/** Null for no values. */
export function meanOf(values: readonly number[]): Mean | null {
  const n = values.length;
  if (n === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (values.every((value) => value === values[0])) return { mean: values[0] as number, low: mean, high: mean };
  const random = stream(0, 'bootstrap');
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let draw = 0; draw < n; draw++) sum += values[random.below(n)] as number;
    means[i] = sum / n;
  }
  means.sort();
  const at = (share: number) => means[Math.round(share * (resamples - 1))] as number;
  return { mean, low: at(0.025), high: at(0.975) };
}
