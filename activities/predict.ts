/** Predictions at decision points. A prediction that is impossible is an answer: it stops nobody. */
import { elsewhereOf } from '../core/predictors/index.js';
import { fallBack, predict } from '../core/predictors/predict.js';
import type { PredictionAnswer } from '../core/predictors/request.js';
import type { PredictActivities } from '../workflows/activity-types.js';

export function createPredictActivities(): PredictActivities {
  return {
    predict: async (request) => orImpossible(() => predict(request)),
    formulate: async (study, request) =>
      elsewhereOf(request.predictor)?.problem?.(study, request) ?? {
        impossible: `${request.predictor.type} poses no problem`,
      },
    fallBack: async (request, why) => orImpossible(() => fallBack(request, why)),
  };
}

export function orImpossible(answer: () => PredictionAnswer): PredictionAnswer {
  try {
    return answer();
  } catch (error) {
    return { outcome: 'impossible', reason: `the predictor failed: ${String(error)}` };
  }
}
