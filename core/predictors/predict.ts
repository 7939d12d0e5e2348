/** Performance prediction from the first epochs of a curve (Baker et al. 2017; García Amboage et al. 2023). */
import type { PredictionAnswer, PredictionRequest } from '../predictor.js';
import { fitNuSvr } from './nu-svr.js';

/** Most values of a curve that become features. */
const mostFeatures = 128;

/** Trains on the request's curves and predicts every candidate; `impossible` says why not and stops nobody. */
export function predict(request: PredictionRequest): PredictionAnswer {
  const { model, epochs, training, candidates } = request;
  const impossible = (reason: string): PredictionAnswer => ({ outcome: 'impossible', reason });
  if (training.curves.length < 2) return impossible(`${training.curves.length} curves to learn from, 2 needed`);
  if (training.curves.length !== training.targets.length) return impossible('as many targets as curves are needed');
  const tail = model === 'svr' ? undefined : training.curves.length >= 50 ? 10 : 5;
  const rows = training.curves.map((curve) => features(curve, epochs, tail));
  const asked = candidates.map((curve) => features(curve, epochs, tail));
  const short = [...training.curves, ...candidates].some((curve) => curve.length < epochs);
  if (short) return impossible(`a curve is shorter than the ${epochs} epochs of the decision point`);
  if (![...rows.flat(), ...training.targets].every(Number.isFinite))
    return impossible('a training curve is not finite');
  const low = Math.min(...training.targets);
  const range = Math.max(...training.targets) - low;
  if (range === 0) return impossible('all training curves end with the same loss');

  const scale = minMax(rows);
  const fitted = fitNuSvr(
    rows.map(scale),
    training.targets.map((target) => (target - low) / range)
  );
  return { outcome: 'predicted', losses: asked.map((row) => fitted.predict(scale(row)) * range + low) };
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

/** Scales each column of the training rows to [0, 1]; a constant column keeps its width of 1. */
function minMax(rows: readonly (readonly number[])[]): (row: readonly number[]) => number[] {
  const width = rows[0]?.length ?? 0;
  const columns = Array.from({ length: width }, (_, j) => rows.map((row) => row[j] as number));
  const lows = columns.map((column) => Math.min(...column));
  const ranges = columns.map((column, j) => {
    const range = Math.max(...column) - (lows[j] as number);
    return range < 10 * Number.EPSILON ? 1 : range;
  });
  return (row) => row.map((value, j) => (value - (lows[j] as number)) / (ranges[j] as number));
}
