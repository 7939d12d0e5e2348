/** What a group asks the sampler for. */
import type { Trial } from '../trial.js';
import type { Observation } from './memory.js';

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
  /** What a sampler that learns knows, of trials before the ones asked for; in any order. Other samplers need none. */
  readonly observations?: readonly Observation[];
}
