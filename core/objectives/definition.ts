/** What an objective is: a file of its own in `core/objectives/` that defines one of these, and a line in its index. */
import type { Numbers } from '../curve.js';
import type { Option } from '../options.js';

/** What a trial came to at an epoch. */
export interface Result {
  readonly loss: number;
  /** The further metrics that the study names (core/metrics.ts); absent: it names none. */
  readonly metrics?: Numbers;
}

/**
 * What an objective makes of a metric. A loss is made once, where a result enters the core; everything inside is
 * minimised, and what leaves the core is a value of the metric again.
 */
export interface ObjectiveDefinition<Settings extends { readonly metric: string; readonly mode: string }> {
  /** Other words for it in a study file. */
  readonly spellings: readonly string[];
  /** What a study file may say beside `metric` and `mode`. */
  readonly options: { readonly [Key in Exclude<keyof Settings, 'metric' | 'mode'>]-?: Option };
  /** The loss of a metric value. */
  loss(value: number): number;
  /** The metric value of a loss. */
  value(loss: number): number;
  /** Names of further metrics that it looks at, which a trainer has to report every epoch. @default none */
  metrics?(settings: Settings): readonly string[];
  /**
   * Which of two results of one budget is the better: negative where `a` is, 0 where neither is. An order, so that no three
   * go in a circle. Absent: the one with the smaller loss. With it, a pruner that goes by losses alone is refused.
   */
  compare?(settings: Settings, a: Result, b: Result): number;
  /** Whether a result may reach a target at all, whatever its loss. @default it may */
  counts?(settings: Settings, result: Result): boolean;
}
