/** Every objective there is: a new one is a file beside this one and a line here. */
import { maximise } from './maximise.js';
import { minimise } from './minimise.js';
import type { ObjectiveMode } from './mode.js';

export const objectives = { minimise, maximise };

export interface Objective {
  /** The key a trainer reports every epoch. @default "loss" */
  readonly metric: string;
  /** @default "minimise" */
  readonly mode: keyof typeof objectives;
}

export function modeOf(objective: Pick<Objective, 'mode'>): ObjectiveMode {
  return objectives[objective.mode];
}
