/**
 * The dual of epsilon-SVR as a QUBO (Pasetto et al. 2022, "Quantum support vector regression for biophysical variable
 * estimation", section III; constants of the code published with García Amboage et al. 2023).
 */
import { exp, pow } from '../../math.js';

export interface SvrEncoding {
  /** K: bits of each coefficient. @default 3 */
  readonly bits: number;
  /** B: bit i weighs B^(i - k0). @default 0.5 */
  readonly base: number;
  /** k0. @default 0.005 */
  readonly shift: number;
  /** Half width of the tube in which errors cost nothing. @default 0.02 */
  readonly epsilon: number;
  /** Penalty that stands for the constraint sum (alpha - alpha') = 0. @default 0.01 */
  readonly xi: number;
  /** Penalty of points with both coefficients above 0. @default 0 */
  readonly beta: number;
  /** Width of the kernel exp(-gamma |x - x'|^2). @default 0.1 */
  readonly gamma: number;
  /** Box constraint; the largest coefficient three bits can hold is 1.756, so that it never binds. @default 67.61 */
  readonly c: number;
}

/** The published settings; with N = 20 points they make 120 binary variables, all coupled. */
export const published: SvrEncoding = {
  bits: 3,
  base: 0.5,
  shift: 0.005,
  epsilon: 0.02,
  xi: 0.01,
  beta: 0,
  gamma: 0.1,
  c: 67.61,
};

/** Minimise sum over i <= j of Q[i][j] x_i x_j over bits x. */
export interface Qubo {
  readonly variables: number;
  /** variables x variables, row-major, 0 below the diagonal. */
  readonly matrix: Float64Array;
}

/** B^(i - k0) for i = 0 ... K - 1. */
export function bitWeights({ bits, base, shift }: SvrEncoding): number[] {
  return Array.from({ length: bits }, (_, i) => pow(base, i - shift));
}

/** exp(-gamma |a - b|^2). */
export function kernel(gamma: number, a: readonly number[], b: readonly number[]): number {
  let squared = 0;
  for (let i = 0; i < a.length; i++) {
    const d = (a[i] as number) - (b[i] as number);
    squared += d * d;
  }
  return exp(-gamma * squared);
}

/**
 * The QUBO of `rows` (N x f) and `targets` (N), both scaled to [0, 1]: 2NK variables, bit i of alpha_n at K n + i and
 * bit i of alpha'_n at K (N + n) + i.
 */
export function svrQubo(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  encoding: SvrEncoding = published
): Qubo {
  const { bits, epsilon, xi, beta, gamma } = encoding;
  const weights = bitWeights(encoding);
  const points = rows.length;
  const variables = 2 * points * bits;
  const matrix = new Float64Array(variables * variables);
  // A coefficient u is alpha_u for u < N and alpha'_(u - N) from there on; its sign in d_n = alpha_n - alpha'_n.
  for (let u = 0; u < 2 * points; u++) {
    const n = u % points;
    const sign = u < points ? 1 : -1;
    for (let v = u; v < 2 * points; v++) {
      const m = v % points;
      const signs = v < points ? sign : -sign;
      const product = signs * (kernel(gamma, rows[n] as number[], rows[m] as number[]) / 2 + xi);
      // The pair (u, v) stands for (v, u) too; beta alpha_n alpha'_n comes once.
      const pair = u === v ? product : 2 * product + (n === m ? beta : 0);
      for (let i = 0; i < bits; i++) {
        const row = (u * bits + i) * variables;
        for (let j = u === v ? i : 0; j < bits; j++) {
          const both = (weights[i] as number) * (weights[j] as number) * pair;
          matrix[row + v * bits + j] = u === v && i !== j ? 2 * both : both;
        }
      }
    }
    for (let i = 0; i < bits; i++) {
      const at = (u * bits + i) * (variables + 1);
      matrix[at] = (matrix[at] as number) + (weights[i] as number) * (epsilon - sign * (targets[n] as number));
    }
  }
  return { variables, matrix };
}

/** Energy of the bits at `offset` of `bits`. */
export function energy({ variables, matrix }: Qubo, bits: Uint8Array, offset = 0): number {
  let sum = 0;
  for (let i = 0; i < variables; i++) {
    if (!bits[offset + i]) continue;
    for (let j = i; j < variables; j++) if (bits[offset + j]) sum += matrix[i * variables + j] as number;
  }
  return sum;
}
