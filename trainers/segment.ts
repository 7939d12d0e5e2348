/** One request to one trainer process: sends it, follows the epochs, publishes them, watches the clock. */
import type { FailureKind } from '../core/settings.js';
import type { TrialClaim } from './checkpoints.js';
import { MemoryWatch } from './memory.js';
import type { TrainerProcess } from './process-pool.js';
import { interpret, type TrainRequest } from './protocol.js';

/** The trainer did something wrong; counts as a failed attempt. */
export class TrainerFailure extends Error {
  override readonly name = 'TrainerFailure';

  constructor(
    message: string,
    readonly kind: FailureKind = 'error'
  ) {
    super(message);
  }
}

/** How urgently a segment must end: `gently` lets the trainer save itself, `now` does not. */
export type Urgency = 'gently' | 'now';

/** Tells a running segment to end. */
export class StopSwitch {
  urgency: Urgency | null = null;
  private listener: (() => void) | null = null;

  raise(urgency: Urgency): void {
    if (this.urgency !== 'now') this.urgency = urgency;
    this.listener?.();
  }

  listen(listener: (() => void) | null): void {
    this.listener = listener;
  }
}

export interface SegmentOptions {
  readonly process: TrainerProcess;
  readonly reused: boolean;
  readonly request: TrainRequest;
  readonly claim: TrialClaim;
  /** How many epochs more than the trial's own the trainer counts. */
  readonly shift: number;
  readonly epochTimeoutMilliseconds: number;
  readonly graceMilliseconds: number;
  readonly stop: StopSwitch;
  readonly onEpoch: (epoch: number, value: number | null) => void;
  /** Called when something has been published that was not known before. */
  readonly onAdvance: () => void;
}

/** `gone`: a kept process had ended before it saw the request; ask another one. */
export type SegmentEnd = 'completed' | 'diverged' | 'stopped' | 'gone';

/** A trainer that reports faster than the disk writes is published this often. */
const publishMilliseconds = 1000;
/** After its last epoch a trainer may say within this time that it takes another request. */
const readyMilliseconds = 1000;

/**
 * What it waits for is measured by a clock that nobody sets: else a trainer would hang because the time was put right.
 *
 * @throws {TrainerFailure | CheckpointError | FencedError}
 */
export async function runSegment(options: SegmentOptions): Promise<SegmentEnd> {
  const { process, request, claim, shift, stop, onEpoch } = options;
  const { from, to, metric, metrics } = request;
  // Whatever ends after it was asked has failed.
  if (options.reused && !process.alive) return 'gone';
  let epoch = from;
  let began = Date.now();
  let published = performance.now();
  let deadline = performance.now() + options.epochTimeoutMilliseconds;
  /** When a trainer that was told to stop is killed. */
  let killAt: number | null = null;
  stop.listen(() => process.interrupt());
  const memory = new MemoryWatch(process.pid);
  process.send(request);
  for (;;) {
    if (!process.hasEvents || performance.now() - published > publishMilliseconds) {
      await claim.publish();
      published = performance.now();
      if (claim.advanced) options.onAdvance();
    }
    if (stop.urgency === 'now') {
      process.signal('SIGKILL');
      await process.exited;
      return 'stopped';
    }
    if (stop.urgency === 'gently' && killAt === null) {
      process.signal('SIGTERM');
      killAt = performance.now() + options.graceMilliseconds;
    }
    if (killAt !== null && performance.now() >= killAt) {
      process.signal('SIGKILL');
      killAt = Infinity;
    } else if (killAt === null && performance.now() >= deadline && !process.hasEvents) {
      const seconds = options.epochTimeoutMilliseconds / 1000;
      throw new TrainerFailure(`hung: no epoch within ${seconds} s after epoch ${epoch}`, 'timeout');
    }
    const event = await process.next((killAt ?? deadline) - performance.now());
    if (event === null) continue;
    if (event.type === 'exit') {
      await claim.publish();
      if (killAt !== null) return 'stopped';
      if (options.reused && !process.reached) return 'gone';
      const asked = `asked for epochs ${from + 1} to ${to}`;
      throw new TrainerFailure(
        `the trainer ${event.how} after epoch ${epoch}, ${asked}`,
        memory.killed() ? 'oom' : 'crash'
      );
    }
    const message = interpret(event.said, metric, metrics);
    if (message.type !== 'epoch') {
      // Told to stop, a trainer may break off as it likes.
      if (killAt !== null) continue;
      if (message.type === 'error') throw new TrainerFailure(`the trainer says: ${message.message}`, message.kind);
      if (message.type === 'malformed') throw new TrainerFailure(`not a valid line: ${message.problem}`);
      throw new TrainerFailure(`the trainer was ready after epoch ${epoch}, asked for epochs ${from + 1} to ${to}`);
    }
    if (message.epoch !== epoch + 1) {
      throw new TrainerFailure(`the trainer reported epoch ${message.epoch}, expected epoch ${epoch + 1}`);
    }
    const { checkpoint, others } = message;
    const facts = { seconds: (event.at - began) / 1000, others };
    began = event.at;
    if (typeof message.value !== 'number') {
      const known = claim.known.values[epoch - shift - claim.known.base];
      if (known !== undefined) {
        throw new TrainerFailure(`epoch ${epoch + 1} was ${known} in an earlier attempt and is ${message.value} now`);
      }
      claim.recordDivergence(message.value, facts);
      onEpoch(epoch + 1 - shift, null);
      await claim.publish();
      return 'diverged';
    }
    epoch++;
    deadline = performance.now() + options.epochTimeoutMilliseconds;
    const numbers = { value: message.value, ...(message.metrics ? { metrics: message.metrics } : {}) };
    claim.record(epoch - shift, numbers, checkpoint, facts);
    onEpoch(epoch - shift, message.value);
    if (epoch === to) {
      await claim.publish();
      return 'completed';
    }
  }
}

/** Waits until a trainer that is done says that it takes more, true, or until it has ended, false. */
export async function settle(options: SegmentOptions, end: SegmentEnd): Promise<boolean> {
  const { process, stop, graceMilliseconds } = options;
  const steps = [
    { wait: readyMilliseconds, then: () => process.closeInput() },
    // A trainer that has diverged and goes on would go on to the end.
    { wait: end === 'diverged' ? 0 : graceMilliseconds, then: () => process.signal('SIGTERM') },
    { wait: graceMilliseconds, then: () => process.signal('SIGKILL') },
  ];
  for (const [index, { wait, then }] of steps.entries()) {
    const until = performance.now() + wait;
    while (stop.urgency === null && (process.hasEvents || performance.now() < until)) {
      const event = await process.next(until - performance.now());
      if (event?.type === 'exit') return false;
      // With its input closed it cannot take more.
      if (index === 0 && event?.type === 'said' && interpret(event.said, '').type === 'ready') return true;
    }
    if (stop.urgency !== null) return false;
    then();
  }
  return false;
}
