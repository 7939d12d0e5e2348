/** Simulated annealing of a QUBO (Kirkpatrick et al. 1983): Metropolis sweeps under a falling temperature. */
import { exp, pow } from '../../math.js';
import { stream } from '../../rng.js';
import { energy, type Qubo } from './qubo.js';

/** What an annealer found, one read after the other. */
export interface Samples {
  readonly variables: number;
  /** reads x variables, row-major, each 0 or 1. */
  readonly bits: Uint8Array;
  /** Energy of each read. */
  readonly energies: Float64Array;
}

export interface Annealing {
  /** Independent anneals. */
  readonly reads: number;
  /** Times every variable is visited in one read. */
  readonly sweeps: number;
  /** 32-bit unsigned. */
  readonly seed: number;
  /** Inverse temperature at the first and at the last sweep, geometric between. @default {@link betaRange} */
  readonly betaRange?: readonly [number, number];
  /** Reads `from` ... `to` - 1 alone. @default 0 and `reads` */
  readonly from?: number;
  readonly to?: number;
}

/**
 * 15 and 600 over the largest |Q|: about 10 and 400 for the published settings. Of eight ranges on mlpf with 15 and 20
 * points it had the lowest mean energies (-1.853 at 300 sweeps; -1.837 from 20 to 200, -1.822 from 2 to 200), in two
 * thirds of the time of a hotter start: what is flipped at high temperature costs most and is forgotten.
 */
export function betaRange({ matrix }: Qubo): [number, number] {
  const largest = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  return [15 / largest, 600 / largest];
}

/** 32 ln 2: a step up by more than this times the temperature has a chance below the generator's 2^-32. */
const hopeless = 22.18;

/**
 * Each read has a random stream of its own, named by the seed and its index: however the reads are shared out with
 * `from` and `to`, read r is the same to the bit.
 */
export function anneal(qubo: Qubo, { reads, sweeps, seed, from = 0, to = reads, ...more }: Annealing): Samples {
  const n = qubo.variables;
  const couplings = symmetricRows(qubo);
  const [hot, cold] = more.betaRange ?? betaRange(qubo);
  const betas = Float64Array.from({ length: sweeps }, (_, s) => hot * pow(cold / hot, s / Math.max(1, sweeps - 1)));
  const count = Math.max(0, to - from);
  const bits = new Uint8Array(count * n);
  const energies = new Float64Array(count);
  for (let read = 0; read < count; read++) {
    const state = bits.subarray(read * n, (read + 1) * n);
    metropolis(qubo, couplings, betas, seed, from + read, state);
    energies[read] = energy(qubo, state);
  }
  return { variables: n, bits, energies };
}

/** Q + Q' without its diagonal, a row of its own per variable, padded to whole blocks of four. */
function symmetricRows({ variables: n, matrix }: Qubo): Float64Array[] {
  const stride = Math.ceil(n / 4) * 4;
  const rows = Array.from({ length: n }, () => new Float64Array(stride));
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      (rows[i] as Float64Array)[j] = (rows[j] as Float64Array)[i] = matrix[i * n + j] as number;
    }
  }
  return rows;
}

/**
 * One read into `state`. `field[i]` is what the energy gains when bit i is set, `turn[i]` is 1 for a bit that is not
 * set and -1 for one that is, so that `turn[i] * field[i]` is the cost of flipping it.
 */
function metropolis(
  { variables: n, matrix }: Qubo,
  couplings: readonly Float64Array[],
  betas: Float64Array,
  seed: number,
  read: number,
  state: Uint8Array
): void {
  // xoshiro128** as in rng.ts, its state in local variables: half of the time went into calls.
  const start = stream(seed, 'anneal', read);
  let a = start.uint32() | 0;
  let b = start.uint32() | 0;
  let c = start.uint32() | 0;
  let d = start.uint32() | 1;

  const field = new Float64Array(couplings[0]?.length ?? 0);
  const turn = new Float64Array(n).fill(1);
  for (let i = 0; i < n; i++) field[i] = matrix[i * (n + 1)] as number;
  for (let i = 0; i < n; i++) {
    if (start.uint32() >>> 31 === 0) continue;
    addRow(field, couplings[i] as Float64Array, 1);
    turn[i] = -1;
  }

  for (let sweep = 0; sweep < betas.length; sweep++) {
    const beta = betas[sweep] as number;
    for (let i = 0; i < n; i++) {
      const x = beta * (turn[i] as number) * (field[i] as number);
      if (x > hopeless) continue;
      if (x > 0) {
        const scrambled = Math.imul(b, 5);
        const draw = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
        const t = b << 9;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= t;
        d = (d << 11) | (d >>> 21);
        // Accepted with probability e^-x. Most draws are settled by a bound: 1 - x < e^-x < 1 / (1 + x + x^2 / 2).
        const u = draw / 4294967296;
        if (u * (1 + x + 0.5 * x * x) >= 1) continue;
        if (u >= 1 - x && u >= exp(-x)) continue;
      }
      addRow(field, couplings[i] as Float64Array, turn[i] as number);
      turn[i] = -(turn[i] as number);
    }
  }
  for (let i = 0; i < n; i++) state[i] = turn[i] === -1 ? 1 : 0;
}

/** field += sign * row; unrolled, which takes a third off the whole. */
function addRow(field: Float64Array, row: Float64Array, sign: number): void {
  for (let j = 0; j < field.length; j += 4) {
    field[j] = (field[j] as number) + sign * (row[j] as number);
    field[j + 1] = (field[j + 1] as number) + sign * (row[j + 1] as number);
    field[j + 2] = (field[j + 2] as number) + sign * (row[j + 2] as number);
    field[j + 3] = (field[j + 3] as number) + sign * (row[j + 3] as number);
  }
}
