/** The larger the metric, the better: its negative is the loss. Never gives -0. */
import type { ObjectiveMode } from './mode.js';

export const maximise: ObjectiveMode = {
  spellings: ['maximize', 'max'],
  loss: (value) => 0 - value,
  value: (loss) => 0 - loss,
};
