/**
 * What trainers report beside the objective, and how long each epoch took: `<study>/epochs/<trial>.jsonl`, a line for
 * every epoch, the same for workers in TypeScript and in Python (python/everband/epoch_log.py).
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { maxMetricCharacters, maxMetrics } from '../core/metrics.js';
import type { StudyIdentity } from '../workflows/messages.js';
import { placeName, within } from '../trust/places.js';
import { readIdentity } from './identity.js';

/** What is kept of an epoch. */
const epochBounds = { names: maxMetrics, characters: maxMetricCharacters, bytes: 8192 } as const;

export interface EpochLine {
  readonly epoch: number;
  /** From the end of the epoch before; of an attempt's first epoch from its request, loading included. */
  readonly seconds: number;
  readonly host: string;
  /** Number of the attempt that trained it. */
  readonly attempt: number;
  readonly identity: StudyIdentity;
  /** Every number that was reported beside the objective; null where it was not finite. */
  readonly values: Readonly<Record<string, number | null>>;
}

/** A trainer reported more than is kept. */
export class EpochBoundError extends Error {
  override readonly name = 'EpochBoundError';
}

/** @throws {EpochBoundError} */
export function formatEpochLine(line: EpochLine): string {
  const names = Object.keys(line.values);
  const at = `epoch ${line.epoch} has`;
  if (names.length > epochBounds.names) {
    throw new EpochBoundError(
      `${at} ${names.length} numbers beside the objective; at most ${epochBounds.names} names are kept`
    );
  }
  for (const name of names) {
    const characters = [...name].length;
    if (characters > epochBounds.characters) {
      const start = [...name].slice(0, 20).join('');
      throw new EpochBoundError(
        `${at} a number whose name has ${characters} characters ("${start}..."); at most ${epochBounds.characters} are kept`
      );
    }
  }
  const text = JSON.stringify(line) + '\n';
  const bytes = Buffer.byteLength(text);
  if (bytes > epochBounds.bytes) {
    throw new EpochBoundError(
      `${at} numbers that make a line of ${bytes} bytes; at most ${epochBounds.bytes} are kept`
    );
  }
  return text;
}

/** Whether any trial of the study in `folder` has a line. */
export function hasEpochs(folder: string): boolean {
  let names: string[];
  try {
    names = readdirSync(within(folder, 'epochs'));
  } catch {
    return false;
  }
  return names.some(
    (name) =>
      placeName.test(name) && (statSync(within(folder, 'epochs', name), { throwIfNoEntry: false })?.size ?? 0) > 0
  );
}

/** File of a trial's epochs; `folder` is the study's. */
export function epochFile(folder: string, trial: string): string {
  return within(folder, 'epochs', `${trial}.jsonl`);
}

/** Adds whole lines at the end, safely on disk. The folder must be there: one that was deleted does not come back. */
export async function appendEpochs(file: string, lines: readonly string[]): Promise<void> {
  const handle = await open(file, 'a+');
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    // A power cut may have left half a line.
    const torn = size > 0 && last.toString() !== '\n';
    await handle.appendFile((torn ? '\n' : '') + lines.join(''));
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/**
 * A trial's epochs in order, each as its last attempt had it: training that began again takes the place of what came
 * after. Lines of another study of the same name do not count. `folder` is the study's.
 */
export function readEpochs(folder: string, trial: string): EpochLine[] {
  let text: string;
  try {
    text = readFileSync(epochFile(folder, trial), 'utf8');
  } catch {
    return [];
  }
  const id = readIdentity(folder)?.id;
  const epochs: EpochLine[] = [];
  for (const line of text.split('\n')) {
    const entry = parseEpochLine(line);
    if (entry === null || entry.identity.id !== id) continue;
    const place = epochs.findIndex(({ epoch }) => epoch >= entry.epoch);
    if (place >= 0) epochs.length = place;
    epochs.push(entry);
  }
  return epochs;
}

function parseEpochLine(line: string): EpochLine | null {
  let read: Partial<EpochLine> | null;
  try {
    read = JSON.parse(line) as Partial<EpochLine> | null;
  } catch {
    return null;
  }
  // A disk that has changed a byte may have left JSON that is no epoch.
  const sound =
    Number.isSafeInteger(read?.epoch) &&
    typeof read?.identity?.id === 'string' &&
    typeof read.values === 'object' &&
    read.values !== null;
  return sound ? (read as EpochLine) : null;
}
