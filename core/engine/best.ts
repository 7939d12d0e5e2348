/** Which of two trials is the better result. */
import { modeOf, type Objective } from '../objectives/index.js';
import type { Best } from './scheduler.js';

/** The larger budget first, then the value; the earlier one on a tie. */
export function better(objective: Objective, a: Best | null, b: Best | null): Best | null {
  if (a === null || b === null) return a ?? b;
  if (a.budget !== b.budget) return a.budget > b.budget ? a : b;
  const { loss } = modeOf(objective);
  return loss(b.value) < loss(a.value) ? b : a;
}
