/** How long an epoch takes on the virtual cluster. */
import { exp, log } from '../core/math.js';
import { stream } from '../core/rng.js';
import type { Trial } from '../core/trial.js';

export type EpochSeconds =
  | { readonly type: 'fixed'; readonly seconds: number }
  /** Every trial draws its own epoch length: the median times e^(sigma z), z standard normal. */
  | { readonly type: 'lognormal'; readonly median: number; readonly sigma: number }
  /** A numeric column of the curves, in seconds. */
  | { readonly type: 'column'; readonly column: string };

/**
 * Seconds an epoch of `trial` takes on a worker of normal speed.
 *
 * @throws RangeError when the column does not hold a positive number for the trial's row
 */
export function secondsPerEpoch(trial: Trial, duration: EpochSeconds, seed: number): number {
  switch (duration.type) {
    case 'fixed':
      return duration.seconds;
    case 'lognormal':
      return duration.median * exp(duration.sigma * standardNormal(seed, trial.globalIndex));
    case 'column': {
      const seconds = trial.config[duration.column];
      if (typeof seconds === 'number' && seconds > 0) return seconds;
      throw new RangeError(`column ${duration.column} holds no positive number of seconds for trial ${trial.id}`);
    }
  }
}

/** Marsaglia's polar method. */
function standardNormal(seed: number, trial: number): number {
  const random = stream(seed, 'epoch length', trial);
  for (;;) {
    const x = 2 * random.uniform() - 1;
    const y = 2 * random.uniform() - 1;
    const square = x * x + y * y;
    if (square > 0 && square < 1) return x * Math.sqrt((-2 * log(square)) / square);
  }
}
