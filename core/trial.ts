/** A trial's identity, configuration and what became of it. */
import type { Curve } from './curve.js';
import type { Config } from './study.js';

/**
 * One trial for ever: its identity is (study, bracket, index) over all attempts and retries; configuration and seed
 * derive from the study's seed and that identity alone.
 */
export interface Trial {
  /** `b4-t017`; from the second iteration on `i2-b4-t017`. */
  readonly id: string;
  /** `b4` or `i2-b4`. */
  readonly bracket: string;
  /** 0-based inside its bracket. */
  readonly index: number;
  /** 0-based over the whole study: the bracket's offset plus the index. */
  readonly globalIndex: number;
  readonly config: Config;
  /** 32-bit unsigned, for the trainer. */
  readonly seed: number;
}

/** The id of the trial at `index` of a bracket. */
export function trialId(bracket: string, index: number): string {
  return `${bracket}-t${String(index).padStart(3, '0')}`;
}

/** Another trial's checkpoint: the end of an epoch of that trial. */
export interface Source {
  /** Id of the trial. */
  readonly trial: string;
  readonly epoch: number;
}

/** How a value that is no number looked. */
export type NonFinite = 'nan' | 'inf' | '-inf';

/**
 * What training a trial from one budget to another came to, with the curve of the epochs `from + 1 ... from +
 * values.length`.
 */
export type SegmentOutcome =
  | (Curve & { readonly outcome: 'completed' })
  /** The value after the last of `values` was not finite: the trial ends at that epoch, which counts as trained. */
  | (Curve & { readonly outcome: 'diverged'; readonly nonFinite: NonFinite })
  /** Failed for good: attempts used up and dropped by hand or by the clock. */
  | (Curve & { readonly outcome: 'failed'; readonly reason: string })
  /** The study was stopped before the trial got there. */
  | (Curve & { readonly outcome: 'unfinished' });

/** How a trial ended. `completed`: reached R (the bracket's last rung). `outranked`: reached a rung, not promoted. */
export type Fate = 'completed' | 'outranked' | 'stopped' | 'diverged' | 'failed' | 'unfinished';
