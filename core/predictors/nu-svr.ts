/**
 * nu-SVR with an RBF kernel, solved as libsvm's Solver_NU does (Chang and Lin 2011; see NOTICE), so that predictions
 * are scikit-learn's `NuSVR()` and not merely within its tolerance. Four details decide that: a float32 kernel matrix,
 * the second-order working-set selection with its tie rules, shrinking, and the accumulated alpha budget.
 */
import { exp } from '../math.js';

export interface NuSvrSettings {
  /** @default 0.5 */
  readonly nu?: number;
  /** @default 1 */
  readonly c?: number;
  /** Kernel width; default 1 / (features * variance of all entries), 1 when the variance is 0. */
  readonly gamma?: number;
  /** @default 1e-3 */
  readonly tolerance?: number;
}

export interface NuSvrModel {
  readonly iterations: number;
  predict(row: readonly number[]): number;
}

const tau = 1e-12;

/** Fits `rows` (n x f) to `targets` (n). */
export function fitNuSvr(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  settings: NuSvrSettings = {}
): NuSvrModel {
  const { nu = 0.5, c = 1, tolerance = 1e-3 } = settings;
  const gamma = settings.gamma ?? scaleGamma(rows);
  const l = rows.length;
  const kernel = kernelMatrix(rows, gamma);
  const alpha = new Float64Array(2 * l);
  const p = new Float64Array(2 * l);
  let budget = 0;
  for (let i = 0; i < l; i++) budget += c * nu;
  budget /= 2;
  for (let i = 0; i < l; i++) {
    alpha[i] = alpha[i + l] = Math.min(budget, c);
    budget -= alpha[i] as number;
    p[i] = -(targets[i] as number);
    p[i + l] = targets[i] as number;
  }
  const solver = new SolverNu(kernel, p, alpha, c, tolerance);
  const rho = solver.solve();
  const coefficients = Array.from({ length: l }, (_, i) => (alpha[i] as number) - (alpha[i + l] as number));
  return {
    iterations: solver.iterations,
    predict(row) {
      let sum = -rho;
      for (let i = 0; i < l; i++) {
        const coefficient = coefficients[i] as number;
        if (coefficient !== 0) sum += coefficient * exp(-gamma * squaredDistance(rows[i] as readonly number[], row));
      }
      return sum;
    },
  };
}

function scaleGamma(rows: readonly (readonly number[])[]): number {
  const all = rows.flat();
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  const variance = all.reduce((sum, x) => sum + (x - mean) * (x - mean), 0) / all.length;
  return variance === 0 ? 1 : 1 / ((rows[0]?.length ?? 1) * variance);
}

function squaredDistance(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const d = (a[i] as number) - (b[i] as number);
    sum += d * d;
  }
  return sum;
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** One float32 row per training point. */
function kernelMatrix(rows: readonly (readonly number[])[], gamma: number): Float32Array[] {
  const squares = rows.map((row) => dot(row, row));
  return rows.map((a, i) =>
    Float32Array.from(rows, (b, j) => exp(-gamma * ((squares[i] as number) + (squares[j] as number) - 2 * dot(a, b))))
  );
}

/** libsvm's Solver with the nu variants of selection, shrinking and rho. Arrays are permuted by shrinking. */
class SolverNu {
  iterations = 0;
  private readonly size: number;
  private active: number;
  private readonly y: Int8Array;
  private readonly g: Float64Array;
  private readonly gBar: Float64Array;
  private readonly origin: Int32Array;
  private readonly a: Float64Array;
  private readonly p: Float64Array;
  private unshrunk = false;
  private i = -1;
  private j = -1;

  constructor(
    private readonly kernel: Float32Array[],
    linear: Float64Array,
    private readonly solution: Float64Array,
    private readonly c: number,
    private readonly tolerance: number
  ) {
    this.size = solution.length;
    this.active = this.size;
    const l = kernel.length;
    this.y = Int8Array.from(solution, (_, i) => (i < l ? 1 : -1));
    this.origin = Int32Array.from(solution, (_, i) => i);
    this.a = solution.slice();
    this.p = linear.slice();
    this.g = linear.slice();
    this.gBar = new Float64Array(this.size);
  }

  /** Q[i][j] for the first `length` j. The permuted sign is y itself. */
  private q(i: number, length: number): Float32Array {
    const l = this.kernel.length;
    const row = this.kernel[(this.origin[i] as number) % l] as Float32Array;
    const sign = this.y[i] as number;
    const out = new Float32Array(length);
    for (let j = 0; j < length; j++) {
      out[j] = sign * (this.y[j] as number) * (row[(this.origin[j] as number) % l] as number);
    }
    return out;
  }
  private upper(i: number): boolean {
    return (this.a[i] as number) >= this.c;
  }
  private lower(i: number): boolean {
    return (this.a[i] as number) <= 0;
  }

  solve(): number {
    const { size, a, g, gBar } = this;
    for (let i = 0; i < size; i++) {
      if (this.lower(i)) continue;
      const q = this.q(i, size);
      const ai = a[i] as number;
      for (let j = 0; j < size; j++) (g[j] as number) += ai * (q[j] as number);
      if (this.upper(i)) for (let j = 0; j < size; j++) (gBar[j] as number) += this.c * (q[j] as number);
    }
    let counter = Math.min(size, 1000) + 1;
    while (this.iterations < 10_000_000) {
      if (--counter === 0) {
        counter = Math.min(size, 1000);
        this.shrink();
      }
      if (!this.select()) {
        this.reconstructGradient();
        this.active = size;
        if (!this.select()) break;
        counter = 1;
      }
      this.iterations++;
      this.step(this.i, this.j);
    }
    const rho = this.rho();
    for (let i = 0; i < size; i++) this.solution[this.origin[i] as number] = a[i] as number;
    return rho;
  }

  private step(i: number, j: number): void {
    const { a, g, gBar, c, size } = this;
    const qi = this.q(i, this.active);
    const qj = this.q(j, this.active);
    const oldI = a[i] as number;
    const oldJ = a[j] as number;
    const wasUpperI = this.upper(i);
    const wasUpperJ = this.upper(j);
    let ai = oldI;
    let aj = oldJ;
    if (this.y[i] !== this.y[j]) {
      const curvature = 2 + 2 * (qi[j] as number);
      const delta = (-(g[i] as number) - (g[j] as number)) / (curvature <= 0 ? tau : curvature);
      const diff = ai - aj;
      ai += delta;
      aj += delta;
      if (diff > 0) {
        if (aj < 0) [ai, aj] = [diff, 0];
      } else if (ai < 0) [ai, aj] = [0, -diff];
      if (diff > 0) {
        if (ai > c) [ai, aj] = [c, c - diff];
      } else if (aj > c) [ai, aj] = [c + diff, c];
    } else {
      const curvature = 2 - 2 * (qi[j] as number);
      const delta = ((g[i] as number) - (g[j] as number)) / (curvature <= 0 ? tau : curvature);
      const sum = ai + aj;
      ai -= delta;
      aj += delta;
      if (sum > c) {
        if (ai > c) [ai, aj] = [c, sum - c];
      } else if (aj < 0) [ai, aj] = [sum, 0];
      if (sum > c) {
        if (aj > c) [ai, aj] = [sum - c, c];
      } else if (ai < 0) [ai, aj] = [0, sum];
    }
    a[i] = ai;
    a[j] = aj;
    const di = ai - oldI;
    const dj = aj - oldJ;
    for (let k = 0; k < this.active; k++) (g[k] as number) += (qi[k] as number) * di + (qj[k] as number) * dj;
    for (const [k, was] of [
      [i, wasUpperI],
      [j, wasUpperJ],
    ] as const) {
      if (was === this.upper(k)) continue;
      const q = this.q(k, size);
      const amount = was ? -c : c;
      for (let n = 0; n < size; n++) (gBar[n] as number) += amount * (q[n] as number);
    }
  }

  /** Second-order selection; false when the active set is optimal. Ties go to the later index, as in libsvm. */
  private select(): boolean {
    const { g, y, active } = this;
    let maxP = -Infinity;
    let maxP2 = -Infinity;
    let indexP = -1;
    let maxN = -Infinity;
    let maxN2 = -Infinity;
    let indexN = -1;
    for (let t = 0; t < active; t++) {
      const gt = g[t] as number;
      if (y[t] === 1) {
        if (!this.upper(t) && -gt >= maxP) [maxP, indexP] = [-gt, t];
      } else if (!this.lower(t) && gt >= maxN) [maxN, indexN] = [gt, t];
    }
    const qp = indexP === -1 ? null : this.q(indexP, active);
    const qn = indexN === -1 ? null : this.q(indexN, active);
    let chosen = -1;
    let least = Infinity;
    for (let j = 0; j < active; j++) {
      const gj = g[j] as number;
      let gain: number;
      let q: Float32Array | null;
      if (y[j] === 1) {
        if (this.lower(j)) continue;
        gain = maxP + gj;
        if (gj >= maxP2) maxP2 = gj;
        q = qp;
      } else {
        if (this.upper(j)) continue;
        gain = maxN - gj;
        if (-gj >= maxN2) maxN2 = -gj;
        q = qn;
      }
      if (!(gain > 0) || q === null) continue;
      const curvature = 2 - 2 * (q[j] as number);
      const change = -(gain * gain) / (curvature > 0 ? curvature : tau);
      if (change <= least) [chosen, least] = [j, change];
    }
    if (Math.max(maxP + maxP2, maxN + maxN2) < this.tolerance || chosen === -1) return false;
    this.i = y[chosen] === 1 ? indexP : indexN;
    this.j = chosen;
    return true;
  }

  private shrink(): void {
    const { g, y } = this;
    const max = [-Infinity, -Infinity, -Infinity, -Infinity] as [number, number, number, number];
    for (let i = 0; i < this.active; i++) {
      const gi = g[i] as number;
      const plus = y[i] === 1;
      if (!this.upper(i)) {
        if (plus) max[0] = Math.max(max[0], -gi);
        else max[3] = Math.max(max[3], -gi);
      }
      if (!this.lower(i)) {
        if (plus) max[1] = Math.max(max[1], gi);
        else max[2] = Math.max(max[2], gi);
      }
    }
    if (!this.unshrunk && Math.max(max[0] + max[1], max[2] + max[3]) <= this.tolerance * 10) {
      this.unshrunk = true;
      this.reconstructGradient();
      this.active = this.size;
    }
    const out = (i: number) => {
      const gi = g[i] as number;
      if (this.upper(i)) return -gi > (y[i] === 1 ? max[0] : max[3]);
      if (this.lower(i)) return gi > (y[i] === 1 ? max[1] : max[2]);
      return false;
    };
    for (let i = 0; i < this.active; i++) {
      if (!out(i)) continue;
      this.active--;
      while (this.active > i) {
        if (!out(this.active)) {
          this.swap(i, this.active);
          break;
        }
        this.active--;
      }
    }
  }

  private swap(i: number, j: number): void {
    for (const array of [this.y, this.g, this.gBar, this.origin, this.a, this.p]) {
      const kept = array[i] as number;
      array[i] = array[j] as number;
      array[j] = kept;
    }
  }

  private reconstructGradient(): void {
    const { g, gBar, p, a, size, active } = this;
    if (active === size) return;
    for (let j = active; j < size; j++) g[j] = (gBar[j] as number) + (p[j] as number);
    const free = (i: number) => !this.upper(i) && !this.lower(i);
    let count = 0;
    for (let i = 0; i < active; i++) if (free(i)) count++;
    if (count * size > 2 * active * (size - active)) {
      for (let i = active; i < size; i++) {
        const q = this.q(i, active);
        for (let j = 0; j < active; j++) if (free(j)) (g[i] as number) += (a[j] as number) * (q[j] as number);
      }
    } else {
      for (let i = 0; i < active; i++) {
        if (!free(i)) continue;
        const q = this.q(i, size);
        for (let j = active; j < size; j++) (g[j] as number) += (a[i] as number) * (q[j] as number);
      }
    }
  }

  private rho(): number {
    const side = (sign: 1 | -1): number => {
      let free = 0;
      let sum = 0;
      let high = Infinity;
      let low = -Infinity;
      for (let i = 0; i < this.active; i++) {
        if (this.y[i] !== sign) continue;
        const gi = this.g[i] as number;
        if (this.upper(i)) low = Math.max(low, gi);
        else if (this.lower(i)) high = Math.min(high, gi);
        else {
          free++;
          sum += gi;
        }
      }
      return free > 0 ? sum / free : (high + low) / 2;
    };
    return (side(1) - side(-1)) / 2;
  }
}
