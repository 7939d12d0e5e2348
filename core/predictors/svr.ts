/** nu-SVR on all known epochs, as Baker et al. 2017 and García Amboage et al. 2023 have it. */
import type { PredictorDefinition } from './definition.js';
import { scaled } from './features.js';
import { fitNuSvr } from './nu-svr.js';

export interface SvrPredictor {
  readonly type: 'svr';
}

export const svr: PredictorDefinition<SvrPredictor> = {
  options: {},
  fit: scaled((rows, targets) => fitNuSvr(rows, targets)),
};
