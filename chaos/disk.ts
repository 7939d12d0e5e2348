/** A small file system for the studies of a round, so that a disk can be full without filling this machine's. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const megabytes = 24;

/** Mounts it; says why not where that is not permitted. */
export function mountSmall(folder: string): string | null {
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
  if (status === 0) return null;
  return `a small file system cannot be mounted: ${error?.message ?? stderr.toString().trim()}`;
}

/** Takes it away again; `keep` leaves its files in the folder below. */
export function unmount(folder: string, keep: boolean): void {
  const copy = keep ? mkdtempSync(path.join(os.tmpdir(), 'everband-chaos-kept-')) : null;
  if (copy) cpSync(folder, copy, { recursive: true });
  const { status, stderr } = spawnSync('umount', [folder]);
  if (status !== 0) throw new Error(`umount ${folder}: ${stderr.toString().trim()}`);
  if (copy) {
    cpSync(copy, folder, { recursive: true });
    rmSync(copy, { recursive: true });
  }
}
