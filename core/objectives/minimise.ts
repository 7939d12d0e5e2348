/** The smaller the metric, the better: it is the loss. */
import type { ObjectiveMode } from './mode.js';

export const minimise: ObjectiveMode = {
  spellings: ['minimize', 'min'],
  loss: (value) => value,
  value: (loss) => loss,
};
