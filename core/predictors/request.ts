/** What a decision point asks a predictor, and what it answers. Losses are minimised here (a metric is negated). */
import type { PredictorSettings } from './index.js';

/** What a solver elsewhere found, in the form that its predictor reads. */
export interface Solution {
  /** Access time to a quantum processor that it took; 0 where there is none. */
  readonly qpuSeconds: number;
}

/** Complete curves to learn from. */
export interface TrainingSet {
  /** One row per curve: the loss after each epoch, at least `epochs` of them. */
  readonly curves: readonly (readonly number[])[];
  /** The loss at the rung, one per curve. */
  readonly targets: readonly number[];
}

export interface PredictionRequest {
  readonly predictor: PredictorSettings;
  /** 32-bit unsigned, for predictors that draw; the same decision point of a study always gets the same. */
  readonly seed: number;
  /** t: how many values of a curve are known at the decision point. */
  readonly epochs: number;
  readonly training: TrainingSet;
  /** Curves to predict for, `epochs` values or more each. */
  readonly candidates: readonly (readonly number[])[];
  /** What a solver elsewhere found before for this decision point. */
  readonly solved?: Solution;
  /** Seconds of QPU time the study has used; only for a predictor that is solved elsewhere. */
  readonly qpuSecondsUsed?: number;
  /** Whether the answer needs a `deviation`. */
  readonly uncertainty?: boolean;
}

/** One predicted loss per candidate, or why there is none (then nobody is stopped). */
export type PredictionAnswer =
  | {
      readonly outcome: 'predicted';
      readonly losses: readonly number[];
      /** Standard deviation of the residuals of 5-fold cross-validation; only when `uncertainty` was asked for. */
      readonly deviation?: number;
      /** What a solver elsewhere found: final, for a quantum annealer does not answer twice alike. */
      readonly solved?: Solution;
      /** Who answered when it was not the predictor asked, and why. */
      readonly fallback?: string;
    }
  | { readonly outcome: 'impossible'; readonly reason: string };
