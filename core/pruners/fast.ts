/** Fast-Hyperband's round (Baker et al. 2017, section 5): one trial after the other, every epoch a decision point. */
import type { Decision, Verdict } from '../engine/decision.js';
import { completeShareOption, minCurvesOption, predictorOption, type PrunerDefinition } from '../engine/pruner.js';
import { rungOf } from '../engine/memory.js';
import type { TrialRun } from '../engine/trial-run.js';
import { normalCdf } from '../normal.js';
import type { PredictorSettings } from '../predictors/index.js';

export interface FastPruner {
  readonly type: 'fast';
  readonly predictor: PredictorSettings;
  /** d: complete curves needed before a predictor is trained. @default 15 */
  readonly minCurves: number;
  /** k: share of the next round's places completed before anybody is asked about. @default 1 */
  readonly completeShare: number;
  /** Delta: probability of ending above the threshold at which a trial is stopped. @default 0.95 */
  readonly confidence: number;
}

export const fast: PrunerDefinition<FastPruner> = {
  options: {
    predictor: predictorOption,
    minCurves: minCurvesOption,
    completeShare: { ...completeShareOption, default: 1 },
    confidence: {
      kind: 'number',
      above: 0.5,
      below: 1,
      default: 0.95,
      says: 'Delta: the probability of ending above the threshold at which a trial is stopped.',
    },
  },
  describe: ({ predictor, minCurves }, scheduler) =>
    `Fast-${scheduler} on ${predictor.type}, at least ${minCurves} curves`,
  compares: 'prediction',
  movingThreshold: true,
  decisionPoint: () => null,
  points: (_, from, to) => Array.from({ length: Math.max(0, to - from - 1) }, (__, i) => from + 1 + i),
  onePerRound: true,
  needsRounds: 'Fast-Hyperband trains one trial after the other and compares it with its round: take swift or median',
  predictor: (settings) => settings.predictor,
  planNote: () => 'fast: the table is an upper bound, for trials stop early; they train one after the other',

  *run(round, settings) {
    const { from, to, places } = round.group;
    const complete: TrialRun[] = [];
    const sentOn: string[] = [];
    const predictions: Verdict[] = [];
    let predictorsTrained = 0;
    let trainedOn = 0;
    let threshold: number | null = null;
    let error: string | undefined;
    let fallback: string | undefined;

    for (const [position, trial] of round.trials.entries()) {
      yield* round.propose(position);
      threshold = thresholdOf(complete, settings.completeShare, places);
      const ready = threshold !== null && rungOf(round.memory, to).count >= settings.minCurves;
      if (!ready) {
        sentOn.push(trial.id);
        yield* round.train([[trial, to]]);
      }
      for (let t = from + 1; ready && trial.end === 'rung' && t <= to; t++) {
        yield* round.train([[trial, t]]);
        if (trial.end !== 'rung' || t === to) break;
        const asked = yield* round.ask(settings, t, [trial], true);
        if (asked.answer.outcome === 'impossible') {
          error ??= asked.answer.reason;
          continue;
        }
        const { losses, deviation = 0, fallback: another } = asked.answer;
        const predicted = losses[0] as number;
        predictorsTrained += asked.fresh ? 1 : 0;
        trainedOn = Math.max(trainedOn, asked.trainedOn);
        fallback ??= another;
        const goesOn = probabilityAbove(threshold as number, predicted, deviation) < settings.confidence;
        if (!goesOn) trial.end = 'stopped';
        if (predictions.at(-1)?.trial === trial.id) predictions.pop();
        predictions.push({ trial: trial.id, epoch: t, predicted, threshold: threshold as number, goesOn });
      }
      if (trial.end === 'unfinished') break;
      if (trial.end !== 'rung') continue;
      complete.push(trial);
      round.remember([trial]);
    }
    // An operator stopped the study: those behind were never trained.
    if (round.interrupted) {
      const last = round.trials.findIndex((trial) => trial.end === 'unfinished');
      for (const trial of round.trials.slice(last + 1)) trial.end = 'unfinished';
    }
    const decision: Decision = { epoch: null, sentOn, threshold, trainedOn, predictorsTrained, predictions };
    return {
      ...decision,
      ...(error === undefined ? {} : { error }),
      ...(fallback === undefined ? {} : { fallback }),
    };
  },
};

/** The n_next-th best complete loss of the round once k * n_next are complete; the worst when there are fewer. */
function thresholdOf(complete: readonly TrialRun[], share: number, places: number): number | null {
  if (complete.length === 0 || complete.length < share * places) return null;
  const losses = complete.map((trial) => trial.loss()).sort((a, b) => a - b);
  return losses[Math.min(places, losses.length) - 1] as number;
}

/** P(final loss > threshold), the final loss being normal around the prediction. */
function probabilityAbove(threshold: number, predicted: number, deviation: number): number {
  if (deviation === 0) return predicted > threshold ? 1 : 0;
  return normalCdf((predicted - threshold) / deviation);
}
