/** Options that several schedulers take. */
import { largestBracket } from '../engine/plan.js';
import type { Refusal } from '../options.js';

export const maxBudget = {
  kind: 'whole',
  says: 'R: the most epochs that a trial may train; `R` is a short form of it.',
} as const;
export const eta = {
  kind: 'whole',
  min: 2,
  default: 3,
  says: 'One of so many trials goes on from a rung, and with so many times the budget.',
} as const;
export const minBudget = {
  kind: 'whole',
  default: 1,
  says: 'r_min: the smallest budget of a rung, in epochs.',
} as const;
export const trials = { kind: 'whole', says: 'How many configurations are drawn.' } as const;

/** Budgets that leave no second rung. */
export function withoutRungs(settings: {
  readonly maxBudget: number;
  readonly eta: number;
  readonly minBudget: number;
}): Refusal[] {
  const { maxBudget: value, minBudget: smallest } = settings;
  if (value < smallest) {
    return [{ path: 'scheduler.maxBudget', value, rule: `must be at least minBudget (${smallest})` }];
  }
  if (largestBracket(settings) > 0) return [];
  const least = settings.eta * settings.minBudget;
  const rule = `must be at least eta * minBudget = ${least}, or there is no rung of eta times the first; the scheduler full trains every trial to R`;
  return [{ path: 'scheduler.maxBudget', value, rule }];
}
