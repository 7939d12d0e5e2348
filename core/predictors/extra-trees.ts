/**
 * Extremely randomised trees (Geurts, Ernst and Wehenkel 2006) on summaries of the curve. Each tree sees every training
 * curve; a node draws one threshold for each summary and keeps the split that explains most of the variance. Published
 * settings for regression: K = all attributes, n_min = 5, leaves answer their mean.
 */
import { stream, type Stream } from '../rng.js';
import type { PredictorDefinition } from './definition.js';
import { learnExtrapolation, type Extrapolation } from './power-law.js';

export interface ExtraTreesPredictor {
  readonly type: 'extra-trees';
}

/** Twice as many move the mean R^2 on the 295 MLPF curves by no more than .001. */
const trees = 200;
/** n_min: nodes with fewer curves are not split. */
const smallestSplit = 5;

export const extraTrees: PredictorDefinition<ExtraTreesPredictor> = {
  options: {},
  fit(rows, targets, { seed }) {
    const extrapolate = learnExtrapolation(rows, targets);
    const summary = (row: readonly number[]) => summarise(row, extrapolate(row));
    const summaries = rows.map(summary);
    const all = rows.map((_, i) => i);
    const forest = Array.from({ length: trees }, (_, i) =>
      grow(all, summaries, targets, stream(seed, 'extra-trees', i))
    );
    return {
      predict(row) {
        const asked = summary(row);
        return forest.reduce((sum, tree) => sum + answer(tree, asked), 0) / trees;
      },
    };
  },
};

/**
 * Smallest loss so far, median of the last five, last, progress, first; the power law's loss at the rung and what it has
 * still to fall until there (.008 of R^2).
 */
export function summarise(row: readonly number[], { known, rung }: Extrapolation): number[] {
  const [first, last] = [row[0] as number, row.at(-1) as number];
  return [Math.min(...row), median(row.slice(-5)), last, first - last, first, rung, known - rung];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(half)] as number) + (sorted[Math.ceil(half)] as number)) / 2;
}

type Tree =
  | { readonly mean: number }
  | { readonly attribute: number; readonly threshold: number; readonly below: Tree; readonly above: Tree };

function answer(tree: Tree, row: readonly number[]): number {
  let node = tree;
  while (!('mean' in node)) node = (row[node.attribute] as number) < node.threshold ? node.below : node.above;
  return node.mean;
}

/** The tree of the curves `members`. */
function grow(
  members: readonly number[],
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  random: Stream
): Tree {
  const leaf = { mean: members.reduce((sum, i) => sum + (targets[i] as number), 0) / members.length };
  const first = targets[members[0] as number];
  if (members.length < smallestSplit || members.every((i) => targets[i] === first)) return leaf;
  let best: { attribute: number; threshold: number; score: number } | null = null;
  for (let attribute = 0; attribute < (rows[0] as readonly number[]).length; attribute++) {
    let [low, high] = [Infinity, -Infinity];
    for (const i of members) {
      const value = (rows[i] as readonly number[])[attribute] as number;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low === high) continue;
    // In (low, high], so that both sides have members.
    const threshold = high - random.uniform() * (high - low);
    const score = explained(members, rows, targets, attribute, threshold, leaf.mean);
    if (threshold > low && (best === null || score > best.score)) best = { attribute, threshold, score };
  }
  if (best === null) return leaf;
  const { attribute, threshold } = best;
  const isBelow = (i: number) => ((rows[i] as readonly number[])[attribute] as number) < threshold;
  return {
    attribute,
    threshold,
    below: grow(members.filter(isBelow), rows, targets, random),
    above: grow(
      members.filter((i) => !isBelow(i)),
      rows,
      targets,
      random
    ),
  };
}

/** Variance explained by the split, times n: the squares of both sides' sums around `mean`, by their sizes. */
function explained(
  members: readonly number[],
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  attribute: number,
  threshold: number,
  mean: number
): number {
  let [below, belowSum, above, aboveSum] = [0, 0, 0, 0];
  for (const i of members) {
    const residual = (targets[i] as number) - mean;
    if (((rows[i] as readonly number[])[attribute] as number) < threshold) {
      below++;
      belowSum += residual;
    } else {
      above++;
      aboveSum += residual;
    }
  }
  return below === 0 || above === 0 ? -1 : (belowSum * belowSum) / below + (aboveSum * aboveSum) / above;
}
