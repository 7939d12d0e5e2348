/** How far predictions are off, by k-fold cross-validation (Baker et al. 2017 take k = 5). */
import type { Fitted, Impossible } from './fit.js';

const maxFolds = 5;

/** Trains on some of the curves, with every check that all of them pass. */
type Train = (rows: readonly (readonly number[])[], targets: readonly number[]) => Fitted | Impossible;

/**
 * Standard deviation (around their mean, divisor n) of the residuals of 5-fold cross-validation. Curve i is left out in
 * fold i modulo 5: neighbours come from the same bracket, which a contiguous fold would leave out as a whole. Fewer
 * than 5 curves are left out one by one. Impossible when one of the folds is.
 */
export function residualDeviation(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  train: Train
): number | Impossible {
  const folds = Math.min(maxFolds, rows.length);
  const residuals: number[] = [];
  for (let fold = 0; fold < folds; fold++) {
    const kept = <T>(all: readonly T[]) => all.filter((_, i) => i % folds !== fold);
    const fitted = train(kept(rows), kept(targets));
    if ('impossible' in fitted) return { impossible: `no deviation: in a fold, ${fitted.impossible}` };
    for (let i = fold; i < rows.length; i += folds) {
      residuals.push((targets[i] as number) - fitted.predict(rows[i] as readonly number[]));
    }
  }
  const mean = residuals.reduce((sum, residual) => sum + residual, 0) / residuals.length;
  const squares = residuals.reduce((sum, residual) => sum + (residual - mean) * (residual - mean), 0);
  return Math.sqrt(squares / residuals.length);
}
