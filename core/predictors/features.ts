/** What the kernel machines see of a curve: its known losses, thinned and scaled to [0, 1]. */
import type { Fit, Impossible } from './fit.js';

/** Most values of a curve that become features. */
const maxFeatures = 128;

/** The first t values, of those the last `tail`; more than 128 are thinned to 128 evenly spaced ones. */
export function features(curve: readonly number[], t: number, tail?: number): number[] {
  const known = curve.slice(tail === undefined ? 0 : Math.max(0, t - tail), t);
  if (known.length <= maxFeatures) return known;
  return Array.from(
    { length: maxFeatures },
    (_, i) => known[Math.round((i * (known.length - 1)) / (maxFeatures - 1))] as number
  );
}

/** A training set in [0, 1], and the way there and back. */
export interface Scaling {
  readonly rows: number[][];
  readonly targets: number[];
  /** A curve's features, on the scale of `rows`; what lies outside the training set lies outside [0, 1]. */
  scale(row: readonly number[]): number[];
  /** A loss, from one on the scale of `targets`. */
  unscale(target: number): number;
}

/** Min-max scales every feature and the target of a training set; of each curve the last `tail` epochs, or all. */
export function scaling(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  tail?: number
): Scaling | Impossible {
  const seen = (row: readonly number[]) => features(row, row.length, tail);
  const raw = rows.map(seen);
  const columns = (raw[0] ?? []).map((_, j) => minMax(raw.map((row) => row[j] as number)));
  const scale = (row: readonly number[]) => row.map((value, j) => (columns[j] as Scaler).scale(value));
  const target = minMax(targets);
  const inputs = raw.map(scale);
  const wanted = targets.map(target.scale);
  if (![...inputs.flat(), ...wanted].every(Number.isFinite)) {
    return { impossible: 'the values are too far apart to be scaled' };
  }
  return { rows: inputs, targets: wanted, scale: (row) => scale(seen(row)), unscale: target.unscale };
}

/** `fit` on scaled features of all known epochs, or of the last `tail(n)` (n: curves to learn from). */
export function scaled<Settings>(fit: Fit<Settings>, tail?: (curves: number) => number): Fit<Settings> {
  return (rows, targets, context) => {
    const set = scaling(rows, targets, tail?.(rows.length));
    if ('impossible' in set) return set;
    const fitted = fit(set.rows, set.targets, context);
    if ('impossible' in fitted) return fitted;
    return { predict: (row) => set.unscale(fitted.predict(set.scale(row))) };
  };
}

interface Scaler {
  scale(value: number): number;
  unscale(value: number): number;
}

/**
 * Scales `values` to [0, 1], with the steps of scikit-learn's MinMaxScaler: another rounding here moves libsvm's end
 * point by up to its tolerance. A range below ten roundings of 1 is left as it is; one past the largest number makes
 * every scaled value NaN.
 */
function minMax(values: readonly number[]): Scaler {
  const low = Math.min(...values);
  const range = Math.max(...values) - low;
  const factor = 1 / (range < 10 * Number.EPSILON ? 1 : range);
  const offset = factor === 0 ? NaN : 0 - low * factor;
  return { scale: (value) => value * factor + offset, unscale: (value) => (value - offset) / factor };
}
