/**
 * The Sobol sequence in Gray-code order, 32 bits (Antonov and Saleev 1979; Bratley and Fox 1988), scrambled by a random
 * lower triangular matrix and a digital shift per dimension (Matousek 1998), as SciPy does: the points keep their
 * equidistribution, and each point alone is uniform.
 */
import { stream } from './rng.js';
import { directions } from './sobol-directions.js';

/** Most parameters a space may have for the sampler `sobol`. */
export const maxSobolDimensions = directions.length + 1;

/** Point `n` (from 0, below 2^32), coordinates in [0, 1). Any order of asking gives the same points. */
export type SobolSequence = (n: number) => number[];

/** `seed` null: unscrambled, its point 0 the origin. More than {@link maxSobolDimensions} is a RangeError. */
export function sobolSequence(dimensions: number, seed: number | null): SobolSequence {
  if (dimensions > maxSobolDimensions)
    throw new RangeError(`the Sobol sequence has ${maxSobolDimensions} dimensions here, not ${dimensions}`);
  const axes = Array.from({ length: dimensions }, (_, dimension) => {
    const plain = directionsOf(dimension);
    return seed === null ? { vectors: plain, shift: 0 } : scrambled(plain, stream(seed, 'sobol', dimension).uint32);
  });
  return (n) => {
    const gray = (n ^ (n >>> 1)) >>> 0;
    return axes.map(({ vectors, shift }) => {
      let x = shift;
      for (let rest = gray, j = 0; rest !== 0; rest >>>= 1, j++) if (rest & 1) x ^= vectors[j] as number;
      return (x >>> 0) / 4294967296;
    });
  };
}

/** v_1 ... v_32 of a dimension, v_j = m_j 2^(32 - j). The first dimension is van der Corput's sequence. */
function directionsOf(dimension: number): number[] {
  const [polynomial, ...m] = directions[dimension - 1] ?? [1];
  const degree = m.length;
  const v = m.map((one, j) => one << (31 - j));
  for (let j = degree; j < 32; j++) {
    if (degree === 0) {
      v.push(1 << (31 - j));
      continue;
    }
    const last = v[j - degree] as number;
    let next = last ^ (last >>> degree);
    for (let k = 1; k < degree; k++) if (((polynomial as number) >>> (degree - k)) & 1) next ^= v[j - k] as number;
    v.push(next);
  }
  return v;
}

/** Each digit becomes itself plus a random sum of the digits before it; then a random digital shift. */
function scrambled(vectors: readonly number[], uint32: () => number): { vectors: number[]; shift: number } {
  // Row i of the matrix: its bit for digit i is one, those of later (lower) digits are none.
  const rows = Array.from({ length: 32 }, (_, i) => {
    const diagonal = 1 << (31 - i);
    const before = ~(diagonal | (diagonal - 1));
    return (uint32() & before) | diagonal;
  });
  const mixed = vectors.map((v) => rows.reduce((x, row, i) => x | (parity(row & v) << (31 - i)), 0));
  return { vectors: mixed, shift: uint32() };
}

/** 1 when an odd number of bits is set. */
function parity(x: number): number {
  let bits = x ^ (x >>> 16);
  bits ^= bits >>> 8;
  bits ^= bits >>> 4;
  bits ^= bits >>> 2;
  return (bits ^ (bits >>> 1)) & 1;
}
