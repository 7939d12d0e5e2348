/** Performance prediction from the first epochs of a curve (Baker et al. 2017; García Amboage et al. 2023). */
import type { PredictionAnswer, PredictionRequest, TrainingSet } from '../predictor.js';
import { residualDeviation } from './cross-validate.js';
import type { Fit, Fitted, Impossible, LearnedModel } from './model.js';
import { models } from './models.js';
import type { PlainModel } from '../study.js';

const impossible = (reason: string): PredictionAnswer => ({ outcome: 'impossible', reason });

/**
 * Trains the request's model on its curves and predicts the loss at the rung for every candidate. Never throws:
 * `impossible` says why nothing can be predicted, and then nobody is stopped. Where the annealer cannot be trained, its
 * fallback answers and says so.
 */
export function predict(request: PredictionRequest): PredictionAnswer {
  const { model, epochs, training, candidates } = request;
  if (model.type === 'activity') return impossible(`the model is an activity of task queue ${model.taskQueue}`);
  if (!Number.isInteger(epochs) || epochs < 1) return impossible(`no curve is known after ${epochs} epochs`);
  if (training.curves.length !== training.targets.length) return impossible('as many targets as curves are needed');
  const short = [...training.curves, ...candidates].some((curve) => curve.length < epochs);
  if (short) return impossible(`a curve is shorter than the ${epochs} epochs of the decision point`);
  const rows = training.curves.map((curve) => curve.slice(0, epochs));
  const asked = candidates.map((curve) => curve.slice(0, epochs));
  if (!asked.flat().every(Number.isFinite)) return impossible('a curve to predict for is not finite');

  const { fitted, deviation } = trained(request, rows);
  if ('impossible' in fitted) {
    if (model.type !== 'annealer' || model.fallback === null) return impossible(fitted.impossible);
    return standIn(request, model.fallback, fitted.impossible);
  }
  const losses = asked.map((row) => fitted.predict(row));
  if (typeof deviation === 'object') return impossible(deviation.impossible);
  if (![...losses, deviation ?? 0].every(Number.isFinite)) {
    return impossible('the values are too far apart: a prediction is not finite');
  }
  return { outcome: 'predicted', losses, ...(deviation === undefined ? {} : { deviation }) };
}

/** Another model answers, and the answer says why. */
export function standIn(request: PredictionRequest, model: PlainModel['type'], why: string): PredictionAnswer {
  const answer = predict({ ...request, model: { type: model } });
  return answer.outcome === 'impossible' ? impossible(why) : { ...answer, fallback: `${model}, because ${why}` };
}

interface Trained {
  readonly fitted: Fitted | Impossible;
  readonly deviation: number | Impossible | undefined;
}

/** Fast-Hyperband asks the same model thousands of times: what a training set taught lasts as long as the set. */
const kept = new WeakMap<TrainingSet, Map<string, Trained>>();

function trained({ model, seed, training, solved, uncertainty }: PredictionRequest, rows: number[][]): Trained {
  const own = kept.get(training) ?? new Map<string, Trained>();
  kept.set(training, own);
  const key = JSON.stringify([model, seed, rows[0]?.length, solved, uncertainty]);
  const known = own.get(key);
  if (known) return known;
  const fit = models[(model as LearnedModel).type] as Fit | undefined;
  const train = (some: readonly (readonly number[])[], targets: readonly number[]): Fitted | Impossible => {
    if (some.length < 2) return { impossible: `${some.length} curves to learn from, 2 needed` };
    if (![...some.flat(), ...targets].every(Number.isFinite)) return { impossible: 'a training curve is not finite' };
    if (targets.every((target) => target === targets[0])) {
      return { impossible: 'all training curves end with the same loss' };
    }
    if (!fit) return { impossible: `${model.type} is not a model` };
    try {
      return fit(some, targets, { model: model as LearnedModel, seed, solved });
    } catch (error) {
      return { impossible: `the model failed: ${String(error)}` };
    }
  };
  const fitted = train(rows, training.targets);
  const asked = uncertainty && !('impossible' in fitted);
  const made = { fitted, deviation: asked ? residualDeviation(rows, training.targets, train) : undefined };
  own.set(key, made);
  return made;
}
