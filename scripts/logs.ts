/** A trial's log on standard output. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../cluster/errors.js';
import { stateDir } from '../cluster/state.js';
import { studyFolder } from '../trainers/identity.js';
import { logFiles } from '../trainers/trial-log.js';
import { harmless } from './terminal.js';

/** How far the log has been printed: up to this byte of this file. */
interface Place {
  readonly inode: number;
  readonly seen: number;
}

/** Prints it whole and goes on as it grows. Never returns with `follow`. @throws CliError when there is no log */
export async function printLog(name: string, trial: string, follow: boolean): Promise<void> {
  const folder = studyFolder(stateDir(), name);
  if (logFiles(folder, trial).length === 0)
    throw new CliError(
      `there is no log of trial ${trial} of ${name} here (${path.join(folder, 'logs', `${trial}.log`)}). Fix: run this where the trial's worker runs; \`everband trials ${name}\` lists the trials.`
    );
  const decoder = new StringDecoder('utf8');
  let place: Place | null = null;
  do {
    place = await printFrom(logFiles(folder, trial), place, (bytes) => print(decoder.write(bytes)));
  } while (follow && (await sleep(500, true)));
  await print(decoder.end());
}

/** Prints what comes after a place, over all files from the one that it is in; all of them when that one is gone. */
async function printFrom(
  files: readonly string[],
  place: Place | null,
  print: (bytes: Buffer) => Promise<void>
): Promise<Place | null> {
  const handles = [];
  try {
    // Opened before any is read: a file may be moved meanwhile.
    for (const file of files) handles.push(await open(file));
    const inodes = await Promise.all(handles.map(async (handle) => (await handle.stat()).ino));
    const first = Math.max(0, place ? inodes.indexOf(place.inode) : 0);
    for (const [index, handle] of handles.entries()) {
      const inode = inodes[index] as number;
      if (index < first) continue;
      let seen = place?.inode === inode ? place.seen : 0;
      const buffer = Buffer.alloc(1 << 16);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, seen);
        if (bytesRead === 0) break;
        await print(buffer.subarray(0, bytesRead));
        seen += bytesRead;
      }
      place = { inode, seen };
    }
    return place;
  } catch (error) {
    // Moved between two looks: the next look finds it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return place;
    throw error;
  } finally {
    for (const handle of handles) await handle.close();
  }
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(harmless(text))) await new Promise((resolve) => process.stdout.once('drain', resolve));
}
