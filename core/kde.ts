/**
 * Multivariate kernel density estimation with a product kernel over numbers and categories (Racine 2008, "Nonparametric
 * Econometrics: A Primer"), as statsmodels' `KDEMultivariate` has it for the variable types `c` and `u`.
 */
import { exp, pow } from './math.js';
import type { Point } from './unit-cube.js';

export interface Kde {
  readonly points: readonly Point[];
  /** h, one per dimension; above 0 where `levels` is 0. */
  readonly bandwidths: readonly number[];
  /** One per dimension: how many categories it has, 0 when it is a number. */
  readonly levels: readonly number[];
}

/**
 * Scott's rule as statsmodels has it: h = 1.06 sigma n^(-1 / (4 + d)), sigma with divisor n. Categories take the
 * deviation of their indices, as there.
 */
export function normalReference(points: readonly Point[]): number[] {
  const n = points.length;
  const dimensions = points[0]?.length ?? 0;
  const factor = 1.06 * pow(n, -1 / (4 + dimensions));
  return Array.from({ length: dimensions }, (_, d) => {
    const mean = points.reduce((sum, point) => sum + (point[d] as number), 0) / n;
    const squares = points.reduce(
      (sum, point) => sum + ((point[d] as number) - mean) * ((point[d] as number) - mean),
      0
    );
    return factor * Math.sqrt(squares / n);
  });
}

const rootTwoPi = 2.5066282746310002;

/**
 * f(x): the mean over the points of the product over dimensions of a Gaussian kernel (numbers), or of Aitchison and
 * Aitken's (1976) for c categories: 1 - h at the point's own category, h / (c - 1) at each other.
 */
export function density({ points, bandwidths, levels }: Kde, x: Point): number {
  let sum = 0;
  for (const point of points) {
    let squares = 0;
    let categorical = 1;
    for (let d = 0; d < levels.length; d++) {
      const h = bandwidths[d] as number;
      const c = levels[d] as number;
      if (c > 0) categorical *= point[d] === x[d] ? 1 - h : h / (c - 1);
      else {
        const z = ((point[d] as number) - (x[d] as number)) / h;
        squares += z * z;
      }
    }
    sum += exp(-squares / 2) * categorical;
  }
  const scale = levels.reduce(
    (product, c, d) => (c > 0 ? product : product * rootTwoPi * (bandwidths[d] as number)),
    1
  );
  return sum / (points.length * scale);
}
