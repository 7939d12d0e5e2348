/** Performance prediction from the first epochs of a curve (Baker et al. 2017; García Amboage et al. 2023). */
import type { PredictionAnswer, PredictionRequest, TrainingSet } from './request.js';
import { residualDeviation } from './cross-validate.js';
import type { Fitted, Impossible } from './fit.js';
import { predictorOf, predictors, type PredictorSettings } from './index.js';

const impossible = (reason: string): PredictionAnswer => ({ outcome: 'impossible', reason });

/**
 * Trains the request's predictor on its curves and predicts the loss at the rung for every candidate. Never throws:
 * `impossible` says why nothing can be predicted, and then nobody is stopped. Where a predictor cannot be trained, its
 * fallback answers and says so.
 */
export function predict(request: PredictionRequest): PredictionAnswer {
  const { predictor, epochs, training, candidates } = request;
  if (!Object.hasOwn(predictors, predictor.type)) return impossible(`${predictor.type} is not a predictor`);
  if (!Number.isInteger(epochs) || epochs < 1) return impossible(`no curve is known after ${epochs} epochs`);
  if (training.curves.length !== training.targets.length) return impossible('as many targets as curves are needed');
  const short = [...training.curves, ...candidates].some((curve) => curve.length < epochs);
  if (short) return impossible(`a curve is shorter than the ${epochs} epochs of the decision point`);
  const rows = training.curves.map((curve) => curve.slice(0, epochs));
  const asked = candidates.map((curve) => curve.slice(0, epochs));
  if (!asked.flat().every(Number.isFinite)) return impossible('a curve to predict for is not finite');

  const { fitted, deviation } = trained(request, rows);
  if ('impossible' in fitted) return fallBack(request, fitted.impossible);
  const losses = asked.map((row) => fitted.predict(row));
  if (typeof deviation === 'object') return impossible(deviation.impossible);
  if (![...losses, deviation ?? 0].every(Number.isFinite)) {
    return impossible('the values are too far apart: a prediction is not finite');
  }
  return { outcome: 'predicted', losses, ...(deviation === undefined ? {} : { deviation }) };
}

/** The predictor that stands in answers, and the answer says why; impossible where nobody does. */
export function fallBack(request: PredictionRequest, why: string): PredictionAnswer {
  const name = predictorOf(request.predictor).fallback?.(request.predictor) ?? null;
  if (name === null) return impossible(why);
  const answer = predict({ ...request, predictor: { type: name } as PredictorSettings });
  return answer.outcome === 'impossible' ? impossible(why) : { ...answer, fallback: `${name}, because ${why}` };
}

interface Trained {
  readonly fitted: Fitted | Impossible;
  readonly deviation: number | Impossible | undefined;
}

/** Fast-Hyperband asks the same predictor thousands of times: what a training set taught lasts as long as the set. */
const kept = new WeakMap<TrainingSet, Map<string, Trained>>();

function trained({ predictor, seed, training, solved, uncertainty }: PredictionRequest, rows: number[][]): Trained {
  const own = kept.get(training) ?? new Map<string, Trained>();
  kept.set(training, own);
  const key = JSON.stringify([predictor, seed, rows[0]?.length, solved, uncertainty]);
  const known = own.get(key);
  if (known) return known;
  const train = (some: readonly (readonly number[])[], targets: readonly number[]): Fitted | Impossible => {
    if (some.length < 2) return { impossible: `${some.length} curves to learn from, 2 needed` };
    if (![...some.flat(), ...targets].every(Number.isFinite)) return { impossible: 'a training curve is not finite' };
    if (targets.every((target) => target === targets[0])) {
      return { impossible: 'all training curves end with the same loss' };
    }
    try {
      return predictorOf(predictor).fit(some, targets, { settings: predictor, seed, solved });
    } catch (error) {
      return { impossible: `the predictor failed: ${String(error)}` };
    }
  };
  const fitted = train(rows, training.targets);
  const asked = uncertainty && !('impossible' in fitted);
  const made = { fitted, deviation: asked ? residualDeviation(rows, training.targets, train) : undefined };
  own.set(key, made);
  return made;
}
