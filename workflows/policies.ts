/** Every timeout, retry and history budget of the workflows, with the reason beside the number. */
import {
  ActivityCancellationType,
  type ActivityOptions,
  type LocalActivityOptions,
  type WorkflowInfo,
} from '@temporalio/workflow';
import { failureTypes, taskQueues } from './messages.js';
import type { Study } from '../core/study.js';

/** The server suggests continue-as-new at 4,096 events; below this a workflow keeps room for retries and updates. */
export const historyBudget = 3000;

/** 4 MiB is where the server suggests continue-as-new by size. */
const historyBytes = 3 * 1024 * 1024;

/** Whether a workflow that keeps going should go on in a new run. */
export function historyFull(
  info: Pick<WorkflowInfo, 'historyLength' | 'historySize' | 'continueAsNewSuggested'>
): boolean {
  return info.continueAsNewSuggested || info.historyLength >= historyBudget || info.historySize >= historyBytes;
}

/** Worst case of one activity among many: scheduled, started, completed and a workflow task of its own (measured 3.2 to 6). */
export const eventsPerSegment = 6;

/** Inside a step, what trains is interrupted only to keep a history from growing to the server's limit of 51,200. */
const historyLimit = 8000;
const historyLimitBytes = 20 * 1024 * 1024;

/** Whether a workflow has to be suspended in the middle of a step, as after many pauses of many trials. */
export function historyOverflows(info: Pick<WorkflowInfo, 'historyLength' | 'historySize'>): boolean {
  return info.historyLength >= historyLimit || info.historySize >= historyLimitBytes;
}

/** The SDK makes every failure to read an activity's input retryable; what nobody will ever read is not. */
const final = { nonRetryableErrorTypes: [failureTypes.payloadRefused] };

/** Side effects that take milliseconds and must not cost a round trip: one marker each. */
export const localPolicy: LocalActivityOptions = {
  startToCloseTimeout: '60s',
  // Then the workflow says what is wrong, and tries again after `troubleSeconds`.
  retry: { initialInterval: '200ms', maximumInterval: '2s', maximumAttempts: 4, ...final },
};
export const troubleSeconds = 10;

/** How often it is asked again for what no worker may train, should the study not have paused. */
export const refusedSeconds = 30;
/** So many workers, one after the other, may refuse a trial before its study pauses: one of many may lack the permission. */
export const mostRefusals = 3;

/** How often a child is tried again whose namesake of before a reset has not ended yet. */
export const leftoverSeconds = 1;

/** How often a late retry asks again, whether its rung has closed or its study has a place for it: rarer and rarer. */
export function lateSeconds(asked: number): number {
  return Math.min(60, 2 ** (asked + 1));
}

/**
 * What an orchestrating worker does beside workflow tasks, such as bringing back files of a record by queries of the workflows
 * that wrote them. It beats (activities/beating.ts), so that another worker takes over soon when one is lost.
 */
export const restorePolicy: ActivityOptions = {
  taskQueue: taskQueues.orchestrate,
  startToCloseTimeout: '10m',
  heartbeatTimeout: '20s',
  retry: { initialInterval: '1s', maximumInterval: '10s', ...final },
};

/** Asked again without limit when a worker is lost: only a predictor's own answer counts. */
const predicting: ActivityOptions = {
  retry: { initialInterval: '500ms', maximumInterval: '10s', ...final },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
};

/**
 * A predictor of ours, in a worker that beats every second: one that is killed or frozen is found out in seconds, and a long
 * fit is not taken for either.
 */
export const predictPolicy: ActivityOptions = {
  ...predicting,
  taskQueue: taskQueues.predict,
  heartbeatTimeout: '5s',
  // Temporal wants a limit, and there is none: a fit that was cut off would be cut off again each time it is tried.
  startToCloseTimeout: '365d',
};

/** Somebody else's predictor: it beats as its study says, or else has two minutes for an answer. */
export function foreignPolicy(taskQueue: string, heartbeatSeconds: number | undefined): ActivityOptions {
  if (heartbeatSeconds === undefined) return { ...predicting, taskQueue, startToCloseTimeout: '120s' };
  return { ...predictPolicy, taskQueue, heartbeatTimeout: heartbeatSeconds * 1000 };
}

/**
 * A solver such as a QPU answers in seconds and may queue for minutes; the heartbeat carries the problem's id, so that an
 * attempt after a loss asks for the answer instead of paying twice. The worker says what is final: SolverFailed, QpuLimit.
 */
export function solverPolicy(taskQueue: string): ActivityOptions {
  return {
    taskQueue,
    startToCloseTimeout: '1h',
    heartbeatTimeout: '30s',
    retry: { initialInterval: '1s', maximumInterval: '30s', ...final },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  };
}

/**
 * Lost workers and shutdowns are retried by the server without limit and without history; what a trainer reports is
 * `TrialFailed`, which comes back to the workflow and is counted there.
 */
export function trainPolicy(
  study: Pick<Study, 'trainer' | 'training'>,
  epochs: number,
  queue?: string
): ActivityOptions {
  const { training, trainer } = study;
  return {
    taskQueue: queue ?? (trainer.type === 'activity' ? trainer.taskQueue : taskQueues.train),
    // The watchdog finds a hung trainer after one epoch timeout; this only bounds a worker that lost its watchdog. A trainer
    // that is done has its grace to end by itself, and once more after SIGTERM; the rest is for copies of checkpoints.
    startToCloseTimeout: (epochs * training.epochTimeoutSeconds + 2 * training.graceSeconds + 900) * 1000,
    heartbeatTimeout: training.heartbeatSeconds * 1000,
    retry: {
      initialInterval: '1s',
      backoffCoefficient: 2,
      maximumInterval: '10s',
      nonRetryableErrorTypes: [failureTypes.trialFailed, ...final.nonRetryableErrorTypes],
    },
    // The real default is TRY_CANCEL, which lets a trainer run on after its workflow has gone.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  };
}
