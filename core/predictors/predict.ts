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
  const tail = model === 'svr' ? undefined : training.curves.length >= 50 ? 10 : 5;
  const rows = training.curves.map((curve) => features(curve, epochs, tail));
  const asked = candidates.map((curve) => features(curve, epochs, tail));
  if (![...rows.flat(), ...training.targets].every(Number.isFinite))
    return impossible('a training curve is not finite');
  if (!asked.flat().every(Number.isFinite)) return impossible('a curve to predict for is not finite');
  const low = Math.min(...training.targets);
  const spread = Math.max(...training.targets) - low;
  if (spread === 0) return impossible('all training curves end with the same loss');
  const range = usableRange(spread);

  const scale = minMax(rows);
  const scaled = rows.map(scale);
  const wanted = training.targets.map((target) => (target - low) / range);
  const farApart = impossible('the values are too far apart to be scaled');
  if (![...scaled.flat(), ...wanted].every(Number.isFinite)) return farApart;
  const fitted = fitNuSvr(scaled, wanted);
  const losses = asked.map((row) => fitted.predict(scale(row)) * range + low);
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

/** Scales each column of the training rows to [0, 1]; a column as good as constant keeps its width. */
function minMax(rows: readonly (readonly number[])[]): (row: readonly number[]) => number[] {
  const width = rows[0]?.length ?? 0;
  const columns = Array.from({ length: width }, (_, j) => rows.map((row) => row[j] as number));
  const lows = columns.map((column) => Math.min(...column));
  const ranges = columns.map((column, j) => usableRange(Math.max(...column) - (lows[j] as number)));
  return (row) => row.map((value, j) => (value - (lows[j] as number)) / (ranges[j] as number));
}

/** What to divide by: 1 for a range below ten roundings of 1, as scikit-learn's MinMaxScaler does. */
function usableRange(range: number): number {
  return range < 10 * Number.EPSILON ? 1 : range;
}
