/** What a predictor model is: trained on the complete curves of a rung, it says where another curve ends. */
import type { ActivityModel, Model } from '../study.js';
import type { QuboAnswer } from './annealer/wire.js';

/** A model that is trained here. An `activity` is not: somebody else's worker answers for it. */
export type LearnedModel = Exclude<Model, ActivityModel>;

export interface FitContext<M extends LearnedModel> {
  /** The model with its settings. */
  readonly model: M;
  /** 32-bit unsigned; a model that draws takes every draw from streams of it. */
  readonly seed: number;
  /** What a solver elsewhere found for the annealer's QUBO. */
  readonly solved?: QuboAnswer | undefined;
}

export interface Fitted {
  /** The loss at the rung of a curve whose first t losses are `row`. A value that is not finite counts as no answer. */
  predict(row: readonly number[]): number;
}

/** Why nothing can be learnt; then nobody is stopped. */
export interface Impossible {
  readonly impossible: string;
}

/**
 * Learns from `rows` (n >= 2 curves, the same t >= 1 finite losses of each, first epoch first) and `targets` (n finite
 * losses at the rung, not all equal). The same arguments must give the same bits on every engine: `core/math.ts` for
 * exp, log and powers, `core/rng.ts` for draws.
 */
export type Fit<M extends LearnedModel = LearnedModel> = (
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  context: FitContext<M>
) => Fitted | Impossible;
