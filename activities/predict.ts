/** Predictions at decision points. A prediction that is impossible is an answer: it stops nobody. */
import type { PredictionAnswer } from '../core/predictor.js';
import { quboRequest } from '../core/predictors/annealer/elsewhere.js';
import { predict, standIn } from '../core/predictors/predict.js';
import type { PredictActivities } from '../workflows/activity-types.js';

export function createPredictActivities(): PredictActivities {
  return {
    predict: async (request) => orImpossible(() => predict(request)),
    formulate: async (study, request) => quboRequest(study, request),
    standIn: async (request, why) =>
      orImpossible(() => {
        const { model } = request;
        if (model.type !== 'annealer' || model.fallback === null) return { outcome: 'impossible', reason: why };
        return standIn(request, model.fallback, why);
      }),
  };
}

function orImpossible(answer: () => PredictionAnswer): PredictionAnswer {
  try {
    return answer();
  } catch (error) {
    return { outcome: 'impossible', reason: `the predictor failed: ${String(error)}` };
  }
}
