/** Performance prediction from the first epochs of a curve (Baker et al. 2017; García Amboage et al. 2023). */
import type { PredictionAnswer, PredictionRequest } from '../predictor.js';
import { fitNuSvr } from './nu-svr.js';

/** Most values of a curve that become features. */
const mostFeatures = 128;

/**
 * Trains on the request's curves and predicts the loss at the rung for every candidate. Never throws: `impossible` says
 * why nothing can be predicted, and then nobody is stopped. `svr-tail` learns from the last 10 known values where there
 * are 50 curves or more, otherwise from the last 5.
 */
export function predict(request: PredictionRequest): PredictionAnswer {
  const { model, epochs, training, candidates } = request;
  const impossible = (reason: string): PredictionAnswer => ({ outcome: 'impossible', reason });
  if (!Number.isInteger(epochs) || epochs < 1) return impossible(`no curve is known after ${epochs} epochs`);
  if (training.curves.length < 2) return impossible(`${training.curves.length} curves to learn from, 2 needed`);
  if (training.curves.length !== training.targets.length) return impossible('as many targets as curves are needed');
  const short = [...training.curves, ...candidates].some((curve) => curve.length < epochs);
  if (short) return impossible(`a curve is shorter than the ${epochs} epochs of the decision point`);
  const tail = model.type === 'svr' ? undefined : training.curves.length >= 50 ? 10 : 5;
  const rows = training.curves.map((curve) => features(curve, epochs, tail));
  const asked = candidates.map((curve) => features(curve, epochs, tail));
  if (![...rows.flat(), ...training.targets].every(Number.isFinite))
    return impossible('a training curve is not finite');
  if (!asked.flat().every(Number.isFinite)) return impossible('a curve to predict for is not finite');
  if (training.targets.every((target) => target === training.targets[0]))
    return impossible('all training curves end with the same loss');

  const columns = (rows[0] ?? []).map((_, j) => minMax(rows.map((row) => row[j] as number)));
  const scale = (row: readonly number[]) => row.map((value, j) => (columns[j] as Scaler).scale(value));
  const target = minMax(training.targets);
  const scaled = rows.map(scale);
  const wanted = training.targets.map(target.scale);
  const farApart = impossible('the values are too far apart to be scaled');
  if (![...scaled.flat(), ...wanted].every(Number.isFinite)) return farApart;
  const fitted = fitNuSvr(scaled, wanted);
  const losses = asked.map((row) => target.unscale(fitted.predict(scale(row))));
  return losses.every(Number.isFinite) ? { outcome: 'predicted', losses } : farApart;
}

/** The first t values, of those the last `tail`; more than 128 are thinned to 128 evenly spaced ones. */
export function features(curve: readonly number[], t: number, tail?: number): number[] {
  const known = curve.slice(tail === undefined ? 0 : Math.max(0, t - tail), t);
  if (known.length <= mostFeatures) return known;
  return Array.from(
    { length: mostFeatures },
    (_, i) => known[Math.round((i * (known.length - 1)) / (mostFeatures - 1))] as number
  );
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
