/**
 * The annealer predictor (García Amboage et al. 2023): support vector regression whose dual an annealer minimises. Three
 * pure steps, so that the middle one can be somebody else's: `problemOf`, a sampler, `regressorFrom`.
 */
import { stream } from '../../rng.js';
import type { AnnealerPredictor } from '../annealer.js';
import type { Fitted, Impossible } from '../fit.js';
import { faithful, sound } from './combine.js';
import { kernel, published, svrQubo, type Qubo, type SvrEncoding } from './qubo.js';
import { anneal, type Samples } from './simulated.js';

/** Most training points: 20 make the 120 coupled variables a quantum annealer has room for. */
const maxPoints = 20;

export interface AnnealerProblem {
  /** The points learnt from, at most 20. */
  readonly rows: readonly (readonly number[])[];
  readonly targets: readonly number[];
  readonly qubo: Qubo;
}

/**
 * Step 1. `rows` (n x f) and `targets` (n) scaled to [0, 1] by all n of them; of more than 20 a random subset, the same
 * for the same seed, is learnt from.
 */
export function problemOf(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  seed: number,
  encoding: SvrEncoding = published
): AnnealerProblem {
  const chosen = stream(seed, 'subset')
    .permutation(rows.length)
    .slice(0, maxPoints)
    .sort((a, b) => a - b);
  const own = { rows: chosen.map((i) => rows[i] as number[]), targets: chosen.map((i) => targets[i] as number) };
  return { ...own, qubo: svrQubo(own.rows, own.targets, encoding) };
}

/** Step 3. Predictions are in the units of the targets; `impossible` when no read has a support vector. */
export function regressorFrom(
  { rows, targets, qubo }: AnnealerProblem,
  samples: Samples,
  combination: AnnealerPredictor['combination'],
  encoding: SvrEncoding = published
): Fitted | Impossible {
  if (samples.variables !== qubo.variables) {
    return { impossible: `samples of ${samples.variables} variables for a problem of ${qubo.variables}` };
  }
  const near = (row: readonly number[]) => rows.map((other) => kernel(encoding.gamma, other, row));
  const points = { kernels: rows.map(near), targets, encoding };
  const machine = combination === 'sound' ? sound(points, samples) : faithful(points, samples);
  if (!machine) return { impossible: 'the annealer found no support vectors' };
  const { d, b } = machine;
  return { predict: (row) => near(row).reduce((sum, k, n) => sum + k * (d[n] as number), b) };
}

/**
 * All three steps with the embedded annealer, whatever the solver of `settings`. Does not scale: rows and targets have
 * to be in [0, 1] (min-max over the training set), predictions come in the same units.
 */
export function annealerFit(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  settings: Pick<AnnealerPredictor, 'reads' | 'sweeps' | 'combination'>,
  seed: number
): Fitted | Impossible {
  const problem = problemOf(rows, targets, seed);
  const { reads, sweeps, combination } = settings;
  return regressorFrom(problem, anneal(problem.qubo, { reads, sweeps, seed }), combination);
}
