import assert from 'node:assert/strict';
import path from 'node:path';
import { exp, pow } from '../../core/math.js';
import { bias, coefficientsOf, lowestReads, type Coefficients } from '../../core/predictors/annealer/decode.js';
import { qpuSecondsAllowed } from '../../core/predictors/annealer/elsewhere.js';
import { annealerFit, problemOf, regressorFrom } from '../../core/predictors/annealer/fit.js';
import { energy, kernel, published, svrQubo, type Qubo } from '../../core/predictors/annealer/qubo.js';
import { anneal, type Samples } from '../../core/predictors/annealer/simulated.js';
import { decodeSamples, encodeQubo } from '../../core/predictors/annealer/wire.js';
import { fitNuSvr } from '../../core/predictors/nu-svr.js';
import { stream } from '../../core/rng.js';
import { readTable } from '../../trainers/replay.js';
import { dataFolder } from '../harness.js';

function points(n: number, features: number, seed: number) {
  const random = stream(seed, 'points');
  const rows = Array.from({ length: n }, () => Array.from({ length: features }, () => random.uniform()));
  const sums = rows.map((row) => row.reduce((sum, x) => sum + x, 0));
  const low = Math.min(...sums);
  const range = Math.max(...sums) - low || 1;
  return { rows, targets: sums.map((sum) => (sum - low) / range) };
}

/** The lowest energy of all 2^n bit strings. */
function exhaustive(qubo: Qubo): number {
  let lowest = Infinity;
  const bits = new Uint8Array(qubo.variables);
  for (let code = 0; code < 2 ** qubo.variables; code++) {
    for (let i = 0; i < qubo.variables; i++) bits[i] = (code >> i) & 1;
    lowest = Math.min(lowest, energy(qubo, bits));
  }
  return lowest;
}

describe('the QUBO of a support vector regression', () => {
  it('has the energy of the formula, to 1e-12', () => {
    const random = stream(1, 'bits');
    for (const encoding of [published, { ...published, bits: 2, base: 0.7, shift: 0.3, beta: 0.4, xi: 0.2 }]) {
      const { rows, targets } = points(7, 3, 2);
      const n = rows.length;
      const qubo = svrQubo(rows, targets, encoding);
      for (let trial = 0; trial < 50; trial++) {
        const a = Uint8Array.from({ length: qubo.variables }, () => random.below(2));
        const coefficient = (u: number) =>
          Array.from(
            { length: encoding.bits },
            (_, i) => pow(encoding.base, i - encoding.shift) * (a[encoding.bits * u + i] ?? NaN)
          ).reduce((sum, x) => sum + x, 0);
        const up = rows.map((_, i) => coefficient(i));
        const down = rows.map((_, i) => coefficient(n + i));
        let wanted = 0;
        let difference = 0;
        for (let i = 0; i < n; i++) {
          const [alpha, other, y] = [up[i] ?? NaN, down[i] ?? NaN, targets[i] ?? NaN];
          const d = alpha - other;
          for (let j = 0; j < n; j++) {
            const squared = rows[i]!.reduce((sum, x, k) => sum + (x - rows[j]![k]!) ** 2, 0);
            wanted += 0.5 * d * ((up[j] ?? NaN) - (down[j] ?? NaN)) * exp(-encoding.gamma * squared);
          }
          wanted += encoding.epsilon * (alpha + other) - y * d + encoding.beta * alpha * other;
          difference += d;
        }
        wanted += encoding.xi * difference ** 2;
        assert.ok(Math.abs(energy(qubo, a) - wanted) < 1e-12, `${energy(qubo, a)} instead of ${wanted}`);
      }
    }
  });

  it('has 120 variables for 20 points, all coupled, and nothing below the diagonal', () => {
    const { rows, targets } = points(20, 25, 3);
    const { variables, matrix } = svrQubo(rows, targets);
    assert.equal(variables, 120);
    const lower = matrix.filter((value, at) => at % variables < Math.floor(at / variables) && value !== 0);
    assert.equal(lower.length, 0);
    assert.equal(matrix.filter((value) => value !== 0).length, (120 * 121) / 2);
  });

  it('learns from a random 20 of more points, the same for the same seed', () => {
    const { rows, targets } = points(60, 4, 4);
    const first = problemOf(rows, targets, 9);
    assert.equal(first.qubo.variables, 120);
    assert.ok(first.rows.every((row, i) => targets[rows.indexOf(row as number[])] === first.targets[i]));
    assert.deepEqual(problemOf(rows, targets, 9), first);
    assert.notDeepEqual(problemOf(rows, targets, 10).rows, first.rows);
    assert.deepEqual(problemOf(rows.slice(0, 5), targets.slice(0, 5), 9).rows, rows.slice(0, 5));
  });
});

describe('the simulated annealer', function () {
  this.timeout(60_000);

  it('finds the lowest energy of small problems, as an exhaustive search does', () => {
    for (const [n, bits] of [
      [3, 2],
      [2, 3],
      [1, 1],
    ] as const) {
      for (let seed = 0; seed < 10; seed++) {
        const { rows, targets } = points(n, 2, seed);
        const qubo = svrQubo(rows, targets, { ...published, bits });
        const { energies } = anneal(qubo, { reads: 100, sweeps: 200, seed });
        assert.ok(Math.abs(Math.min(...energies) - exhaustive(qubo)) < 1e-12);
      }
    }
  });

  it('gives the energies of its bits and the same bits however reads are shared out', () => {
    const { rows, targets } = points(15, 5, 5);
    const { qubo } = problemOf(rows, targets, 5);
    const settings = { reads: 12, sweeps: 50, seed: 4294967295 };
    const whole = anneal(qubo, settings);
    assert.equal(whole.energies.length, 12);
    assert.deepEqual(anneal(qubo, settings), whole);
    for (const cuts of [
      [0, 12],
      [0, 1, 12],
      [0, 5, 7, 12],
      [0, 0, 11, 12],
    ]) {
      const parts = cuts.slice(1).map((to, i) => anneal(qubo, { ...settings, from: cuts[i] ?? 0, to }));
      assert.deepEqual(
        parts.flatMap(({ bits }) => [...bits]),
        [...whole.bits]
      );
      assert.deepEqual(
        parts.flatMap(({ energies }) => [...energies]),
        [...whole.energies]
      );
    }
    whole.energies.forEach((value, read) => assert.equal(value, energy(qubo, whole.bits, read * qubo.variables)));
    assert.notDeepEqual(anneal(qubo, { ...settings, seed: 1 }).bits, whole.bits);
    const rows12 = new Set(Array.from({ length: 12 }, (_, r) => whole.bits.slice(r * 90, r * 90 + 90).join('')));
    assert.ok(rows12.size > 6, 'reads repeat each other');
  });

  it('gives these very bits on every engine', () => {
    const { rows, targets } = points(5, 3, 11);
    const { variables, bits } = anneal(problemOf(rows, targets, 11).qubo, { reads: 3, sweeps: 40, seed: 2026 });
    const read = (r: number) => bits.slice(r * variables, (r + 1) * variables).join('');
    assert.deepEqual([0, 1, 2].map(read), [
      '000111000010111111000111000000',
      '000111000110111111000111000100',
      '000111000011110111000111000000',
    ]);
  });

  it('samples the Boltzmann distribution at a fixed temperature', () => {
    // Two coupled bits, sequential Metropolis at beta = 1: frequencies of all four states.
    const qubo = { variables: 2, matrix: Float64Array.of(0.3, -0.8, 0, 0.5) };
    const reads = 40_000;
    const { bits } = anneal(qubo, { reads, sweeps: 12, seed: 3, betaRange: [1, 1] });
    const states = [0, 1, 2, 3].map((code) => Uint8Array.of(code & 1, code >> 1));
    const weights = states.map((state) => exp(-energy(qubo, state)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const counts = [0, 0, 0, 0];
    for (let r = 0; r < reads; r++) counts[(bits[2 * r] ?? 0) + 2 * (bits[2 * r + 1] ?? 0)]! += 1;
    counts.forEach((count, state) => {
      const wanted = (weights[state] ?? NaN) / total;
      // Five standard errors.
      assert.ok(
        Math.abs(count / reads - wanted) < 5 * Math.sqrt((wanted * (1 - wanted)) / reads),
        `${counts.join(' ')}`
      );
    });
  });
});

/** Samples of given rows of bits, with the energies given. */
function samplesOf(rows: readonly (readonly number[])[], energies: readonly number[]): Samples {
  return { variables: rows[0]?.length ?? 0, bits: Uint8Array.from(rows.flat()), energies: Float64Array.from(energies) };
}

describe('from reads to a regressor', () => {
  it('takes the different reads of lowest energy', () => {
    const samples = samplesOf(
      [
        [0, 1],
        [1, 1],
        [0, 1],
        [1, 0],
      ],
      [-1, -3, -1, -1]
    );
    assert.deepEqual(lowestReads(samples, 2), [1, 0]);
    assert.deepEqual(lowestReads(samples, 9), [1, 0, 3]);
  });

  it('decodes coefficients by the weights of their bits', () => {
    const w = pow(0.5, -0.005);
    const { up, down } = coefficientsOf(samplesOf([[1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0]], [0]), 0, published);
    assert.deepEqual([up.length, down.length], [2, 2]);
    [w, w * 1.25, 0, w * 0.5].forEach((value, i) => assert.ok(Math.abs(value - ([...up, ...down][i] ?? NaN)) < 1e-12));
  });

  it('has the bias of the KKT conditions, or of the published slip', () => {
    const coefficients = { up: [0.5, 0, 0], down: [0, 0.25, 0] };
    const [targets, g] = [
      [1, 2, 3],
      [0.5, 0.5, 0.5],
    ];
    const kkt = bias(coefficients, targets, g, 0.1, { below: 'kkt', bound: 1 });
    const slip = bias(coefficients, targets, g, 0.1, { below: 'published', bound: 1 });
    assert.ok(Math.abs((kkt ?? NaN) - (0.4 + 1.6) / 2) < 1e-12);
    assert.ok(Math.abs((slip ?? NaN) - (0.4 + 1.4) / 2) < 1e-12);
    // At its bound a coefficient says nothing, unless all are.
    const bound = bias({ up: [1, 0.5, 0], down: [0, 0, 0] }, targets, g, 0.1, { below: 'kkt', bound: 1 });
    assert.ok(Math.abs((bound ?? NaN) - 1.4) < 1e-12);
    const all = bias({ up: [1, 1, 0], down: [0, 0, 0] }, targets, g, 0.1, { below: 'kkt', bound: 1 });
    assert.ok(Math.abs((all ?? NaN) - 0.9) < 1e-12);
    assert.equal(bias({ up: [0, 0, 0], down: [0, 0, 0] }, targets, g, 0.1, { below: 'kkt', bound: 1 }), null);
  });

  it('is impossible without support vectors, and does not search for them for ever', () => {
    const { rows, targets } = points(4, 2, 7);
    const problem = problemOf(rows, targets, 7);
    const none = samplesOf(
      Array.from({ length: 3 }, () => Array<number>(24).fill(0)),
      [0, 0, 0]
    );
    for (const combination of ['sound', 'faithful'] as const) {
      assert.match(JSON.stringify(regressorFrom(problem, none, combination)), /no support vectors/);
      assert.match(JSON.stringify(regressorFrom(problem, samplesOf([[1, 0]], [0]), combination)), /2 variables/);
      // One set of support vectors is enough.
      const one = samplesOf([[1, ...Array<number>(23).fill(0)]], [0]);
      assert.ok('predict' in regressorFrom(problem, one, combination));
    }
  });

  it('combines reads as published, slips included, and in ours as their mean with the right bias', () => {
    const { rows, targets } = points(6, 2, 8);
    const problem = problemOf(rows, targets, 8);
    const { bits, energies } = anneal(problem.qubo, { reads: 30, sweeps: 100, seed: 8 });
    const order = [...energies.keys()].sort((a, b) => (energies[a] ?? NaN) - (energies[b] ?? NaN));
    // The best read and one that explains less.
    const [good, poor] = [0, 25].map((at) => [...bits.slice((order[at] ?? 0) * 36, (order[at] ?? 0) * 36 + 36)]);
    const samples = samplesOf([good ?? [], poor ?? []], [-2, -1]);
    const asked = [0.3, 0.9];
    const reads = [0, 1].map((read) => coefficientsOf(samples, read, published));
    const k = (a: readonly number[], b: readonly number[]) => kernel(0.1, a, b);
    const at = (x: readonly number[], { up, down }: Coefficients, slip: number, bound: number) => {
      const g = (z: readonly number[]) =>
        rows.reduce((sum, row, n) => sum + ((up[n] ?? 0) - (down[n] ?? 0)) * k(row, z), 0);
      const free = (value = 0) => value > 1e-8 && value < bound - 1e-8;
      const one = rows.flatMap((row, n) => (free(up[n]) ? [(targets[n] ?? NaN) - 0.02 - g(row)] : []));
      const two = rows.flatMap((row, n) => (free(down[n]) ? [(targets[n] ?? NaN) + slip * 0.02 - g(row)] : []));
      return g(x) + [...one, ...two].reduce((sum, value) => sum + value, 0) / (one.length + two.length);
    };
    const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
    const centre = total(targets) / 6;
    const errors = reads.map((read) => rows.map((row, n) => (targets[n] ?? NaN) - at(row, read, -1, 67.61)));
    const s = errors.map((e) => 1 - total(e.map((x) => x * x)) / total(targets.map((y) => (y - centre) ** 2)));
    const l = errors.map((e) => total(e.map((x) => Math.log2(Math.cosh(x)))));
    const share = (weights: readonly number[]) => weights.map((weight) => weight / total(weights));
    const inverse = (scores: readonly number[]) => scores.map((score) => 1 / score);
    const soft = (scores: readonly number[]) => share(scores.map((x) => Math.exp(x - Math.max(...scores))));
    const worst = (s[0] ?? NaN) < (s[1] ?? NaN) ? [1, 0] : [0, 1];
    assert.ok(s.every((score) => score > 0));
    const weights = [
      share(inverse(s)),
      soft(inverse(s)),
      share(inverse(l)),
      soft(inverse(l)),
      worst,
      [0.5, 0.5],
      [0.5, 0.5],
    ];
    const wanted = weights.map((w) => {
      const mix = (part: keyof Coefficients) =>
        rows.map((_, n) => total(reads.map((read, r) => (w[r] ?? NaN) * (read[part][n] ?? NaN))));
      return at(asked, { up: mix('up'), down: mix('down') }, -1, 67.61);
    });
    const predicted = (combination: 'sound' | 'faithful') => {
      const fit = regressorFrom(problem, samples, combination);
      return 'predict' in fit ? fit.predict(asked) : NaN;
    };
    assert.ok(Math.abs(predicted('faithful') - total(wanted) / 7) < 1e-9);
    const largest = total([0, 1, 2].map((i) => pow(0.5, i - 0.005)));
    const ours = total(reads.map((read) => at(asked, read, 1, largest))) / 2;
    assert.ok(Math.abs(predicted('sound') - ours) < 1e-9);
  });

  it('predicts mlpf from 25 epochs and 20 curves as well as nu-SVR does from the same, over 25 halves', function () {
    this.timeout(60_000);
    const file = path.join(dataFolder(this), 'curves', 'mlpf.csv');
    // Without the outlier of 597.3, as published.
    const curves = readTable({ type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 }).values.filter(
      (curve) => (curve[99] ?? NaN) < 597
    );
    assert.equal(curves.length, 295);
    const totals = { sound: 0, faithful: 0, 'nu-SVR': 0 };
    for (let split = 0; split < 25; split++) {
      const order = stream(split, 'halves').permutation(curves.length);
      const all = order.map((i) => curves[i] ?? []);
      const columns = [...Array(25).keys(), 99].map((epoch) => {
        const column = all.slice(0, 147).map((curve) => curve[epoch] ?? NaN);
        return { epoch, low: Math.min(...column), range: Math.max(...column) - Math.min(...column) };
      });
      const scaled = all.map((curve) => columns.map(({ epoch, low, range }) => ((curve[epoch] ?? NaN) - low) / range));
      const [rows, targets] = [scaled.map((row) => row.slice(0, 25)), scaled.map((row) => row[25] ?? NaN)];
      const [known, ends, truth] = [rows.slice(0, 147), targets.slice(0, 147), targets.slice(147)];
      const centre = truth.reduce((sum, y) => sum + y, 0) / truth.length;
      const spread = truth.reduce((sum, y) => sum + (y - centre) ** 2, 0);
      // nu-SVR learns from the very same 20.
      const subset = problemOf(known, ends, split);
      for (const name of ['sound', 'faithful', 'nu-SVR'] as const) {
        const fit =
          name === 'nu-SVR'
            ? fitNuSvr(subset.rows, subset.targets)
            : annealerFit(known, ends, { reads: 100, sweeps: 300, combination: name }, split);
        assert.ok('predict' in fit);
        const wrong = rows.slice(147).reduce((sum, row, i) => sum + ((truth[i] ?? NaN) - fit.predict(row)) ** 2, 0);
        totals[name] += (1 - wrong / spread) / 25;
      }
    }
    const { sound, faithful, 'nu-SVR': svr } = totals;
    console.log(`      R^2 ${sound.toFixed(3)}, as published ${faithful.toFixed(3)}, nu-SVR ${svr.toFixed(3)}`);
    for (const mean of [sound, faithful]) assert.ok(mean > 0.86 && mean > svr - 0.01, `mean R^2 ${mean}`);
  });
});

describe('a QUBO on the wire', () => {
  it('comes as base64 that others read, and samples come back from packed bits', () => {
    for (const n of [1, 2, 3]) {
      const { rows, targets } = points(n, 2, n);
      const { qubo } = problemOf(rows, targets, n);
      const { variables, qubo: text } = encodeQubo(qubo);
      const bytes = Buffer.from(text, 'base64');
      assert.equal(text, bytes.toString('base64'));
      const upper: number[] = [];
      for (let i = 0; i < variables; i++) upper.push(...qubo.matrix.slice(i * variables + i, (i + 1) * variables));
      assert.deepEqual(
        Array.from(upper, (_, i) => bytes.readDoubleLE(8 * i)),
        upper
      );

      const { bits, energies } = anneal(qubo, { reads: 5, sweeps: 3, seed: 1 });
      const packed = Buffer.alloc(Math.ceil(bits.length / 8));
      bits.forEach((bit, i) => (packed[i >> 3]! |= bit << (i & 7)));
      const answer = { samples: packed.toString('base64'), energies: [], occurrences: [1, 1, 3, 1, 1], qpuSeconds: 0 };
      const decoded = decodeSamples(qubo, { ...answer, solver: 'test' });
      assert.equal(decoded.energies.length, 7);
      const row = (from: Samples, r: number) => [...from.bits.slice(r * variables, (r + 1) * variables)];
      [0, 1, 2, 2, 2, 3, 4].forEach((from, read) => {
        assert.deepEqual(row(decoded, read), row({ variables, bits, energies }, from));
        assert.equal(decoded.energies[read], energies[from]);
      });
      const wrong = (more: object) => () => decodeSamples(qubo, { ...answer, solver: 'test', ...more });
      assert.throws(wrong({ occurrences: [1] }), /rows of/);
      assert.throws(wrong({ occurrences: [1, 1, 0, 1, 1] }), /occurrences/);
      assert.throws(wrong({ samples: 'A*A=' }), /base64/);
    }
  });
});

describe('what a QPU may cost', () => {
  it('is limited by time, by money, or by whichever is less', () => {
    assert.equal(qpuSecondsAllowed({}), undefined);
    assert.equal(qpuSecondsAllowed({ maxQpuSeconds: 2 }), 2);
    assert.equal(qpuSecondsAllowed({ maxQpuCost: 10, qpuPricePerHour: 2000 }), 18);
    assert.equal(qpuSecondsAllowed({ maxQpuSeconds: 2, maxQpuCost: 10, qpuPricePerHour: 2000 }), 2);
  });
});
