/** The larger the metric, the better: its negative is the loss. Never gives -0. */
import type { ObjectiveDefinition } from './definition.js';

export interface MaximiseObjective {
  /** The key a trainer reports every epoch. @default "loss" */
  readonly metric: string;
  readonly mode: 'maximise';
}

export const maximise: ObjectiveDefinition<MaximiseObjective> = {
  spellings: ['maximize', 'max'],
  options: {},
  loss: (value) => 0 - value,
  value: (loss) => 0 - loss,
};
