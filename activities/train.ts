/** The activity that trains: supervises a trainer, beats, publishes every epoch, and answers for what is known. */
import { ApplicationFailure, Context } from '@temporalio/activity';
import { cut, noEpochs, type Curve } from '../core/curve.js';
import type { CommandTrainer, FailureKind, ModuleTrainer, ReplayTrainer } from '../core/study.js';
import { claimTrial, TooManyLossesError } from '../trainers/checkpoints.js';
import { EpochBoundError } from '../trainers/epoch-log.js';
import { CheckpointError, holdCheckpoint } from '../trainers/held.js';
import { enterStudy, FencedError, studyFolder } from '../trainers/identity.js';
import { readKnown, triesAlone, type CheckpointScope, type KnownCurve } from '../trainers/line.js';
import { ProcessPool, type Lease } from '../trainers/process-pool.js';
import { readTable, replayed, type CurveTable } from '../trainers/replay.js';
import { Room, type Stay } from '../trainers/room.js';
import { runSegment, settle, StopSwitch, TrainerFailure, type SegmentOptions } from '../trainers/segment.js';
import { trainerCommand } from '../trainers/trainer-command.js';
import { NotAllowedError } from '../trust/allowed.js';
import { PlaceError } from '../trust/places.js';
import { redacted, SecretError } from '../trust/secrets.js';
import { TrialLog } from '../trainers/trial-log.js';
import {
  failureTypes,
  type TrainHeartbeat,
  type TrainSegmentInput,
  type TrainSegmentResult,
} from '../workflows/messages.js';
import { readSegment } from './segment-input.js';
import { invalid, sealChecker } from './trusted.js';

export interface TrainActivitiesOptions {
  /** Folder of studies; every worker that may train the same trial must see the same one. */
  readonly stateDir: string;
  /** Trainer processes at once. */
  readonly slots: number;
  /** CUDA index per slot. */
  readonly gpus?: readonly string[];
  /** Further names of this worker's environment that trainers get. */
  readonly passEnv?: readonly string[];
}

export interface TrainActivities {
  trainSegment(input: TrainSegmentInput): Promise<TrainSegmentResult>;
  /** The longest time a trainer that trains now may take to save itself when it is told to end. */
  longestGrace(): number;
  /** Kills the trainers that wait for their next segment. */
  dispose(): void;
}

/** Beats come from a timer: an epoch may be longer than the heartbeat timeout. */
const beatMilliseconds = 1000;

export function createTrainActivities(options: TrainActivitiesOptions): TrainActivities {
  const { stateDir, slots, gpus, passEnv = [] } = options;
  const host = { stateDir, passEnv };
  const requireSealed = sealChecker(stateDir);
  const pool = new ProcessPool({ slots, gpus });
  const room = new Room();
  const running = new Set<TrainSegmentInput>();

  return {
    async trainSegment(given) {
      const input = readSegment(given);
      const { study, trainer, identity } = input;
      requireSealed({ study, trainer }, identity);
      running.add(input);
      try {
        switch (trainer.type) {
          case 'replay':
            return await replaySegment(input, trainer);
          case 'module':
          case 'command':
            return await withBeats(input, (beats) => superviseSegment({ pool, room, host, input, trainer, beats }));
          case 'activity':
            throw trialFailed(`activity trainers run on the task queue "${trainer.taskQueue}", not on this one`);
        }
      } finally {
        running.delete(input);
      }
    },
    longestGrace() {
      return Math.max(0, ...[...running].map(({ training }) => training.graceSeconds));
    },
    dispose() {
      pool.dispose();
    },
  };
}

/** Beats while it lasts, for a large checkpoint takes its time to be read, and ends as the failure that says what to do. */
async function withBeats<T>({ trial, from }: TrainSegmentInput, work: (beats: Beats) => Promise<T>): Promise<T> {
  const beats = startBeats(trial.id, from);
  try {
    return await work(beats);
  } catch (error) {
    if (error instanceof CheckpointError) throw trialFailed(error.message);
    if (error instanceof PlaceError) throw invalid(error.message);
    if (error instanceof NotAllowedError || error instanceof SecretError) {
      throw ApplicationFailure.nonRetryable(error.message, failureTypes.notAllowed);
    }
    // The server may ask again: should this have been the attempt that counts, it gets a new claim.
    if (error instanceof FencedError) throw ApplicationFailure.retryable(error.message, 'Fenced');
    throw error;
  } finally {
    beats.stop();
  }
}

interface Supervision {
  readonly pool: ProcessPool;
  readonly room: Room;
  readonly host: { readonly stateDir: string; readonly passEnv: readonly string[] };
  readonly input: TrainSegmentInput;
  readonly trainer: CommandTrainer | ModuleTrainer;
  readonly beats: Beats;
}

async function superviseSegment({ pool, room, host, input, trainer, beats }: Supervision): Promise<TrainSegmentResult> {
  const { stateDir } = host;
  // Before anything is read or made: the operator of this worker has the last word.
  const command = trainerCommand(trainer, host);
  const identity = { id: input.identity.id, incarnation: input.identity.incarnation };
  const { study, trial, metric, from, to, training, source, hold, reset } = input;
  const metrics = input.schemaVersion === 4 ? input.metrics : undefined;
  const context = Context.current();
  await enterStudy(studyFolder(stateDir, study), identity, context.info.scheduledTimestampMs);
  const place = { stateDir, study, identity };
  const scope: CheckpointScope = { ...place, trial, metric, metrics, from, source, reset };
  /** What the segment came to; null when that is not known yet. */
  const answer = async (known: KnownCurve): Promise<TrainSegmentResult | null> => {
    const result = answerOf(known, from, to);
    if (hold && result?.outcome === 'completed') await holdCheckpoint(place, trial.id, to);
    return result;
  };
  const answered = await answer(readKnown(scope));
  if (answered) return answered;

  const stop = new StopSwitch();
  const onCancelled = (): void => {
    const details = context.cancellationDetails;
    // The server has given this attempt up: whatever it still did would be in the way of the next.
    stop.raise(details?.timedOut || details?.notFound ? 'now' : 'gently');
  };
  context.cancellationSignal.addEventListener('abort', onCancelled);
  const log = new TrialLog(studyFolder(stateDir, study), trial.id);
  let fenced: FencedError | null = null;
  let watch: NodeJS.Timeout | null = null;
  let lease: Lease | null = null;
  let stay: Stay | null = null;
  let reuse = false;
  try {
    stay = await room.enter(`${study} ${trial.id}`, triesAlone(scope), context.cancellationSignal);
    if (stay === null) return await context.cancelled;
    for (;;) {
      lease = await pool.acquire(command, context.cancellationSignal);
      if (lease === null) return await context.cancelled;
      const { process, reused } = lease;
      process.logTo(log);
      reuse = true;
      const claim = await claimTrial(scope, training.maxLosses, stay.alone).catch((error: unknown) => {
        if (!(error instanceof TooManyLossesError)) throw error;
        throw trialFailed(`trial ${trial.id} ${error.message}`, 'crash', epochsAfter(readKnown(scope), from));
      });
      await stay.onShared(() => claim.share());
      reuse = false;
      watch = setInterval(() => {
        if ((fenced = claim.fence())) stop.raise('now');
      }, beatMilliseconds);
      const resume = claim.start?.epoch ?? 0;
      log.write(`--- attempt ${claim.claim}: epochs ${resume + 1} to ${to}, ${claim.start?.path ?? 'no checkpoint'}\n`);
      if (context.cancellationSignal.aborted) onCancelled();
      // A trainer that starts from nothing counts from nothing.
      const shift = claim.start && input.schemaVersion !== 2 ? input.shift : 0;
      const options: SegmentOptions = {
        ...{ process, reused, claim, stop, shift },
        request: {
          ...{ everband: 1, study, trial: trial.id, config: trial.config, seed: trial.seed, metric },
          ...(metrics ? { metrics } : {}),
          ...{
            from: resume + shift,
            to: to + shift,
            checkpoint: claim.start?.path ?? null,
            checkpointDir: claim.filesFolder,
          },
        },
        epochTimeoutMilliseconds: training.epochTimeoutSeconds * 1000,
        graceMilliseconds: training.graceSeconds * 1000,
        onEpoch: beats.beat,
        onAdvance: () => stay?.admitOthers(),
      };
      try {
        const end = await runSegment(options);
        if (end === 'gone') {
          await claim.release();
          clearInterval(watch);
          await lease.release(false);
          lease = null;
          continue;
        }
        if (end === 'stopped') {
          if (fenced) throw fenced;
          if (stop.urgency !== 'now') await claim.release();
          return await context.cancelled;
        }
        await claim.release();
        reuse = await settle(options, end);
        const result = await answer(claim.known);
        if (!result) throw new Error(`trial ${trial.id} ended ${end} without its values`);
        return result;
      } catch (error) {
        // What a trainer does whose folder another study or attempt took is not its fault.
        const fence = claim.fence();
        if (fence) throw fence;
        if (!trainersFault(error)) throw error;
        process.signal('SIGKILL');
        await process.exited;
        await claim.release();
        const tail = process.stderrTail;
        const said = redacted(error.message, command.secrets) + (tail === '' ? '' : `\n${tail}`);
        const kind = error instanceof TrainerFailure ? error.kind : 'error';
        throw trialFailed(said, kind, epochsAfter(claim.known, from));
      }
    }
  } finally {
    if (watch) clearInterval(watch);
    stop.listen(null);
    context.cancellationSignal.removeEventListener('abort', onCancelled);
    await lease?.release(reuse);
    stay?.leave();
    await log.close();
  }
}

/** Of what is known, the epochs after `from`. */
function epochsAfter(known: KnownCurve, from: number): Curve {
  return cut(known, Math.max(0, from - known.base));
}

function trainersFault(error: unknown): error is Error {
  return error instanceof TrainerFailure || error instanceof CheckpointError || error instanceof EpochBoundError;
}

/** What is known already, if it covers the segment. */
function answerOf(known: KnownCurve, from: number, to: number): TrainSegmentResult | null {
  const { base, values, nonFinite } = known;
  if (base + values.length >= to) return { outcome: 'completed', ...cut(known, from - base, to - base) };
  if (nonFinite !== null) return { outcome: 'diverged', ...cut(known, from - base), nonFinite };
  return null;
}

async function replaySegment(input: TrainSegmentInput, trainer: ReplayTrainer): Promise<TrainSegmentResult> {
  const { trial, from, to } = input;
  const { row } = trial.config;
  const curve = typeof row === 'number' ? tableOf(trainer).values[row] : undefined;
  if (!curve) throw trialFailed(`${trainer.file} has no row ${JSON.stringify(row ?? null)}`);
  if (to > curve.length) throw trialFailed(`${trainer.file} has ${curve.length} epochs, asked for epoch ${to}`);
  const context = Context.current();
  const slept = (context.info.heartbeatDetails as TrainHeartbeat | undefined)?.epoch ?? from;
  const beats = startBeats(trial.id, from);
  const result = replayed(curve.slice(from, to));
  try {
    for (
      let epoch = from + 1;
      epoch <= from + result.values.length + (result.outcome === 'diverged' ? 1 : 0);
      epoch++
    ) {
      if (trainer.secondsPerEpoch > 0 && epoch > slept) await context.sleep(trainer.secondsPerEpoch * 1000);
      beats.beat(epoch, result.values[epoch - from - 1] ?? null);
    }
    return result;
  } finally {
    beats.stop();
  }
}

/** A file that this worker has not, or cannot make sense of, is what the trial fails with. */
function tableOf(trainer: ReplayTrainer): CurveTable {
  try {
    return readTable(trainer);
  } catch (error) {
    throw trialFailed((error as Error).message);
  }
}

interface Beats {
  beat(epoch: number, value: number | null): void;
  stop(): void;
}

/** Beats every second with what is known then; what takes less has ended before anybody would miss it. */
function startBeats(trial: string, from: number): Beats {
  const context = Context.current();
  let details: TrainHeartbeat = { trial, epoch: from, value: null };
  const timer = setInterval(() => context.heartbeat(details), beatMilliseconds);
  return {
    beat: (epoch, value) => (details = { trial, epoch, value }),
    stop: () => clearInterval(timer),
  };
}

/** Characters of the longest message: it is in a history for as long as that is kept. */
const maxMessage = 16_000;

/** `curve`: of the epochs after `from` that it trained before. */
function trialFailed(message: string, kind: FailureKind = 'error', curve: Curve = noEpochs): ApplicationFailure {
  const { values, metrics } = curve;
  // Half a character, which a trainer may have sent and a cut may have left, could not be sent on.
  const text = Buffer.from(message.length > maxMessage ? `${message.slice(0, maxMessage)}...` : message).toString();
  return ApplicationFailure.nonRetryable(text, failureTypes.trialFailed, values, metrics ?? null, { kind });
}
