/** How a predictor learns: trained on the complete curves of a rung, it says where another curve ends. */
import type { Solution } from './request.js';

interface FitContext<Settings> {
  /** The predictor with its settings. */
  readonly settings: Settings;
  /** 32-bit unsigned; a predictor that draws takes every draw from streams of it. */
  readonly seed: number;
  /** What a solver elsewhere found for the problem that the predictor posed. */
  readonly solved?: Solution | undefined;
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
export type Fit<Settings = { readonly type: string }> = (
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  context: FitContext<Settings>
) => Fitted | Impossible;
