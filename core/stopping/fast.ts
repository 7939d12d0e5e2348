/** Fast-Hyperband's round (Baker et al. 2017, section 5): one trial after the other, every epoch a decision point. */
import { rungOf } from '../memory.js';
import { normalCdf } from '../normal.js';
import type { TrainingSet } from '../predictor.js';
import type { DecisionRecord } from '../record.js';
import type { Round } from '../round.js';
import type { Runner } from '../runner.js';
import type { FastPredictor } from '../study.js';
import { ask } from './ask.js';

export async function fastRule(round: Round, fast: FastPredictor): Promise<DecisionRecord> {
  const { plan, next } = round.input;
  const complete: Runner[] = [];
  const sentOn: string[] = [];
  const predictions: DecisionRecord['predictions'][number][] = [];
  const sets = new Map<number, TrainingSet>();
  let modelsTrained = 0;
  let trainedOn = 0;
  let threshold: number | null = null;
  let error: string | undefined;
  let fallback: string | undefined;

  for (const [position, runner] of round.runners.entries()) {
    await round.proposed(position);
    threshold = thresholdOf(complete, fast, next);
    const ready = threshold !== null && rungOf(round.memory, plan.to).count >= fast.minCurves;
    if (!ready) {
      sentOn.push(runner.id);
      await round.train(runner, plan.from, plan.to);
    }
    for (let t = plan.from + 1; ready && runner.end === 'rung' && t <= plan.to; t++) {
      await round.train(runner, t - 1, t);
      if (runner.end !== 'rung' || t === plan.to) break;
      const asked = await ask(round, fast, t, [runner], { uncertainty: true, sets });
      if (asked.answer.outcome === 'impossible') {
        error ??= asked.answer.reason;
        continue;
      }
      const { losses, deviation = 0, fallback: stoodIn } = asked.answer;
      const predicted = losses[0] as number;
      modelsTrained += asked.fresh ? 1 : 0;
      trainedOn = Math.max(trainedOn, asked.trainedOn);
      fallback ??= stoodIn;
      const worse = probabilityAbove(threshold as number, predicted, deviation);
      const goesOn = worse < fast.confidence;
      if (!goesOn) runner.end = 'stopped';
      if (predictions.at(-1)?.trial === runner.id) predictions.pop();
      predictions.push({
        trial: runner.id,
        epoch: t,
        predicted: round.metric(predicted),
        threshold: round.metric(threshold as number),
        goesOn,
      });
    }
    if (runner.end === 'unfinished') break;
    if (runner.end !== 'rung') continue;
    complete.push(runner);
    round.remember([runner]);
  }
  // An operator stopped the study: those behind were never trained.
  if (round.interrupted) {
    const last = round.runners.findIndex((runner) => runner.end === 'unfinished');
    for (const runner of round.runners.slice(last + 1)) runner.end = 'unfinished';
  }
  return {
    epoch: null,
    sentOn,
    threshold: threshold === null ? null : round.metric(threshold),
    trainedOn,
    modelsTrained,
    predictions,
    ...(error === undefined ? {} : { error }),
    ...(fallback === undefined ? {} : { fallback }),
  };
}

/** The n_next-th best complete loss of the round once k * n_next are complete; the worst when there are fewer. */
function thresholdOf(complete: readonly Runner[], fast: FastPredictor, next: number): number | null {
  if (complete.length === 0 || complete.length < fast.completeShare * next) return null;
  const losses = complete.map((runner) => runner.loss()).sort((a, b) => a - b);
  return losses[Math.min(next, losses.length) - 1] as number;
}

/** P(final loss > threshold), the final loss being normal around the prediction. */
function probabilityAbove(threshold: number, predicted: number, deviation: number): number {
  if (deviation === 0) return predicted > threshold ? 1 : 0;
  return normalCdf((predicted - threshold) / deviation);
}
