/** What decides, as the record has it: one line for each event. */
import type { SegmentOutcome } from '../trial.js';
import type { Answer, Task } from './work.js';

export const logEntry = {
  /** A trial alone was given a place. */
  start: (group: string) => `start ${group}`,
  /** A trial alone came to this epoch, or ended there. */
  train: (group: string, epoch: number) => `train ${group} ${epoch}`,
  /** The predictor answered about a trial alone at this epoch. */
  predict: (group: string, epoch: number) => `predict ${group} ${epoch}`,
  /** A round closed. */
  close: (group: string) => `close ${group}`,
  /** An operator or the deadline ended the study. */
  stop: (by: 'stopped' | 'deadline') => `stop ${by}`,
} as const;

/** The line of an answer about a trial alone; null for what decides nothing. */
export function lineOf(group: string, task: Task, answer: Answer): string | null {
  if (task.type === 'predict') return logEntry.predict(group, task.epochs);
  if (task.type !== 'train') return null;
  const { values, outcome } = answer as SegmentOutcome;
  return logEntry.train(group, task.from + values.length + (outcome === 'diverged' ? 1 : 0));
}

export interface LogEntry {
  readonly type: keyof typeof logEntry;
  /** The group's id, or who stopped the study. */
  readonly of: string;
  readonly epoch: number | null;
}

/** @throws RangeError for a line that is none */
export function parseEntry(line: string): LogEntry {
  const [, type, of, epoch] = /^(start|train|predict|close|stop) (\S+)(?: (\d+))?$/.exec(line) ?? [];
  if (!type || !of) throw new RangeError(`"${line}" is no line of a log`);
  return { type: type as LogEntry['type'], of, epoch: epoch === undefined ? null : Number(epoch) };
}
