/** Counts the failures of a trial, and says what follows from each. */
import type { FailureKind, TrainingPolicy } from './settings.js';

/** What follows from a failure. */
export interface AfterFailure {
  /** How many there were of those that count together with it, itself included. */
  readonly count: number;
  /** Whether the trial is parked. */
  readonly parks: boolean;
  /** Seconds before the next attempt. */
  readonly seconds: number;
  /** Task queue from the next attempt on; undefined: the one it has. */
  readonly queue: string | undefined;
}

/** Longest wait between two attempts, in seconds. */
const maxBackoff = 120;

/**
 * Failures without a new epoch between them. A kind whose rule has `attempts` is counted by itself; all others count
 * together, so that a trial that fails in turns is parked too.
 */
export class Failures {
  private readonly counts = new Map<FailureKind | 'any', number>();

  constructor(private readonly training: Pick<TrainingPolicy, 'attempts' | 'backoffSeconds' | 'retry'>) {}

  get none(): boolean {
    return this.counts.size === 0;
  }

  /** There is a new epoch, or somebody wants the trial to be tried again. */
  forget(): void {
    this.counts.clear();
  }

  add(kind: FailureKind): AfterFailure {
    const rule = this.training.retry?.[kind] ?? {};
    const counted = rule.attempts === undefined ? 'any' : kind;
    const count = (this.counts.get(counted) ?? 0) + 1;
    this.counts.set(counted, count);
    const seconds = (rule.backoffSeconds ?? this.training.backoffSeconds) * 2 ** (count - 1);
    return {
      count,
      parks: count >= (rule.attempts ?? this.training.attempts),
      seconds: Math.min(seconds, maxBackoff),
      queue: rule.queue,
    };
  }
}

/** How a reason begins that does not say by itself what kind it is of. */
const says: Readonly<Record<FailureKind, string>> = {
  oom: 'out of memory: ',
  timeout: 'timeout: ',
  crash: 'crash: ',
  error: '',
};

/** A failure's reason with its kind. */
export function reasonWithKind(kind: FailureKind, message: string): string {
  return says[kind] + message;
}

/**
 * What failures have in common that failed in the same way: their kind and the last line of their reason, which in most
 * languages names the error, without what differs from trial to trial: paths and numbers.
 */
export function failureSignature(kind: FailureKind, message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  const last = (lines.at(-1) ?? '').trim();
  const bare = last
    .replace(/(?:[A-Za-z]:)?[^\s"'`(),;=]*[/\\][^\s"'`(),;]*/g, '<path>')
    .replace(/0x[0-9a-f]+|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?/gi, '<n>');
  return `${kind}: ${bare}`;
}
