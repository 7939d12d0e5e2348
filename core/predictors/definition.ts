/** What a predictor is: a file of its own in this folder that defines one of these, and a line in the index. */
import type { Options, Refusal } from '../options.js';
import type { Fit, Impossible } from './fit.js';
import type { PredictionRequest } from './request.js';

/** Somebody else's worker that has a part in the answers of a predictor. */
export interface Elsewhere {
  readonly taskQueue: string;
  /** The activity that is asked there. */
  readonly activity: string;
  /** The longest its worker may be silent while it computes; absent: it sends no heartbeats. */
  readonly heartbeatSeconds?: number | undefined;
  /** What to do when no worker polls the queue, as a sentence. */
  readonly fix: string;
  /**
   * The problem that the activity solves; a `Solution` comes back, from which the predictor learns here. Absent: the
   * activity takes the whole request and gives the whole answer.
   */
  problem?(study: string, request: PredictionRequest): Posed;
}

/** A problem for a solver elsewhere, or why there is none. */
export type Posed = { readonly schemaVersion: number } | Impossible;

/** How a pruner asks. */
export interface AskedBy {
  /** Whether trials train one after the other, with a question after every epoch. */
  readonly onePerRound: boolean;
  /** Whether brackets run at the same time, so that they keep no account together. */
  readonly together: boolean;
}

export interface PredictorDefinition<Settings extends { readonly type: string }> {
  readonly options: Options<Settings>;
  /** What a pruner is called with it, where the field has a name for both. */
  readonly nameWith?: Readonly<Record<string, string>>;
  /** How it learns in this process. */
  readonly fit: Fit<Settings>;
  /** Who else has a part in its answers, so that each is asked for once and kept; null or absent: nobody. */
  elsewhere?(settings: Settings): Elsewhere | null;
  /** The predictor that answers when it cannot; null or absent: nobody is stopped then. */
  fallback?(settings: Settings): string | null;
  /** What stands for it in a simulation, which asks no other worker, and a note that says so; absent: it does itself. */
  simulated?(settings: Settings): { readonly settings: Settings; readonly note: string | null } | Impossible;
  /** What makes no sense where it is asked; paths inside its settings. */
  refuse?(settings: Settings, by: AskedBy): readonly Refusal[];
}
