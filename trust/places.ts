/** Places below a folder, and nowhere else: no name leads out of it, and no symbolic link. */
import { lstatSync } from 'node:fs';
import path from 'node:path';

/** A name that cannot be one, or a place that leads out of the folder it belongs to. */
export class PlaceError extends Error {
  override readonly name = 'PlaceError';
}

/** Names that become those of files and folders. */
export const placeName = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;

/** @throws {PlaceError} */
export function requirePlaceName(name: unknown): void {
  if (typeof name === 'string' && placeName.test(name)) return;
  throw new PlaceError(`${JSON.stringify(name)} cannot be the name of a file or folder`);
}

/**
 * The place `names` below `root`, which may itself be a symbolic link.
 * @throws {PlaceError} for a name that is none, and where one of the folders is a link
 */
export function within(root: string, ...names: readonly string[]): string {
  let place = root;
  for (const name of names) {
    requirePlaceName(name);
    place = path.join(place, name);
    if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new PlaceError(
        `${place} is a symbolic link, and what Everband writes and removes is below ${root} itself. Fix: put a folder in its ` +
          'place, or set EVERBAND_HOME to the folder that all of it is to be in'
      );
    }
  }
  return place;
}
