/** Files that nobody else may read, and folders that nobody else may write to. */
import { randomUUID } from 'node:crypto';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';

/** Written whole or not at all. */
export function writePrivate(file: string, text: string): void {
  const temporary = `${file}.${randomUUID()}.new`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Why a place is not this user's alone, as the end of a sentence; null when it is. `mask`: permissions that nobody else may have. */
export function openness(place: string, mask: 0o077 | 0o022): string | null {
  if (!process.getuid) return null;
  const { mode, uid } = statSync(place);
  const own = process.getuid();
  // Root may read everything anyway: in a container a mounted file has the uid of whoever owns it outside.
  if (own !== 0 && uid !== own && uid !== 0) {
    return `${place} belongs to another user (uid ${uid}). Fix: use one of your own`;
  }
  // In a folder such as /tmp nobody can replace what is another's.
  const sticky = mask === 0o022 && (mode & 0o1000) !== 0;
  if ((mode & mask) === 0 || sticky) return null;
  return (
    `${place} is open to other users (mode ${(mode & 0o777).toString(8)}). ` +
    `Fix: chmod ${mask === 0o077 ? 'go-rwx' : 'go-w'} ${place}`
  );
}
