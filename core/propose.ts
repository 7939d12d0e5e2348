/** What a bracket asks its sampler for. */
import type { Trial } from './trial.js';

export interface Proposal {
  readonly trials: readonly Trial[];
  readonly duplicatesAvoided: number;
  readonly duplicatesKept: number;
}

/** `count` trials of a bracket, the first with index `first` inside it and global index `offset + first`. */
export interface ProposalRequest {
  readonly bracket: string;
  /** Global index of the bracket's first trial. */
  readonly offset: number;
  /** TPE is asked for a wave at a time. @default 0 */
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
