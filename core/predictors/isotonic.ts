/**
 * Isotonic regression on the smallest of the last five known losses: the lower a curve is now, the lower it ends.
 * The smallest of five is deaf to a spike at the decision point.
 */
import type { PredictorDefinition } from './definition.js';

export interface IsotonicPredictor {
  readonly type: 'isotonic';
}

const lookBack = 5;

export const isotonic: PredictorDefinition<IsotonicPredictor> = {
  options: {},
  fit(rows, targets) {
    const line = fitIsotonic(rows.map(level), targets);
    return { predict: (row) => line(level(row)) };
  },
};

function level(row: readonly number[]): number {
  return Math.min(...row.slice(-lookBack));
}

/** Neighbouring values that share one mean. */
interface Block {
  sum: number;
  weight: number;
  /** How many distinct x it covers. */
  points: number;
}

/**
 * The non-decreasing function with the least squared error at `x`, by pool-adjacent-violators (Barlow et al. 1972).
 * Equal x share their mean; linear between, constant beyond both ends, as scikit-learn's
 * `IsotonicRegression(out_of_bounds='clip')`.
 */
export function fitIsotonic(x: readonly number[], y: readonly number[]): (x: number) => number {
  const order = x.map((_, i) => i).sort((i, j) => (x[i] as number) - (x[j] as number));
  const knots: number[] = [];
  const blocks: Block[] = [];
  for (const i of order) {
    const [xi, yi] = [x[i] as number, y[i] as number];
    const twin = knots.length > 0 && knots.at(-1) === xi ? blocks.at(-1) : undefined;
    if (twin) {
      twin.sum += yi;
      twin.weight++;
    } else {
      knots.push(xi);
      blocks.push({ sum: yi, weight: 1, points: 1 });
    }
  }
  const pooled: Block[] = [];
  for (const next of blocks) {
    let block = next;
    for (let before = pooled.at(-1); before && mean(before) >= mean(block); before = pooled.at(-1)) {
      block = {
        sum: before.sum + block.sum,
        weight: before.weight + block.weight,
        points: before.points + block.points,
      };
      pooled.pop();
    }
    pooled.push(block);
  }
  const values = pooled.flatMap((block) => Array.from({ length: block.points }, () => mean(block)));
  return (at) => interpolate(knots, values, at);
}

function mean(block: Block): number {
  return block.sum / block.weight;
}

/** Piecewise linear through (knots, values), knots ascending; constant outside. */
function interpolate(knots: readonly number[], values: readonly number[], at: number): number {
  const next = knots.findIndex((knot) => knot >= at);
  if (next === -1) return values.at(-1) as number;
  const high = values[next] as number;
  if (next === 0) return high;
  const low = values[next - 1] as number;
  const [from, to] = [knots[next - 1] as number, knots[next] as number];
  // Not past `high` by a rounding: the line must not fall.
  return Math.min(low + (high - low) * ((at - from) / (to - from)), high);
}
