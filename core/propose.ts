/** What a bracket asks its sampler for. */
import type { Trial } from './trial.js';

export interface Proposal {
  readonly trials: readonly Trial[];
  readonly duplicatesAvoided: number;
  readonly duplicatesKept: number;
}

/** Trials `first` ... `first + count - 1` of one bracket. */
export interface ProposalRequest {
  readonly bracket: string;
  /** Global index of the bracket's first trial. */
  readonly offset: number;
  /** Index inside the bracket. @default 0 */
  readonly first?: number;
  readonly count: number;
  /** What TPE learns from, of trials before the ones asked for; in any order. Other samplers need none. */
  readonly observations?: readonly Observation[];
}

/** A trial's loss at a rung. */
export interface Observation {
  /** Global index of the trial. */
  readonly trial: number;
  readonly budget: number;
  /** Null: diverged or failed there, which counts as worse than every number. */
  readonly loss: number | null;
}

/** The proposals of one bracket as one. */
export function mergeProposals(proposals: readonly Proposal[]): Proposal {
  return {
    trials: proposals.flatMap(({ trials }) => trials).sort((a, b) => a.index - b.index),
    duplicatesAvoided: proposals.reduce((sum, { duplicatesAvoided }) => sum + duplicatesAvoided, 0),
    duplicatesKept: proposals.reduce((sum, { duplicatesKept }) => sum + duplicatesKept, 0),
  };
}
