/** Everything is minimised inside: a metric to maximise is negated on the way in and back on the way out. */
import type { Objective } from './study.js';

/** The loss of a metric value, or the metric of a loss: the same operation both ways. Never gives -0. */
export function flip(objective: Objective, value: number): number {
  return objective.mode === 'maximise' ? 0 - value : value;
}
