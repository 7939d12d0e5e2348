/** A full disk. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { sleep } from '../command.js';
import type { Fault } from './fault.js';

const block = Buffer.alloc(64 * 1024);

export const disk: Fault = {
  says: 'the disk that holds the studies is full for seconds',
  oracle: 'same',
  draw: (random) => ({ seconds: 2 + random.below(9) }),
  async inject(stage, { seconds }) {
    if (!stage.small) return false;
    const lasts = Number(seconds);
    stage.note(`the disk is full for ${lasts} s`);
    // What trains meanwhile cannot be kept.
    stage.allowOverlap(lasts);
    const filler = path.join(stage.home, 'studies', '.filler');
    const file = openSync(filler, 'a');
    try {
      for (const until = Date.now() + lasts * 1000; Date.now() < until; await sleep(50)) {
        // Whatever others have given back is taken, too, down to the last byte.
        for (let size = block.length; size >= 1;) {
          try {
            if (writeSync(file, block, 0, size) < size) size = Math.floor(size / 2);
          } catch {
            size = Math.floor(size / 2);
          }
        }
      }
    } finally {
      closeSync(file);
      rmSync(filler, { force: true });
    }
    return true;
  },
};
