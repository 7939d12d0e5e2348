/** What a bracket asks its sampler for. */
import type { Trial } from './trial.js';

export interface Proposal {
  readonly trials: readonly Trial[];
  readonly duplicatesAvoided: number;
  readonly duplicatesKept: number;
}

/** The trials of one bracket: `count` trials whose global indices start at `offset`. */
export interface ProposalRequest {
  readonly bracket: string;
  readonly offset: number;
  readonly count: number;
  /** What TPE learns from, in the order of the study's record; other samplers need none. */
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
