/** What workflows take along when their history is full, and what a recovered study begins with. */
import type { Curve } from '../core/curve.js';
import type { FailureKind, Json } from '../core/settings.js';
import type { Study } from '../core/study.js';
import type { Digests } from './digests.js';
import type { Control } from './control.js';
import type { SealedIdentity } from './messages.js';

/**
 * A trial that waits for an operator, and how long still; with the curve of the epochs it trained before it failed, after
 * those that are known here.
 */
export interface Parking extends Curve {
  readonly reason: string;
  /** Absent: of an earlier version. */
  readonly kind?: FailureKind | undefined;
  readonly attempts: number;
  readonly milliseconds: number;
}

export interface PoolState {
  /** By trial. */
  readonly parked: Readonly<Record<string, Parking>>;
  /** Trials to be trained from their first epoch that have not begun yet, and when that was asked for, ms. */
  readonly resets: Readonly<Record<string, number>>;
  /** Task queues of trials that an operator has put on other workers; absent: none. */
  readonly queues?: Readonly<Record<string, string>>;
}

/** A late retry beside the study. */
interface LateBeside {
  readonly trial: string;
  /** Its wish to train; null while it has none. */
  readonly wants: { readonly turn: number; readonly placed: boolean } | null;
}

export interface DriverState {
  readonly scheduler: Json;
  /** Trials alone that are on their way. */
  readonly open: readonly string[];
  /** Lines of the log that are recorded. */
  readonly recorded: number;
  readonly digests: Digests;
  readonly pool: PoolState;
  /** Absent: none. */
  readonly late?: readonly LateBeside[];
  /** Trials whose late retries lost their workflows before the study was recovered; absent: none. */
  readonly lateLost?: readonly string[];
}

export interface StudyState {
  readonly identity: SealedIdentity;
  readonly driver: DriverState;
  readonly control: Control;
  /** Time the deadline counts from, ms. */
  readonly started: number;
  readonly deadlinePassed: boolean;
}

/** A study as its record and checkpoints have it. */
export interface TakenUpStudy {
  readonly study: Study;
  readonly state: StudyState;
}

/** Input of the study's workflow that takes up a study whose workflows are gone. */
export interface Recovery {
  /** Name of the study. */
  readonly recover: string;
  readonly seal: string;
}
