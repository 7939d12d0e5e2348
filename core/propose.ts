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
}
