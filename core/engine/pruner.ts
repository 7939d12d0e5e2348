/** What a pruner is: a file of its own in `core/pruners/` that defines one of these, and a line in its index. */
import type { Options } from '../options.js';
import type { PredictorSettings } from '../predictors/index.js';
import type { Decision } from './decision.js';
import type { Round, Steps } from './round.js';

export interface PrunerDefinition<Settings extends { readonly type: string }> {
  readonly options: Options<Settings>;
  /** Itself in a few words, below a report; `scheduler`: the scheduler's title. */
  describe(settings: Settings, scheduler: string): string;
  /** What it compares with its threshold: a predicted loss, or the loss there; absent: it asks about nobody. */
  readonly compares?: 'prediction' | 'loss';
  /** Whether every trial of a round has a threshold of its own. @default false */
  readonly movingThreshold?: boolean;
  /** p: the decision point between two budgets; null: none, or one after every epoch. */
  decisionPoint(settings: Settings, from: number, to: number): number | null;
  /** Every epoch between two budgets at which a trial may be asked about. */
  points(settings: Settings, from: number, to: number): readonly number[];
  /** Trains a group, a round or a trial alone, and says who is not worth finishing. Reads like its paper. */
  run(round: Round, settings: Settings): Steps<Decision | null>;
  /** Whether trials of a round train one after the other, with a question after every epoch. @default false */
  readonly onePerRound?: boolean;
  /** Why it makes no sense for a trial alone, without a round to compare with; absent: it does. */
  readonly needsRounds?: string;
  /** Why it makes no sense where nobody is promoted; absent: it does. */
  readonly needsRungs?: string;
  /** A sentence below the table of the plan; `shared`: whether brackets learn from each other. */
  planNote?(settings: Settings, shared: boolean): string;
  /**
   * Names of metrics that it looks at beside the objective's, which a trainer has to report every epoch: it finds them in
   * the results of trials. @default none
   */
  metrics?(settings: Settings): readonly string[];
  /** The predictor it asks; null: none. */
  predictor(settings: Settings): PredictorSettings | null;
}

/** ceil(share * count) of a decimal share: 0.55 * 100 is 55, which floating point makes 55.00000000000001. */
export function ceilShare(share: number, count: number): number {
  return Math.ceil(share * count - 1e-9);
}

/** c of the way from one budget to another, at least an epoch; null when no epoch lies between. */
export function between(share: number, from: number, to: number): number | null {
  const p = from + Math.max(1, ceilShare(share, to - from));
  return p < to ? p : null;
}

export const decisionPointOption = {
  kind: 'number',
  above: 0,
  below: 1,
  default: 0.5,
  says: 'c: where the decision point lies between two rungs.',
} as const;
export const completeShareOption = {
  kind: 'number',
  above: 0,
  max: 1,
  says: "k: share of the next round's places that are completed before anybody is asked about.",
} as const;
export const minCurvesOption = {
  kind: 'whole',
  min: 2,
  default: 15,
  says: 'd: complete curves needed before a predictor is trained.',
} as const;
export const predictorOption = {
  kind: 'predictor',
  default: 'svr',
  says: 'What predicts the loss at the rung from the first epochs.',
} as const;
