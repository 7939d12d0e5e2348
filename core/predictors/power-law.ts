/**
 * A power law a + b t^-c (b >= 0) fitted to each curve by itself and extrapolated (Domhan, Springenberg and Hutter 2015
 * call it pow3). Robust: soft-L1 residuals, so that one spike does not bend the law. What is learnt from complete
 * curves is the epoch to extrapolate to, since a request does not say how far away the rung is.
 */
import { pow } from '../math.js';
import type { PredictorDefinition } from './definition.js';

export interface PowerLawPredictor {
  readonly type: 'power-law';
}

/** c from 1/16, nearly a logarithm, to 4, flat after a few epochs; in steps of 19 %. */
const exponents = Array.from({ length: 25 }, (_, k) => pow(2, -4 + k / 4));
/**
 * Epoch of the targets as a multiple of t: from 1 to 8, in steps of 9 %. A decision point half-way to a rung is never
 * further from it than eta; with 15 noisy curves a wider range is used for no good (up to 64: R^2 .830 instead of .857).
 */
const horizons = Array.from({ length: 25 }, (_, k) => pow(2, k / 8));
/** Reweightings of a fit: more move 95 % of the MLPF predictions, which lie between 440 and 540, by less than .03. */
const reweightings = 10;

export interface PowerLaw {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export const powerLaw: PredictorDefinition<PowerLawPredictor> = {
  options: {},
  fit(rows, targets) {
    const extrapolate = learnExtrapolation(rows, targets);
    return { predict: (row) => extrapolate(row).rung };
  },
};

/** A curve's law at the last known epoch and at the rung. */
export interface Extrapolation {
  readonly known: number;
  readonly rung: number;
}

/** Learns the epoch of the `targets`: the one where the laws of `rows` have the least absolute error. */
export function learnExtrapolation(
  rows: readonly (readonly number[])[],
  targets: readonly number[]
): (row: readonly number[]) => Extrapolation {
  const t = (rows[0] as readonly number[]).length;
  const decays = decaysUpTo(t);
  const laws = rows.map((row) => fitPowerLaw(row, decays));
  let [horizon, least] = [t, Infinity];
  for (const multiple of horizons) {
    const error = laws.reduce((sum, law, i) => sum + Math.abs(at(law, multiple * t) - (targets[i] as number)), 0);
    if (error < least) [horizon, least] = [multiple * t, error];
  }
  return (row) => {
    const law = fitPowerLaw(row, decays);
    return { known: at(law, t), rung: at(law, horizon) };
  };
}

function at({ a, b, c }: PowerLaw, epoch: number): number {
  return a + b * pow(epoch, -c);
}

/** t^-c of epochs 1 ... `epochs` for every exponent. */
export function decaysUpTo(epochs: number): readonly (readonly number[])[] {
  return exponents.map((c) => Array.from({ length: epochs }, (_, i) => pow(i + 1, -c)));
}

/** The law with the least soft-L1 error: for every exponent, a and b by iteratively reweighted least squares. */
export function fitPowerLaw(row: readonly number[], decays: readonly (readonly number[])[]): PowerLaw {
  const noise = noiseOf(row);
  let best: PowerLaw = { a: row.at(-1) as number, b: 0, c: 1 };
  let least = Infinity;
  if (noise === 0) return best;
  decays.forEach((decay, k) => {
    const { a, b } = line(row, decay, noise);
    let cost = 0;
    for (let i = 0; i < row.length; i++) {
      const z = ((row[i] as number) - a - b * (decay[i] as number)) / noise;
      cost += Math.sqrt(1 + z * z) - 1;
    }
    if (cost < least) [best, least] = [{ a, b, c: exponents[k] as number }, cost];
  });
  return best;
}

/** a and b >= 0 of a + b x with the least soft-L1 error. */
function line(y: readonly number[], x: readonly number[], noise: number): { a: number; b: number } {
  let [a, b] = [0, 0];
  for (let round = 0; round <= reweightings; round++) {
    let [w, wx, wy, wxx, wxy] = [0, 0, 0, 0, 0];
    for (let i = 0; i < y.length; i++) {
      const [xi, yi] = [x[i] as number, y[i] as number];
      const z = (yi - a - b * xi) / noise;
      const weight = round === 0 ? 1 : 1 / Math.sqrt(1 + z * z);
      w += weight;
      wx += weight * xi;
      wy += weight * yi;
      wxx += weight * xi * xi;
      wxy += weight * xi * yi;
    }
    const spread = wxx - (wx * wx) / w;
    b = spread > 1e-12 * wxx ? Math.max(0, (wxy - (wx * wy) / w) / spread) : 0;
    a = (wy - b * wx) / w;
  }
  return { a, b };
}

/** Typical step between neighbouring epochs, at least a millionth of the largest; 0 when nothing moves. */
function noiseOf(row: readonly number[]): number {
  const steps = row.slice(1).map((value, i) => Math.abs(value - (row[i] as number)));
  steps.sort((p, q) => p - q);
  return Math.max(steps[steps.length >> 1] ?? 0, 1e-6 * (steps.at(-1) ?? 0));
}
