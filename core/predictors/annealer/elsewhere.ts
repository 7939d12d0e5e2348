/** A QUBO that is solved by somebody else's activity: what to send. */
import type { PredictionRequest } from '../request.js';
import type { AnnealerPredictor } from '../annealer.js';
import { scaling } from '../features.js';
import type { Impossible } from '../fit.js';
import { problemOf } from './fit.js';
import { encodeQubo, type QuboRequest } from './wire.js';

/** The request for the solver, or why there is nothing to solve. */
export function quboRequest(
  study: string,
  { training, epochs, seed, qpuSecondsUsed }: PredictionRequest,
  predictor: AnnealerPredictor
): QuboRequest | Impossible {
  const rows = training.curves.map((curve) => curve.slice(0, epochs));
  if (![...rows.flat(), ...training.targets].every(Number.isFinite)) {
    return { impossible: 'a training curve is not finite' };
  }
  const set = scaling(rows, training.targets);
  if ('impossible' in set) return set;
  return {
    schemaVersion: 1,
    study,
    ...encodeQubo(problemOf(set.rows, set.targets, seed).qubo),
    reads: predictor.reads,
    sweeps: predictor.sweeps,
    seed,
    maxQpuSeconds: qpuSecondsAllowed(predictor),
    qpuSecondsUsed,
  };
}

/** Seconds of QPU access time a study may use, by time and by cost; undefined without a limit. */
export function qpuSecondsAllowed({
  maxQpuSeconds = Infinity,
  maxQpuCost = Infinity,
  qpuPricePerHour = 1,
}: Pick<AnnealerPredictor, 'maxQpuSeconds' | 'maxQpuCost' | 'qpuPricePerHour'>): number | undefined {
  const seconds = Math.min(maxQpuSeconds, (3600 * maxQpuCost) / qpuPricePerHour);
  return seconds === Infinity ? undefined : seconds;
}
