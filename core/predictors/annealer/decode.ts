/** From the bits an annealer found back to a support vector machine: coefficients, outputs, bias. */
import { bitWeights, type SvrEncoding } from './qubo.js';
import type { Samples } from './simulated.js';

/** Coefficients of the dual, N each; those of a combination of reads may be negative. */
export interface Coefficients {
  /** alpha: pull the function up to targets above it. */
  readonly up: readonly number[];
  /** alpha': pull it down. */
  readonly down: readonly number[];
}

/** The `count` different reads of lowest energy, lowest first, ties in order of reads; fewer when there are not as many. */
export function lowestReads({ variables, bits, energies }: Samples, count: number): number[] {
  const byEnergy = [...energies.keys()].sort((a, b) => (energies[a] as number) - (energies[b] as number) || a - b);
  const same = (a: number, b: number) => {
    for (let i = 0; i < variables; i++) if (bits[a * variables + i] !== bits[b * variables + i]) return false;
    return true;
  };
  const lowest: number[] = [];
  for (const read of byEnergy) {
    if (lowest.length === count) break;
    if (!lowest.some((other) => same(read, other))) lowest.push(read);
  }
  return lowest;
}

/** alpha_n = sum_i B^(i - k0) a[K n + i], alpha'_n likewise from a[K (N + n) + i]. */
export function coefficientsOf({ variables, bits }: Samples, read: number, encoding: SvrEncoding): Coefficients {
  const weights = bitWeights(encoding);
  const coefficients = Array.from({ length: variables / weights.length }, (_, u) =>
    weights.reduce((sum, weight, i) => sum + weight * (bits[read * variables + u * weights.length + i] as number), 0)
  );
  const points = coefficients.length / 2;
  return { up: coefficients.slice(0, points), down: coefficients.slice(points) };
}

/** alpha_n - alpha'_n. */
export function differences({ up, down }: Coefficients): number[] {
  return up.map((value, n) => value - (down[n] as number));
}

/** g(x) = sum_n d_n k(x_n, x) for each row of `kernels`, which holds k(x_n, x). */
export function outputs(kernels: readonly (readonly number[])[], d: readonly number[]): number[] {
  return kernels.map((row) => row.reduce((sum, k, n) => sum + k * (d[n] as number), 0));
}

export interface BiasRule {
  /** Points above the tube give y - eps - g. So do, as published, those below it, where KKT has y + eps - g. */
  readonly below: 'kkt' | 'published';
  /** Coefficients from here on are at their bound and say nothing of the bias. */
  readonly bound: number;
}

/**
 * The bias: its mean over the coefficients strictly between 0 and the bound, over all above 0 when every one of them is
 * at the bound; null without any, where the published code adds 0.1 to C for ever.
 */
export function bias(
  { up, down }: Coefficients,
  targets: readonly number[],
  g: readonly number[],
  epsilon: number,
  { below, bound }: BiasRule
): number | null {
  const over = (low: number, high: number) => {
    const between = (value: number) => value > low && value < high;
    const values = targets.map((y, n) => y - (g[n] as number));
    return [
      ...values.filter((_, n) => between(up[n] as number)).map((value) => value - epsilon),
      ...values
        .filter((_, n) => between(down[n] as number))
        .map((value) => (below === 'kkt' ? value + epsilon : value - epsilon)),
    ];
  };
  const free = over(rounding, bound - rounding);
  const all = free.length > 0 ? free : over(rounding, Infinity);
  return all.length > 0 ? all.reduce((sum, value) => sum + value, 0) / all.length : null;
}

/** Coefficients closer to a bound than this are at it. */
const rounding = 1e-8;
