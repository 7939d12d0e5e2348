/** A round asks the model of one decision point. */
import type { PredictionAnswer, TrainingSet } from '../predictor.js';
import type { Round } from '../round.js';
import type { Runner } from '../runner.js';
import type { Model } from '../study.js';
import { noteAsked, noteSolved, questionOf } from './question.js';

export interface Asked {
  readonly answer: PredictionAnswer;
  /** Curves the model was trained on; 0 when nothing was predicted. */
  readonly trainedOn: number;
  /** Whether this question trained it. */
  readonly fresh: boolean;
}

export async function ask(
  round: Round,
  rule: { readonly model: Model; readonly minCurves: number },
  p: number,
  runners: readonly Runner[],
  options: { readonly uncertainty: boolean; readonly sets?: Map<number, TrainingSet> }
): Promise<Asked> {
  const at = { study: round.input.study, rung: round.input.plan.to, p };
  const impossible = (reason: string): Asked => {
    return { answer: { outcome: 'impossible', reason }, trainedOn: 0, fresh: false };
  };
  const curves = runners.map((runner) => runner.curve());
  const question = questionOf(round.memory, at, rule, curves, options);
  if (typeof question === 'string') return impossible(question);
  const answer = await round.predict(question.request);
  if (answer.outcome === 'impossible') return { answer, trainedOn: 0, fresh: false };
  if (!answer.losses.every(Number.isFinite)) return impossible('the model predicted a value that is no number');
  if (options.uncertainty && !Number.isFinite(answer.deviation)) return impossible('the model has no uncertainty');
  const { trainedOn, fresh } = question;
  round.memory = noteSolved(noteAsked(round.memory, at, trainedOn), at, answer);
  return { answer, trainedOn, fresh };
}
