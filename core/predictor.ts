/** What a decision point asks a predictor, and what it answers. Losses are minimised here (a metric is negated). */

/** Complete curves to learn from. */
export interface TrainingSet {
  /** One row per curve: the loss after each epoch, at least `epochs` of them. */
  readonly curves: readonly (readonly number[])[];
  /** The loss at the rung, one per curve. */
  readonly targets: readonly number[];
}

export interface PredictionRequest {
  readonly model: 'svr' | 'svr-tail';
  /** t: how many values of a curve are known at the decision point. */
  readonly epochs: number;
  readonly training: TrainingSet;
  /** Curves to predict for, `epochs` values or more each. */
  readonly candidates: readonly (readonly number[])[];
}

/** One predicted loss per candidate, or why there is none (then nobody is stopped). */
export type PredictionAnswer =
  | { readonly outcome: 'predicted'; readonly losses: readonly number[] }
  | { readonly outcome: 'impossible'; readonly reason: string };
