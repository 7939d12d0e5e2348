/** Asks the model of one decision point, trained once on D[r_i] and kept for later brackets. */
import { noteTrained, rungOf, withRung } from '../memory.js';
import { trainingSet, type PredictionAnswer, type TrainingSet } from '../predictor.js';
import { stream } from '../rng.js';
import type { Round } from '../round.js';
import type { Runner } from '../runner.js';
import type { Model } from '../study.js';

export interface Asked {
  readonly answer: PredictionAnswer;
  /** Curves the model was trained on; 0 when nothing was predicted. */
  readonly trainedOn: number;
  /** Whether this question trained it. */
  readonly fresh: boolean;
}

/** `minCurves`: d. `sets` keeps training sets that are asked again, so that a fitted model can be kept with them. */
export async function ask(
  round: Round,
  rule: { readonly model: Model; readonly minCurves: number },
  p: number,
  runners: readonly Runner[],
  options: { readonly uncertainty: boolean; readonly sets?: Map<number, TrainingSet> }
): Promise<Asked> {
  const { study, plan, decisionPoints } = round.input;
  const rung = rungOf(round.memory, plan.to);
  const known = rung.trained[String(p)];
  const trainedOn = known ?? rung.curves.length;
  const impossible = (reason: string): Asked => {
    return { answer: { outcome: 'impossible', reason }, trainedOn: 0, fresh: false };
  };
  if (trainedOn < rule.minCurves) return impossible(`${trainedOn} complete curves, ${rule.minCurves} needed`);
  const training = options.sets?.get(p) ?? trainingSet(rung.curves.slice(0, trainedOn), p);
  options.sets?.set(p, training);
  const answer = await round.predict({
    model: rule.model,
    // A model that draws is the same in every bracket.
    seed: stream(study.seed, 'model', plan.to, p).uint32(),
    epochs: p,
    training,
    candidates: runners.map((runner) => runner.curve()),
    ...(options.uncertainty ? { uncertainty: true } : {}),
  });
  if (answer.outcome === 'impossible') return { answer, trainedOn: 0, fresh: false };
  if (!answer.losses.every(Number.isFinite)) return impossible('the model predicted a value that is no number');
  if (options.uncertainty && !Number.isFinite(answer.deviation)) return impossible('the model has no uncertainty');
  if (known === undefined) {
    round.memory = withRung(round.memory, plan.to, noteTrained(rung, p, trainedOn, decisionPoints));
  }
  return { answer, trainedOn, fresh: known === undefined };
}
