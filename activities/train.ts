/** The activity that trains: supervises a trainer, beats, publishes every epoch, and answers for what is known. */
import { createWriteStream, mkdirSync } from 'node:fs';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { CommandTrainer, ModuleTrainer, ReplayTrainer } from '../core/study.js';
import {
  CheckpointError,
  claimTrial,
  FencedError,
  readKnown,
  TooManyLossesError,
  type CheckpointScope,
  type KnownValues,
} from '../trainers/checkpoints.js';
import { ProcessPool, type Lease } from '../trainers/process-pool.js';
import { classify } from '../trainers/protocol.js';
import { readTable } from '../trainers/replay.js';
import { runSegment, settle, StopSwitch, TrainerFailure, type SegmentOptions } from '../trainers/segment.js';
import { trainerCommand } from '../trainers/trainer-command.js';
import {
  failureTypes,
  type TrainHeartbeat,
  type TrainSegmentInput,
  type TrainSegmentResult,
} from '../workflows/messages.js';

export interface TrainActivitiesOptions {
  /** Folder of studies; every worker that may train the same trial must see the same one. */
  readonly stateDir: string;
  /** Trainer processes at once. */
  readonly slots: number;
  /** CUDA index per slot. */
  readonly gpus?: readonly string[];
}

export interface TrainActivities {
  trainSegment(input: TrainSegmentInput): Promise<TrainSegmentResult>;
  /** Kills the trainers that wait for their next segment. */
  dispose(): void;
}

/** Beats come from a timer: an epoch may be longer than the heartbeat timeout. */
const beatMilliseconds = 1000;

export function createTrainActivities({ stateDir, slots, gpus }: TrainActivitiesOptions): TrainActivities {
  const pool = new ProcessPool({ slots, gpus });

  return {
    async trainSegment(input) {
      checkInput(input);
      const { trainer } = input;
      switch (trainer.type) {
        case 'replay':
          return replaySegment(input, trainer);
        case 'module':
        case 'command':
          return superviseSegment({ pool, stateDir, input, trainer });
        case 'activity':
          throw trialFailed(`activity trainers run on the task queue "${trainer.taskQueue}", not on this one`);
      }
    },
    dispose() {
      pool.dispose();
    },
  };
}

function checkInput(input: TrainSegmentInput): void {
  if (input?.schemaVersion !== 1) {
    const found = String(input?.schemaVersion);
    throw ApplicationFailure.nonRetryable(
      `this worker reads schemaVersion 1, the request has ${found}; update the older of the two`,
      failureTypes.unsupportedSchema
    );
  }
  // Both become folder names.
  for (const name of [input.study, input.trial.id]) {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name)) {
      throw ApplicationFailure.nonRetryable(`"${name}" cannot be a name`, failureTypes.invalidStudy);
    }
  }
}

interface Supervision {
  readonly pool: ProcessPool;
  readonly stateDir: string;
  readonly input: TrainSegmentInput;
  readonly trainer: CommandTrainer | ModuleTrainer;
}

async function superviseSegment({ pool, stateDir, input, trainer }: Supervision): Promise<TrainSegmentResult> {
  const { study, trial, metric, from, to, training } = input;
  const context = Context.current();
  const scope: CheckpointScope = { stateDir, study, trial, metric, reset: input.reset };
  const answered = answerOf(readKnown(scope), from, to);
  if (answered) return answered;

  const stop = new StopSwitch();
  const onCancelled = (): void => {
    const details = context.cancellationDetails;
    // The server has given this attempt up: whatever it still did would be in the way of the next.
    stop.raise(details?.timedOut || details?.notFound ? 'now' : 'gently');
  };
  context.cancellationSignal.addEventListener('abort', onCancelled);
  const beats = startBeats(trial.id, from);
  const log = openLog(stateDir, study, trial.id);
  let fenced = false;
  let fence: NodeJS.Timeout | null = null;
  let lease: Lease | null = null;
  let reuse = false;
  try {
    for (;;) {
      lease = await pool.acquire(trainerCommand(trainer), context.cancellationSignal);
      if (lease === null) return await context.cancelled;
      const { process, reused } = lease;
      reuse = true;
      const claim = await claimTrial(scope, training.maxLosses);
      reuse = false;
      fence = setInterval(() => {
        if (!(fenced = claim.isFenced())) return;
        stop.raise('now');
      }, beatMilliseconds);
      const resume = claim.start?.epoch ?? 0;
      log.write(`--- attempt ${claim.claim}: epochs ${resume + 1} to ${to}, ${claim.start?.path ?? 'no checkpoint'}\n`);
      if (context.cancellationSignal.aborted) onCancelled();
      const options: SegmentOptions = {
        ...{ process, reused, claim, stop },
        request: {
          ...{ everband: 1, study, trial: trial.id, config: trial.config, seed: trial.seed, metric },
          ...{ from: resume, to, checkpoint: claim.start?.path ?? null, checkpointDir: claim.filesFolder },
        },
        epochTimeoutMilliseconds: training.epochTimeoutSeconds * 1000,
        graceMilliseconds: training.graceSeconds * 1000,
        log: (text) => log.write(text),
        onEpoch: beats.beat,
      };
      try {
        const end = await runSegment(options);
        if (end === 'gone') {
          await claim.release();
          clearInterval(fence);
          await lease.release(false);
          lease = null;
          continue;
        }
        if (end === 'stopped') {
          if (fenced) throw new FencedError(`attempt ${claim.claim} was overtaken by a newer one`);
          if (stop.urgency !== 'now') await claim.release();
          return await context.cancelled;
        }
        await claim.release();
        reuse = await settle(options, end);
        const answer = answerOf(claim.known, from, to);
        if (!answer) throw new Error(`trial ${trial.id} ended ${end} without its values`);
        return answer;
      } catch (error) {
        if (!(error instanceof TrainerFailure || error instanceof CheckpointError)) throw error;
        process.signal('SIGKILL');
        await process.exited;
        await claim.release();
        const tail = process.stderrTail;
        throw trialFailed(error.message + (tail === '' ? '' : `\n${tail}`), claim.known.values.slice(from));
      }
    }
  } catch (error) {
    if (error instanceof TooManyLossesError) throw trialFailed(`trial ${trial.id} ${error.message}`);
    // The server may ask again: should this have been the attempt that counts, it gets a new claim.
    if (error instanceof FencedError) throw ApplicationFailure.retryable(error.message, 'Fenced');
    throw error;
  } finally {
    if (fence) clearInterval(fence);
    stop.listen(null);
    context.cancellationSignal.removeEventListener('abort', onCancelled);
    await lease?.release(reuse);
    await log.close();
    beats.stop();
  }
}

/** What is known already, if it covers the segment. */
function answerOf({ values, nonFinite }: KnownValues, from: number, to: number): TrainSegmentResult | null {
  if (values.length >= to) return { outcome: 'completed', values: values.slice(from, to) };
  if (nonFinite !== null) return { outcome: 'diverged', values: values.slice(from), nonFinite };
  return null;
}

async function replaySegment(input: TrainSegmentInput, trainer: ReplayTrainer): Promise<TrainSegmentResult> {
  const { trial, from, to } = input;
  const { row } = trial.config;
  const curve = typeof row === 'number' ? readTable(trainer).values[row] : undefined;
  if (!curve) throw trialFailed(`${trainer.file} has no row ${JSON.stringify(row ?? null)}`);
  if (to > curve.length) throw trialFailed(`${trainer.file} has ${curve.length} epochs, asked for epoch ${to}`);
  const context = Context.current();
  const slept = (context.info.heartbeatDetails as TrainHeartbeat | undefined)?.epoch ?? from;
  const beats = startBeats(trial.id, from);
  const values: number[] = [];
  try {
    for (const [index, raw] of curve.slice(from, to).entries()) {
      const epoch = from + index + 1;
      if (trainer.secondsPerEpoch > 0 && epoch > slept) await context.sleep(trainer.secondsPerEpoch * 1000);
      const value = classify(raw);
      if (typeof value !== 'number') return { outcome: 'diverged', values, nonFinite: value };
      values.push(value);
      beats.beat(epoch, value);
    }
    return { outcome: 'completed', values };
  } finally {
    beats.stop();
  }
}

/** Beats at once, every second, and whenever an epoch ends. */
function startBeats(trial: string, from: number): { beat(epoch: number, value: number | null): void; stop(): void } {
  const context = Context.current();
  let details: TrainHeartbeat = { trial, epoch: from, value: null };
  const send = (): void => context.heartbeat(details);
  send();
  const timer = setInterval(send, beatMilliseconds);
  return {
    beat(epoch, value) {
      details = { trial, epoch, value };
      send();
    },
    stop: () => clearInterval(timer),
  };
}

/** A trial's log, one file over all attempts. */
function openLog(
  stateDir: string,
  study: string,
  trial: string
): { write(text: string): void; close(): Promise<void> } {
  const folder = path.join(stateDir, 'studies', study, 'logs');
  mkdirSync(folder, { recursive: true });
  const stream = createWriteStream(path.join(folder, `${trial}.log`), { flags: 'a' });
  // A full disk must not end a trial for the sake of its log.
  stream.on('error', () => {});
  return {
    write: (text) => void stream.write(text),
    async close() {
      stream.end();
      await finished(stream).catch(() => {});
    },
  };
}

/** `values`: of the epochs after `from` that it trained before. */
function trialFailed(message: string, values: readonly number[] = []): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, failureTypes.trialFailed, values);
}
