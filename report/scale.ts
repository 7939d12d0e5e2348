/** From metric values to places in a plot. */
import { modeOf, type Objective } from '../core/objectives/index.js';

export interface Scale {
  readonly log: boolean;
  /** Share of the way from the low end to the high one; beyond [0, 1] for what lies outside. */
  at(value: number): number;
  /** Round values inside the range. */
  readonly ticks: readonly number[];
  /** Whether the worst values lie outside, so that the rest can be told apart. */
  readonly cut: boolean;
}

/** Whether a smaller value of the metric is the better one. */
export function lowerIsBetter(objective: Objective): boolean {
  const { loss } = modeOf(objective);
  return loss(0) < loss(1);
}

/** Covers `values`; the best ones always, the worst ones unless few of them would press all others together. */
export function scaleOf(values: readonly number[], objective: Objective): Scale {
  const all = values.filter(Number.isFinite).sort((a, b) => a - b);
  const first = all[0] ?? 0;
  const last = all.at(-1) ?? 1;
  const lower = lowerIsBetter(objective);
  // A range of positive values this wide is drawn on a logarithmic scale, which spreads the small ones.
  const log = first > 0 && last / first >= (lower ? 10 : 1000);
  const to = log ? Math.log10 : (value: number) => value;
  const part = (share: number) => to(all[Math.round(share * Math.max(all.length - 1, 0))] ?? first);
  let [low, high] = [to(first), to(last)];
  const [near, far] = lower ? [part(0.95), high] : [part(0.05), low];
  const best = lower ? low : high;
  const cut = all.length > 20 && Math.abs(far - near) > 1.5 * Math.abs(near - best) && near !== best;
  if (cut && lower) high = near;
  if (cut && !lower) low = near;
  if (!(high > low)) [low, high] = [low - Math.max(Math.abs(low), 1) / 2, high + Math.max(Math.abs(high), 1) / 2];
  const margin = 0.04 * (high / 2 - low / 2);
  [low, high] = [Math.max(low - margin, -Number.MAX_VALUE), Math.min(high + margin, Number.MAX_VALUE)];
  return {
    log,
    cut,
    at(value) {
      const placed = value > 0 || !log ? to(value) : low;
      const share = (placed / 2 - low / 2) / (high / 2 - low / 2);
      return Number.isFinite(share) ? Math.min(Math.max(share, -1), 2) : 0.5;
    },
    ticks: log ? logTicks(low, high) : linearTicks(low, high),
  };
}

function linearTicks(low: number, high: number): number[] {
  const rough = high / 7 - low / 7;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  if (!(step > 0) || !Number.isFinite(step)) return [];
  const from = Math.ceil(low / step);
  const many = Math.floor(high / step) - from + 1;
  if (!(many > 0 && many < 20)) return [];
  return Array.from({ length: many }, (_, i) => Number(((from + i) * step).toPrecision(12)) + 0);
}

function logTicks(low: number, high: number): number[] {
  const decades = high - low;
  const factors = decades < 2 ? [1, 2, 5] : decades < 4 ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / 8));
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= high; power++) {
    if (power % every !== 0) continue;
    for (const factor of factors) {
      const tick = Number(`${factor}e${power}`);
      if (tick > 0 && Math.log10(tick) >= low && Math.log10(tick) <= high) ticks.push(tick);
    }
  }
  return ticks;
}
