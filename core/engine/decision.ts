/** What a pruner saw and decided in one group, in losses; the record has the same in values of the metric. */

/** One trial asked about at a decision point. */
export interface Verdict {
  readonly trial: string;
  /** Epoch of the question where a round has many; the last question of a trial counts. */
  readonly epoch?: number;
  /** The loss predicted for the rung; null where no predictor gave one. */
  readonly predicted: number | null;
  /** The loss it had to beat, where every trial has its own. */
  readonly threshold?: number;
  readonly goesOn: boolean;
}

export interface Decision {
  /** p: the epoch at which trials are asked about; null: every epoch of the round (Fast-Hyperband). */
  readonly epoch: number | null;
  /** Trials sent on to the rung unasked, by id. */
  readonly sentOn: readonly string[];
  readonly predictions: readonly Verdict[];
  /** The loss that a prediction has to beat, the last one where it moves; null when nothing was complete. */
  readonly threshold: number | null;
  /** Curves the predictor was trained on, most where there are many predictors; 0 when there was none. */
  readonly trainedOn: number;
  /** Predictors trained in this round; one kept from an earlier bracket does not count again. */
  readonly predictorsTrained: number;
  /** Why another predictor than the one asked answered. */
  readonly fallback?: string;
  /** Why there was no prediction; then every waiting trial went on. */
  readonly error?: string;
}

/** The decisions about trials of one rung that came there one by one, as one. */
export function merged(decisions: readonly (Decision | null)[]): Decision | null {
  const all = decisions.filter((one) => one !== null);
  const [first] = all;
  if (!first) return null;
  const predictions = all.flatMap((one) =>
    one.predictions.map((verdict): Verdict => {
      const { threshold } = one;
      const own = threshold === null ? {} : { threshold };
      return { ...own, ...(one.epoch === null ? {} : { epoch: one.epoch }), ...verdict };
    })
  );
  const error = all.find((one) => one.error !== undefined)?.error;
  if (predictions.length === 0 && error === undefined) return null;
  const fallback = all.find((one) => one.fallback !== undefined)?.fallback;
  return {
    epoch: first.epoch,
    sentOn: all.flatMap((one) => one.sentOn),
    predictions,
    threshold: all.findLast((one) => one.threshold !== null)?.threshold ?? null,
    trainedOn: Math.max(...all.map((one) => one.trainedOn)),
    predictorsTrained: all.reduce((sum, one) => sum + one.predictorsTrained, 0),
    ...(error === undefined ? {} : { error }),
    ...(fallback === undefined ? {} : { fallback }),
  };
}
