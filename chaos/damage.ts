/** Files that are cut, flipped or removed. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

export const damages = ['cut', 'flipped', 'removed'] as const;
export type Damage = (typeof damages)[number];

/** `at`: where in the file, from 0 to 1. */
export function damage(file: string, how: Damage, at: number): void {
  if (how === 'removed') return rmSync(file, { force: true });
  const bytes = readFileSync(file);
  const place = Math.floor(bytes.length * at);
  if (how === 'cut') return writeFileSync(file, bytes.subarray(0, place));
  const there = Math.min(place, bytes.length - 1);
  if (there >= 0) bytes[there] = (bytes[there] as number) ^ 1;
  writeFileSync(file, bytes);
}
