/** What a predicting worker is asked, as pure functions. A prediction that is impossible is an answer: it stops nobody. */
import { elsewhereOf } from '../core/predictors/index.js';
import type { Posed } from '../core/predictors/definition.js';
import { fallBack, predict } from '../core/predictors/predict.js';
import type { PredictionAnswer, PredictionRequest } from '../core/predictors/request.js';

export const predictions = {
  predict: (request: PredictionRequest): PredictionAnswer => orImpossible(() => predict(request)),
  formulate: (study: string, request: PredictionRequest): Posed =>
    elsewhereOf(request.predictor)?.problem?.(study, request) ?? {
      impossible: `${request.predictor.type} poses no problem`,
    },
  fallBack: (request: PredictionRequest, why: string): PredictionAnswer => orImpossible(() => fallBack(request, why)),
};

export function orImpossible(answer: () => PredictionAnswer): PredictionAnswer {
  try {
    return answer();
  } catch (error) {
    return { outcome: 'impossible', reason: `the predictor failed: ${String(error)}` };
  }
}
