/** The smaller the metric, the better: it is the loss. */
import type { ObjectiveDefinition } from './definition.js';

export interface MinimiseObjective {
  /** The key a trainer reports every epoch. @default "loss" */
  readonly metric: string;
  readonly mode: 'minimise';
}

export const minimise: ObjectiveDefinition<MinimiseObjective> = {
  spellings: ['minimize', 'min'],
  options: {},
  loss: (value) => value,
  value: (loss) => loss,
};
