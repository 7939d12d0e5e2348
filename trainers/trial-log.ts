/**
 * A trial's log, over all its attempts: `<study>/logs/<trial>.log`, and `<trial>.log.1` with what came before. Of what was
 * said before that, and of what could not be written, the log says how much it was. It never keeps a trainer waiting for
 * long: what a disk does not take within a second is dropped.
 */
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { open, rename, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { within as placeWithin } from '../trust/places.js';

export interface TrialLogOptions {
  /** Bytes of each of the two files. */
  readonly fileBytes?: number;
}

/** Bytes that wait for the disk before trainers are made to wait as well. */
const waitingBytes = 1 << 20;
/** Bytes that wait at most: what has been read already has a place. */
const mostBytes = 4 << 20;
/** Bytes of a line that is cut rather than leave a file short of it. */
const longLine = 1 << 16;
/** Milliseconds that a trainer waits for its log at most. */
const patience = 1000;

/** A log as it is written. */
export class TrialLog {
  private readonly file: string;
  private readonly fileBytes: number;
  private waiting: Buffer[] = [];
  private size = 0;
  private dropped = 0;
  private handle: FileHandle | null = null;
  private writing: Promise<void> | null = null;
  /** The disk has not taken anything for longer than a trainer should wait. */
  private stuck = false;

  constructor(folder: string, trial: string, { fileBytes = 8 << 20 }: TrialLogOptions = {}) {
    this.file = logFile(folder, trial);
    this.fileBytes = fileBytes;
    try {
      mkdirSync(path.dirname(this.file), { recursive: true });
    } catch {
      // Every write will say so, and a trial does not end for the sake of its log.
    }
  }

  /** Takes text to be written; what nothing can be done with is dropped and counted. */
  write(text: string | Buffer): void {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    if (this.size + bytes.length > mostBytes) {
      this.dropped += bytes.length;
      return;
    }
    this.waiting.push(bytes);
    this.size += bytes.length;
    this.writing ??= this.begin();
  }

  /** Who writes should wait for `room`. */
  get full(): boolean {
    return this.size > waitingBytes && !this.stuck;
  }

  /** Resolves when there is room again, and after a second in any case. */
  async room(): Promise<void> {
    this.stuck = !(await within(patience, this.writing));
  }

  /** Resolves when all is written, or after a second in which it was not. */
  async close(): Promise<void> {
    const done = (async () => {
      while (this.writing) await this.writing;
      if (this.dropped > 0) await this.append([]);
      await this.handle?.close();
    })().catch(() => {});
    await within(patience, done);
  }

  private begin(): Promise<void> {
    return this.drain().finally(() => {
      // What came after the last look.
      this.writing = this.waiting.length > 0 ? this.begin() : null;
    });
  }

  private async drain(): Promise<void> {
    // A turn later, so that what is said at once is written at once.
    await null;
    while (this.waiting.length > 0) {
      const [all, size] = [this.waiting, this.size];
      this.waiting = [];
      try {
        await this.append(all);
      } catch {
        this.dropped += size;
        // A disk that is full, or a folder that is gone, may be there again.
        await this.handle?.close().catch(() => {});
        this.handle = null;
      }
      this.size -= size;
    }
    this.stuck = false;
  }

  private async append(parts: readonly Buffer[]): Promise<void> {
    const lost = this.dropped;
    const note = lost === 0 ? [] : [Buffer.from(`\n--- ${lost} bytes could not be written to this log\n`)];
    const bytes = Buffer.concat([...note, ...parts]);
    for (let start = 0; start < bytes.length;) {
      this.handle ??= await open(this.file, 'a');
      // Another worker may write the same log.
      const room = this.fileBytes - (await this.handle.stat()).size;
      const end = endOfPart(bytes, start, room, Math.min(longLine, this.fileBytes / 2));
      if (end > start) await this.handle.appendFile(bytes.subarray(start, end));
      else await this.rotate();
      start = end;
    }
    this.dropped -= lost;
  }

  /** Another worker that writes the same log may have been faster: then the new file is taken as it is. */
  private async rotate(): Promise<void> {
    const own = await this.handle?.stat();
    await this.handle?.close();
    this.handle = null;
    const before = droppedBefore(this.file) + sizeOf(`${this.file}.1`);
    if (own?.ino === inodeOf(this.file)) await rename(this.file, `${this.file}.1`);
    this.handle = await open(this.file, 'a');
    if ((await this.handle.stat()).size > 0) return;
    const gone = before === 0 ? '' : `; ${before} bytes before that file are gone`;
    await this.handle.appendFile(`${headOf(path.basename(this.file))}${gone}\n`);
  }
}

/** Where to cut what a file takes: at the end of a line, or within one that is `long`; at `start` when nothing fits. */
function endOfPart(bytes: Buffer, start: number, room: number, long: number): number {
  if (room >= bytes.length - start) return bytes.length;
  if (room <= 0) return start;
  const line = bytes.lastIndexOf(0x0a, start + room - 1) + 1;
  if (line > start) return line;
  const next = bytes.indexOf(0x0a, start);
  return (next < 0 ? bytes.length : next) - start < long ? start : start + room;
}

/** The files of a trial's log that there are, older first. */
export function logFiles(folder: string, trial: string): string[] {
  const file = logFile(folder, trial);
  return [`${file}.1`, file].filter((one) => inodeOf(one) !== null);
}

function logFile(folder: string, trial: string): string {
  return placeWithin(folder, 'logs', `${trial}.log`);
}

function headOf(name: string): string {
  return `--- this log goes on from ${name}.1`;
}

/** How much was dropped before a file's predecessor, by its first line. */
function droppedBefore(file: string): number {
  const bytes = Buffer.alloc(400);
  const descriptor = openSync(file, 'r');
  try {
    const text = bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, 0));
    if (!text.startsWith(headOf(path.basename(file)))) return 0;
    return Number(/; (\d+) bytes before/.exec(text.split('\n')[0] ?? '')?.[1] ?? 0);
  } finally {
    closeSync(descriptor);
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function inodeOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.ino ?? null;
}

/** Whether it came to its end in that time. */
async function within(milliseconds: number, work: Promise<unknown> | null): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  try {
    return await Promise.race([Promise.resolve(work).then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
