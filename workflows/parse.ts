/**
 * The edge of the workflows: whoever reaches the server may start them, signal them and send them updates, with anything.
 * What is told a workflow is looked at here, before it can make one of its tasks fail for ever. Whether it comes from a study
 * that may do anything at all is the activities' to say: they look at its seal.
 */
import { ApplicationFailure, log, workflowInfo } from '@temporalio/workflow';
import type { Control, LateTurn, Settled } from './control.js';
import type { Broken } from './first-trials.js';
import { failureTypes, type DropTrial, type RetryLate, type RetryTrial } from './messages.js';

/** The input of a workflow, and what is made of it at once; what cannot be made of it is not its input. */
export function begun<Input, Made>(input: unknown, wanted: readonly string[], make: (input: Input) => Made): Made {
  const lacks = wanted.filter((key) => !isMapping(input) || input[key] === undefined);
  if (lacks.length > 0) throw wrongInput(`lacks ${lacks.join(', ')}`);
  const carried = isMapping(input) ? input['carried'] : undefined;
  // Only a run that goes on with another has something to take along.
  if (carried !== undefined && carried !== null && workflowInfo().continuedFromExecutionRunId === undefined) {
    throw wrongInput('takes along what only an earlier run of it can have come to');
  }
  try {
    return make(input as Input);
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    throw wrongInput(error instanceof Error ? error.message : String(error));
  }
}

function wrongInput(why: string): ApplicationFailure {
  const { workflowType } = workflowInfo();
  return ApplicationFailure.nonRetryable(
    `this is no input of ${workflowType}: it ${why}. Studies are started by \`everband start\``,
    failureTypes.invalidStudy
  );
}

/** A signal that is none changes nothing. */
export function signalled<T>(name: string, parse: (value: unknown) => T | null, take: (value: T) => void) {
  return (value: unknown): void => {
    const parsed = parse(value);
    if (parsed !== null) take(parsed);
    else log.warn(`the signal ${name} is passed over: ${(JSON.stringify(value) ?? 'nothing').slice(0, 200)} is none`);
  };
}

export function controlOf(value: unknown): Control | null {
  if (!isMapping(value)) return null;
  const { paused, stopped, parallelism, settle, turn } = value;
  if (typeof paused !== 'boolean' || typeof stopped !== 'boolean' || !isCount(parallelism)) return null;
  if (!isAbsentOr(settle, isCount) || !isAbsentOr(turn, isCount)) return null;
  return {
    ...{ paused, stopped, parallelism },
    ...(settle === undefined ? {} : { settle }),
    ...(turn === undefined ? {} : { turn }),
  };
}

export function lateTurnOf(value: unknown): LateTurn | null {
  if (!isMapping(value)) return null;
  const { trial, wants, ended, turn } = value;
  if (!isTrial(trial) || typeof wants !== 'boolean' || typeof ended !== 'boolean' || !isCount(turn)) return null;
  return { trial, wants, ended, turn };
}

export function settledOf(value: unknown): Settled | null {
  if (!isMapping(value)) return null;
  const { child, settle } = value;
  return typeof child === 'string' && isCount(settle) ? { child, settle } : null;
}

export function brokenOf(value: unknown): Broken | null {
  if (!isMapping(value)) return null;
  const { cause, refused = false } = value;
  return typeof cause === 'string' && cause.length <= 10_000 && typeof refused === 'boolean'
    ? { cause, refused }
    : null;
}

/** @throws ApplicationFailure that says what a request must be; for validators, which must not wait for anything */
export function retryTrialOf(value: unknown): RetryTrial {
  const { trial, resetCheckpoint, queue } = isMapping(value) ? value : {};
  if (!isTrial(trial) || !isAbsentOr(resetCheckpoint, isBoolean) || !isAbsentOr(queue, isQueue)) {
    throw refused(value, 'a retry names a trial; it may say whether to reset its checkpoint, and a task queue');
  }
  return {
    trial,
    ...(resetCheckpoint === undefined ? {} : { resetCheckpoint }),
    ...(queue === undefined ? {} : { queue }),
  };
}

/** @throws ApplicationFailure */
export function dropTrialOf(value: unknown): DropTrial {
  const { trial } = isMapping(value) ? value : {};
  if (!isTrial(trial)) throw refused(value, 'whoever drops a trial names it');
  return { trial };
}

/** @throws ApplicationFailure */
export function retryLateOf(value: unknown): RetryLate {
  const { trial, reset, queue } = isMapping(value) ? value : {};
  if (!isTrial(trial) || !isBoolean(reset) || !(queue === null || isQueue(queue))) {
    throw refused(value, 'a late retry names a trial, says whether it is to be reset, and a task queue or null');
  }
  return { trial, reset, queue };
}

/** @throws Error for what is no study, as far as a workflow looks into one before an activity has looked at its seal */
export function requireSpec(value: unknown): void {
  const { name, objective, trainer, training } = isMapping(value) ? value : {};
  const sound = {
    name: typeof name === 'string',
    objective: isMapping(objective) && typeof objective['metric'] === 'string',
    trainer: isMapping(trainer) && typeof trainer['type'] === 'string',
    training: isMapping(training) && amounts.every((key) => isAmount(training[key])),
    'training.segmentEpochs': !isMapping(training) || isAbsentOr(training['segmentEpochs'], isCount),
  };
  for (const [what, is] of Object.entries(sound)) if (!is) throw new RangeError(`has a study whose ${what} is none`);
}

/** @throws Error for what is no control */
export function requireControl(value: unknown): void {
  if (controlOf(value) === null) throw new RangeError('has a control that is none');
}

/** @throws Error for what is no group of trials */
export function requireGroup(value: unknown): void {
  const { members, points, passes, exploits, draws } = isMapping(value) ? value : {};
  const lists = [members, points, passes].every((list) => Array.isArray(list) && list.every(isCount));
  if (!lists || !Array.isArray(exploits)) throw new RangeError('has a round that is none');
  if (draws === null) return;
  const { wave, block } = isMapping(draws) ? draws : {};
  const { first, count } = isMapping(block) ? block : { first: 0, count: 0 };
  if (!(wave === null || isCount(wave)) || !isCount(first) || !isCount(count)) {
    throw new RangeError('has a round that draws what is none');
  }
}

const amounts = 'attempts backoffSeconds maxLosses parkSeconds epochTimeoutSeconds heartbeatSeconds graceSeconds'.split(
  ' '
);
const isAmount = (value: unknown) => typeof value === 'number' && value >= 0 && value <= 1e10;

/** @throws Error for what is no curve, which a run may take along */
export function requireCurve(value: unknown): void {
  if (!isMapping(value) || !Array.isArray(value['values'])) throw new RangeError('takes along a curve that is none');
}

function refused(value: unknown, rule: string): ApplicationFailure {
  const seen = (JSON.stringify(value) ?? 'nothing').slice(0, 200);
  return ApplicationFailure.nonRetryable(`${rule}; this is ${seen}`, failureTypes.refused);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isAbsentOr<T>(value: unknown, is: (value: unknown) => value is T): value is T | undefined {
  return value === undefined || is(value);
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

/** Of trials, in flight or counted: never so many that sums of them lose digits. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 1e9;
}

function isTrial(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 200;
}

function isQueue(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && value.length <= 200;
}
