/** Made-up curves for tests that need no data set: seeded power laws that cross, some of which diverge. */
import { stream } from '../../core/rng.js';
import type { Setting } from '../../simulate/algorithms.js';
import type { CurveTable } from '../../trainers/replay.js';

export function madeUpCurves(rows: number, epochs: number, options: { diverging?: boolean } = {}): CurveTable {
  const drawn = Array.from({ length: rows }, (_, row) => {
    const random = stream(3, row);
    const [floor, height, seconds] = [random.uniform(), 3 * random.uniform(), 1 + 9 * random.uniform()];
    const until = options.diverging && row % 10 === 0 ? random.below(epochs) : epochs;
    const values = Array.from({ length: epochs }, (_, e) =>
      e < until ? floor + height / (e + 1) + 0.02 * random.uniform() : NaN
    );
    return { config: { lr: floor, momentum: height, seconds, row }, values };
  });
  return { rows: drawn.map(({ config }) => config), values: drawn.map(({ values }) => values) };
}

export const setting = (maxBudget: number, eta: number): Setting => {
  return { objective: { metric: 'loss', mode: 'minimise' }, maxBudget, eta, file: 'made up' };
};
