/**
 * What an objective makes of a metric. A loss is made once, where a result enters the core; everything inside is
 * minimised, and what leaves the core is a value of the metric again.
 */
export interface ObjectiveMode {
  /** Other words for it in a study file. */
  readonly spellings: readonly string[];
  /** The loss of a metric value. */
  loss(value: number): number;
  /** The metric value of a loss. */
  value(loss: number): number;
}
