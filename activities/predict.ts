/** Predictions at decision points. A prediction that is impossible is an answer: it stops nobody. */
import { predict } from '../core/predictors/predict.js';
import type { PredictActivities } from '../workflows/activity-types.js';

export function createPredictActivities(): PredictActivities {
  return {
    async predict(request) {
      try {
        return predict(request);
      } catch (error) {
        return { outcome: 'impossible', reason: `the predictor failed: ${String(error)}` };
      }
    },
  };
}
