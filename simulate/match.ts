/**
 * Epochs to match: a scheduler repeats its brackets for ever; where does the mean over seeds of its best final value so
 * far first reach what one Hyperband iteration (eta 2) has reached at its end, as a multiple of that iteration's epochs?
 * Below 1 is better than Hyperband.
 */
import { stream } from '../core/rng.js';

/** The grid's steps are hundredths of a Hyperband iteration. */
export const stepsPerIteration = 100;
/** Points of the grid: 0 to twice the epochs. */
export const gridPoints = 201;

/** A multiple of Hyperband's epochs; Infinity: not reached by twice the epochs. */
export interface Match {
  readonly multiple: number;
  /** Bounds of the 95 % interval, by bootstrap over seeds. */
  readonly low: number;
  readonly high: number;
  readonly seeds: number;
}

/** Resamples of the bootstrap. */
const resamples = 1000;

/**
 * `curves`: by seed, the best loss so far at the grid points. `targets`: by seed, the loss that Hyperband's best came
 * to. A resample takes both of a seed together, for they draw the same rows. Null without seeds.
 */
export function epochsToMatch(curves: readonly Float64Array[], targets: readonly number[]): Match | null {
  const seeds = Math.min(curves.length, targets.length);
  if (seeds === 0) return null;
  const columns = Array.from({ length: gridPoints }, (_, point) =>
    Float64Array.from({ length: seeds }, (_, seed) => (curves[seed] as Float64Array)[point] as number)
  );
  const goal = Float64Array.from(targets.slice(0, seeds));
  const weights = new Float64Array(seeds).fill(1);
  const multiple = firstBelow(columns, goal, weights);
  const random = stream(0, 'bootstrap');
  const found = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    weights.fill(0);
    for (let draw = 0; draw < seeds; draw++) (weights[random.below(seeds)] as number)++;
    found[i] = firstBelow(columns, goal, weights);
  }
  found.sort();
  const at = (share: number) => found[Math.round(share * (resamples - 1))] as number;
  return { multiple, low: at(0.025), high: at(0.975), seeds };
}

/** Means only fall along the grid, so that halving finds the first that has reached the goal. */
function firstBelow(columns: readonly Float64Array[], goal: Float64Array, weights: Float64Array): number {
  const target = sum(goal, weights);
  // A sum of equal numbers in another order differs in its last digits.
  const reached = (point: number) => {
    const total = sum(columns[point] as Float64Array, weights);
    return total - target <= 1e-12 * Math.abs(target);
  };
  let low = 0;
  let high = gridPoints;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached(middle)) high = middle;
    else low = middle + 1;
  }
  return low === gridPoints ? Infinity : low / stepsPerIteration;
}

function sum(values: Float64Array, weights: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    const weight = weights[i] as number;
    if (weight > 0) total += weight * (values[i] as number);
  }
  return total;
}
