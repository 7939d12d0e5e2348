/** A QUBO and its samples as JSON, for a solver behind an activity (python/everband/qubo.py). */
import { fromBase64, toBase64 } from '../../base64.js';
import { energy, type Qubo } from './qubo.js';
import type { Solution } from '../request.js';
import type { Samples } from './simulated.js';

export interface QuboRequest {
  readonly schemaVersion: 1;
  readonly study: string;
  /** n. */
  readonly variables: number;
  /** base64 of the upper triangle, row-major, n (n + 1) / 2 little-endian float64. */
  readonly qubo: string;
  readonly reads: number;
  /** Sweeps per read, for Ocean's simulated annealer. */
  readonly sweeps?: number | undefined;
  /** 32-bit unsigned; a QPU knows no seed. */
  readonly seed: number;
  /** Chain strength in units of the largest |Q|, rounded up. @default 10 */
  readonly chainMultiplier?: number | undefined;
  /** Most seconds of QPU access time the study may use, and how many it has used. */
  readonly maxQpuSeconds?: number | undefined;
  readonly qpuSecondsUsed?: number | undefined;
}

export interface QuboAnswer extends Solution {
  /** base64 of the bits, rows x n, row-major, without gaps, lowest bit of a byte first. */
  readonly samples: string;
  /** One per row, as the solver gave them. */
  readonly energies: readonly number[];
  /** Reads that found the row. */
  readonly occurrences: readonly number[];
  /** Who answered. */
  readonly solver: string;
  /** Mean share of chains broken, where there are chains. */
  readonly chainBreaks?: number | undefined;
}

export function encodeQubo({ variables, matrix }: Qubo): Pick<QuboRequest, 'variables' | 'qubo'> {
  const view = new DataView(new ArrayBuffer(4 * variables * (variables + 1)));
  let at = 0;
  for (let i = 0; i < variables; i++) {
    for (let j = i; j < variables; j++, at += 8) view.setFloat64(at, matrix[i * variables + j] as number, true);
  }
  return { variables, qubo: toBase64(new Uint8Array(view.buffer)) };
}

/**
 * One row per read, energies computed from the bits rather than believed. Throws a RangeError when the answer does not
 * fit the QUBO.
 */
export function decodeSamples(qubo: Qubo, answer: QuboAnswer): Samples {
  const { variables } = qubo;
  const { occurrences } = answer;
  const packed = fromBase64(answer.samples);
  const wanted = Math.ceil((occurrences.length * variables) / 8);
  if (packed.length !== wanted) {
    throw new RangeError(`${occurrences.length} rows of ${variables} bits take ${wanted} bytes, got ${packed.length}`);
  }
  if (!occurrences.every((count) => Number.isInteger(count) && count > 0)) {
    throw new RangeError('every row needs a number of occurrences, 1 or more');
  }
  const reads = occurrences.flatMap((count, row) => Array.from({ length: count }, () => row));
  const bits = new Uint8Array(reads.length * variables);
  reads.forEach((row, read) => {
    for (let i = 0; i < variables; i++) {
      const at = row * variables + i;
      bits[read * variables + i] = ((packed[at >> 3] as number) >> (at & 7)) & 1;
    }
  });
  const energies = Float64Array.from(reads, (_, read) => energy(qubo, bits, read * variables));
  return { variables, bits, energies };
}
