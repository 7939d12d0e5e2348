/** Which of two trials is the better result. */
import { modeOf, type Objective } from '../objectives/index.js';
import type { Result } from '../objectives/definition.js';
import type { Best } from './scheduler.js';

/** The larger budget first, then the result; the earlier one on a tie. */
export function better(objective: Objective, a: Best | null, b: Best | null): Best | null {
  if (a === null || b === null) return a ?? b;
  if (a.budget !== b.budget) return a.budget > b.budget ? a : b;
  return modeOf(objective).compare(resultOf(objective, b), resultOf(objective, a)) < 0 ? b : a;
}

/** The result of a value of the objective's metric and the further metrics with it. */
export function resultOf(objective: Objective, { value, metrics }: Pick<Best, 'value' | 'metrics'>): Result {
  return { loss: modeOf(objective).loss(value), ...(metrics ? { metrics } : {}) };
}

/** A trial that came to the rung at `budget` with this result. */
export function bestOf(objective: Objective, trial: string, { loss, metrics }: Result, budget: number): Best {
  return { trial, value: modeOf(objective).value(loss), budget, ...(metrics ? { metrics } : {}) };
}
