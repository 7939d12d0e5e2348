/** The standard normal distribution. */
import { exp } from './math.js';

/**
 * P(Z <= z), to 1e-14: a continued fraction in the tails, the Taylor series of the integral in the middle (both as in
 * Abramowitz and Stegun 1964, 26.2.10 and 26.2.14).
 */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) return NaN;
  const x = Math.abs(z);
  if (x > 38) return z > 0 ? 1 : 0;
  const density = exp((-x * x) / 2) / 2.5066282746310002;
  if (x < 3) {
    let term = x;
    let sum = x;
    for (let k = 3; term > sum * 1e-17; k += 2) sum += term *= (x * x) / k;
    return z > 0 ? 0.5 + density * sum : 0.5 - density * sum;
  }
  let fraction = x;
  for (let k = 60; k >= 1; k--) fraction = x + k / fraction;
  const tail = density / fraction;
  return z > 0 ? 1 - tail : tail;
}
