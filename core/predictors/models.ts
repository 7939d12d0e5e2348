/** Every model there is: a new one is a file beside this one and a line here. Types and study files follow. */
import type { AnnealerModel } from '../study.js';
import { annealerFit, problemOf, regressorFrom } from './annealer/fit.js';
import { decodeSamples } from './annealer/wire.js';
import { extraTrees } from './extra-trees.js';
import { scaled } from './features.js';
import { isotonic } from './isotonic.js';
import { last } from './last.js';
import type { Fit } from './model.js';
import { fitNuSvr } from './nu-svr.js';
import { powerLaw } from './power-law.js';

const nuSvr: Fit = (rows, targets) => fitNuSvr(rows, targets);

/** Models without settings, by the name a study file gives them; `PlainModel` and the schema take these names. */
export const plainModels = {
  // Baker et al. 2017, García Amboage et al. 2023: all known epochs.
  svr: scaled(nuSvr),
  // The last epochs alone predict better: 10 of them, 5 when there are few curves to learn from (docs/predictors.md).
  'svr-tail': scaled(nuSvr, (curves) => (curves >= 50 ? 10 : 5)),
  isotonic,
  last,
  'power-law': powerLaw,
  'extra-trees': extraTrees,
} satisfies Readonly<Record<string, Fit>>;

const annealer: Fit<AnnealerModel> = scaled((rows, targets, { model, seed, solved }) => {
  if (model.solver === 'simulated') return annealerFit(rows, targets, model, seed);
  if (!solved) return { impossible: 'nobody has sampled its QUBO' };
  const problem = problemOf(rows, targets, seed);
  return regressorFrom(problem, decodeSamples(problem.qubo, solved), model.combination);
});

/** Model type to what trains it. */
export const models = { ...plainModels, annealer };
