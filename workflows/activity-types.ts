/** What the workflows ask of the activities, side by side; `activities/` implements it. */
import type { EpochNumbers } from '../core/curve.js';
import type { Proposal, ProposalRequest } from '../core/engine/propose.js';
import type { Ended, Group, PredictTask } from '../core/engine/work.js';
import type { Posed } from '../core/predictors/definition.js';
import type { PredictionAnswer, PredictionRequest } from '../core/predictors/request.js';
import type { LateRetry, LateRung, LateVerdict } from '../core/late.js';
import type { StudyResult } from '../core/record.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome, Source, Trial } from '../core/trial.js';
import type { Digests } from './digests.js';
import type { TakenUpStudy } from './carried.js';
import type { Control } from './control.js';
import type { RetryLate, SealedIdentity } from './messages.js';

/** The metric of a trial's epochs from `from + 1`. */
export interface Stretch {
  readonly trial: string;
  readonly from: number;
  readonly values: readonly number[];
}

/** Local activities of the orchestrating worker. */
export interface RecordActivities {
  /**
   * Checks a study file or study and its seal, fills in its defaults and takes the study's folder; throws a non-retryable
   * `InvalidStudy` or `NotSealed`. `started`: ms since 1970.
   */
  prepareStudy(input: unknown, identity: SealedIdentity, started: number): Promise<Study>;
  /** `written`: texts of earlier proposals, by file, for where those files are missing or damaged. */
  propose(
    study: Study,
    identity: SealedIdentity,
    request: ProposalRequest,
    written?: Readonly<Record<string, string>>
  ): Promise<Proposal>;
  /** Trials proposed before, by index in their bracket. */
  recall(
    study: Study,
    identity: SealedIdentity,
    bracket: string,
    indexes: readonly number[]
  ): Promise<readonly Trial[]>;
  /**
   * Begins a round that others led to: records who came to it, removes the checkpoints of its bracket's trials that did
   * not, and those that were held for others to start from in the round before. Gives what {@link recall} gives.
   */
  enterRound(
    study: Study,
    identity: SealedIdentity,
    group: Group,
    indexes: readonly number[]
  ): Promise<readonly Trial[]>;
  /**
   * Writes a file of the study's record, then removes the checkpoints of trials that are out for good, and the held ones
   * that are released.
   */
  record(
    study: string,
    identity: SealedIdentity,
    name: string,
    text: string,
    out: readonly string[],
    released: readonly Source[]
  ): Promise<void>;
  /** Trials of a round that failed for good before the study was recovered. */
  failedIn(study: string, identity: SealedIdentity, bracket: string, round: number): Promise<readonly FailedTrial[]>;
  /** A question with the losses of the trials it names; `known`: what its workflow knows of them, in order. */
  question(
    study: Study,
    identity: SealedIdentity,
    task: PredictTask,
    known: readonly Stretch[]
  ): Promise<PredictionRequest>;
  /** The same answered at once, where question and answer would come too often or be too large for a message. */
  answer(
    study: Study,
    identity: SealedIdentity,
    task: PredictTask,
    known: readonly Stretch[]
  ): Promise<PredictionAnswer>;
  /**
   * Writes the final record, removes checkpoints that are out, and gives the result. Files that are missing or others
   * than `digests` says are named instead, with their digests: as many as fit into a message.
   */
  recordStudy(
    study: Study,
    identity: SealedIdentity,
    ended: Ended,
    digests: Digests
  ): Promise<StudyResult | { readonly damaged: Digests }>;
}

/** A trial that is to be retried late. */
export interface LateStart {
  readonly study: Study;
  readonly identity: SealedIdentity;
  readonly trial: Trial;
  /** Which of the trial's late retries it is, from 0. */
  readonly number: number;
  /** The round it begins with. */
  readonly round: number;
  /** The number of the reset with which it trains from its first epoch; null: from its checkpoint. */
  readonly reset: number | null;
  readonly queue: string | null;
  /** Whether it goes on with one that has lost its workflow, and what that came to. */
  readonly goesOn: boolean;
  readonly rungs: readonly LateRung[];
}

/** Local activities of late retries. */
export interface LateActivities {
  /** `beside`: the study runs, and has asked. Throws a non-retryable `Refused` that says why it is not retried. */
  prepareLate(study: string, seal: string, request: RetryLate, beside: boolean): Promise<LateStart>;
  /** What becomes of a late trial at its rung; null: not decided yet. */
  lateVerdict(
    study: string,
    identity: SealedIdentity,
    trial: Trial,
    round: number,
    came: EpochNumbers
  ): Promise<LateVerdict | null>;
  /** Writes what a late retry has come to. */
  recordLate(start: Pick<LateStart, 'identity' | 'number'>, place: LatePlace, retry: LateRetry): Promise<void>;
}
interface LatePlace {
  readonly study: string;
  readonly trial: string;
}

/** A trial that failed for good on its way from `from`, in a round or on its way to a rung. */
export interface FailedTrial {
  readonly bracket: string;
  readonly round: number;
  /** Of the trial inside its bracket. */
  readonly index: number;
  readonly trial: string;
  readonly from: number;
  readonly outcome: Extract<SegmentOutcome, { outcome: 'failed' }>;
}

/** What is kept of a study beside its record, so that it can be taken up again when its workflows are gone. */
export interface RecoverActivities {
  /** Keeps what operators have set. `started`: ms since 1970. */
  noteRun(study: string, identity: SealedIdentity, run: { started: number; control: Control }): Promise<void>;
  noteFailed(study: string, identity: SealedIdentity, failed: FailedTrial): Promise<void>;
  /** Whether a trainer of the study has ever reported an epoch, as far as this state folder tells. */
  anyEpoch(study: string, identity: SealedIdentity): Promise<boolean>;
  /** Takes a study up, and fences what is still alive of it; throws a non-retryable `NotRecoverable` that says why not. */
  recoverStudy(study: string, seal: string): Promise<TakenUpStudy>;
}

/** Activities of the orchestrating worker that may take their time. */
export interface RestoreActivities {
  /** Brings back damaged files of a record from the workflows that wrote them; gives those it could not. */
  restoreRecord(study: Study, identity: SealedIdentity, damaged: Digests): Promise<readonly string[]>;
}

export interface PredictActivities {
  predict(request: PredictionRequest): Promise<PredictionAnswer>;
  /** The problem of a predictor that is solved elsewhere. */
  formulate(study: string, request: PredictionRequest): Promise<Posed>;
  /** Answers with the fallback of a predictor whose solver failed. */
  fallBack(request: PredictionRequest, why: string): Promise<PredictionAnswer>;
}
