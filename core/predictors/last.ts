/** The last known loss, as if nothing changed after it: the baseline without a model. */
import type { PredictorDefinition } from './definition.js';

export interface LastPredictor {
  readonly type: 'last';
}

export const last: PredictorDefinition<LastPredictor> = {
  options: {},
  fit: () => ({ predict: (row) => row.at(-1) as number }),
};
