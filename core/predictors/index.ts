/** Every predictor there is: a new one is a file beside this one and a line here. */
import { activity, type ActivityPredictor } from './activity.js';
import { annealer, type AnnealerPredictor } from './annealer.js';
import type { Elsewhere, PredictorDefinition } from './definition.js';
import { extraTrees, type ExtraTreesPredictor } from './extra-trees.js';
import { isotonic, type IsotonicPredictor } from './isotonic.js';
import { last, type LastPredictor } from './last.js';
import { powerLaw, type PowerLawPredictor } from './power-law.js';
import { svr, type SvrPredictor } from './svr.js';
import { svrTail, type SvrTailPredictor } from './svr-tail.js';

/** Those that need nothing but curves, so that they can stand in for another. */
export const plainPredictors = {
  svr,
  'svr-tail': svrTail,
  isotonic,
  last,
  'power-law': powerLaw,
  'extra-trees': extraTrees,
};

export const predictors = { ...plainPredictors, annealer: annealer(Object.keys(plainPredictors)), activity };

export type {
  ActivityPredictor,
  AnnealerPredictor,
  ExtraTreesPredictor,
  IsotonicPredictor,
  LastPredictor,
  PowerLawPredictor,
  SvrPredictor,
  SvrTailPredictor,
};
export type PredictorSettings = {
  [Name in keyof typeof predictors]: (typeof predictors)[Name] extends PredictorDefinition<infer Settings>
    ? Settings
    : never;
}[keyof typeof predictors];
/** One of those that need nothing but curves. */
export type PlainPredictor = Extract<PredictorSettings, { readonly type: keyof typeof plainPredictors }>;

export function predictorOf({ type }: Pick<PredictorSettings, 'type'>): PredictorDefinition<PredictorSettings> {
  return predictors[type] as unknown as PredictorDefinition<PredictorSettings>;
}

/** Whose worker has a part in the answers of a predictor; null: they are made in the process. */
export function elsewhereOf(predictor: PredictorSettings): Elsewhere | null {
  return predictorOf(predictor).elsewhere?.(predictor) ?? null;
}
