/**
 * nu-SVR on the last known epochs, which predict better than all of them: 10, or 5 when there are few curves to learn
 * from (docs/predictors.md).
 */
import type { PredictorDefinition } from './definition.js';
import { scaled } from './features.js';
import { fitNuSvr } from './nu-svr.js';

export interface SvrTailPredictor {
  readonly type: 'svr-tail';
}

export const svrTail: PredictorDefinition<SvrTailPredictor> = {
  options: {},
  fit: scaled(
    (rows, targets) => fitNuSvr(rows, targets),
    (curves) => (curves >= 50 ? 10 : 5)
  ),
};
