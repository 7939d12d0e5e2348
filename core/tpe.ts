/**
 * The model of BOHB (Falkner, Klein and Hutter 2018, section 3.2 and algorithm 2): a density l of the good results and
 * one g of the others, at the largest budget that has enough of both. Defaults and details after HpBandSter's bohb.py.
 */
import { density, normalReference, type Kde } from './kde.js';
import type { Observation } from './engine/memory.js';
import { exp } from './math.js';
import type { Result } from './objectives/definition.js';
import type { Stream } from './rng.js';
import type { TpeSampler } from './samplers/tpe.js';
import type { PartialPoint, Point } from './unit-cube.js';

export interface ScoredPoint extends Omit<Observation, 'trial'> {
  /** Global index: ties are broken by it. */
  readonly trial: number;
  readonly point: PartialPoint;
}

export interface TpeModel {
  readonly budget: number;
  readonly good: Kde;
  readonly bad: Kde;
}

/**
 * Null when no budget has d + 1 good results with a loss and d + 1 others. `random` fills in the coordinates of
 * inactive parameters, first for the good points, then for the bad ones. `compare`: the objective's. @default by loss
 */
export function fitTpe(
  levels: readonly number[],
  results: readonly ScoredPoint[],
  settings: TpeSampler,
  random: Stream,
  compare: (a: Result, b: Result) => number = (a, b) => a.loss - b.loss
): TpeModel | null {
  const least = levels.length + 1;
  if (levels.length === 0) return null;
  const byResult = (a: ScoredPoint, b: ScoredPoint) => {
    if (a.loss === null || b.loss === null)
      return Number(a.loss === null) - Number(b.loss === null) || a.trial - b.trial;
    return compare(a as Result, b as Result) || a.trial - b.trial;
  };
  const budgets = [...new Set(results.map((result) => result.budget))].sort((a, b) => b - a);
  for (const budget of budgets) {
    const ranked = results.filter((result) => result.budget === budget).sort(byResult);
    const withLoss = ranked.filter((result) => result.loss !== null).length;
    // 1e-9: 0.15 * 20 must be 3 whatever its last digit.
    const share = Math.floor(settings.goodShare * ranked.length + 1e-9);
    const good = Math.min(Math.max(least, share), withLoss);
    if (good < least || ranked.length - good < least) continue;
    const kde = (some: readonly ScoredPoint[]): Kde => {
      const points = imputed(levels, some, random);
      return { points, levels, bandwidths: bandwidthsOf(levels, points, settings.minBandwidth) };
    };
    return { budget, good: kde(ranked.slice(0, good)), bad: kde(ranked.slice(good)) };
  }
  return null;
}

/**
 * At least `least`; for c categories at most (c - 1) / c, where the kernel is uniform: the rule of thumb takes indices
 * for distances and asks for more than 1 from about six categories on, a negative density in HpBandSter.
 */
function bandwidthsOf(levels: readonly number[], points: readonly Point[], least: number): number[] {
  return normalReference(points).map((h, d) => {
    const c = levels[d] as number;
    const upper = c > 0 ? (c - 1) / c : Infinity;
    return Math.min(Math.max(h, least), upper);
  });
}

/** Inactive coordinates copied from a random point of the same set that has them; uniform when none has. */
function imputed(levels: readonly number[], some: readonly ScoredPoint[], random: Stream): Point[] {
  return some.map(({ point }) => {
    const filled = [...point];
    for (let d = filled.indexOf(null); d !== -1; d = filled.indexOf(null)) {
      const donors = some.filter((other) => other.point[d] !== null);
      if (donors.length === 0) filled[d] = anywhere(levels[d] as number, random);
      else {
        // Everything that is missing comes from one donor, so that what belongs together stays together.
        const donor = (donors[random.below(donors.length)] as ScoredPoint).point;
        filled.forEach((own, i) => (filled[i] = own ?? (donor[i] as number | null)));
      }
    }
    return filled as Point;
  });
}

function anywhere(level: number, random: Stream): number {
  return level > 0 ? random.below(level) : random.uniform();
}

/** Neither density counts as less: far from all points both are as good as nothing, and so is their ratio. */
const leastDensity = 1e-32;

/** l(x) / g(x): the larger the more promising. */
export function promise({ good, bad }: TpeModel, x: Point): number {
  return Math.max(density(good, x), leastDensity) / Math.max(density(bad, x), leastDensity);
}

/** Candidates around randomly chosen good points, the numbers with widened bandwidths. */
export function candidatesOf({ good }: TpeModel, settings: TpeSampler, random: Stream): Point[] {
  return Array.from({ length: settings.candidates }, () => {
    const centre = good.points[random.below(good.points.length)] as Point;
    return centre.map((at, d) => {
      const h = good.bandwidths[d] as number;
      const level = good.levels[d] as number;
      if (level === 0) return truncatedNormal(at, settings.bandwidthFactor * h, random);
      return random.uniform() < 1 - h ? at : anywhere(level, random);
    });
  });
}

/**
 * A normal draw within [0, 1], for a mean therein. By rejection from the uniform over six deviations, all but 2e-9 of
 * the mass: one draw in five is taken or more, whatever the deviation.
 */
export function truncatedNormal(mean: number, deviation: number, random: Stream): number {
  const from = Math.max(0, mean - 6 * deviation);
  const to = Math.min(1, mean + 6 * deviation);
  for (;;) {
    const x = from + random.uniform() * (to - from);
    const z = (x - mean) / deviation;
    if (random.uniform() < exp((-z * z) / 2)) return x;
  }
}
