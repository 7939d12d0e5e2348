/**
 * Files of checkpoints: described by size and digest, published by rename. Trainers write beside them, so no link is
 * followed on the way to a file that is read, copied or removed: what lies behind one is not ours.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants, existsSync, lstatSync } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rename, rm, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { PlaceError } from '../trust/places.js';

/** What the name of a file ends with that is not whole yet. */
const begun = '.new';

/** One file of a checkpoint; `path` is relative to the attempt's `files` folder. */
export interface FileDigest {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Digests of a file, or of every file below a folder, in a fixed order, all of them safely on disk. */
export async function describeFiles(root: string, name: string): Promise<FileDigest[]> {
  const names = await inside(root, path.dirname(name), async (folder) => {
    const handle = await openFolder(path.join(folder, path.basename(name))).catch(nullWhenNone);
    if (handle === null) return null;
    try {
      await handle.sync();
      return (await readdir(anchor(handle, path.join(root, name)))).sort();
    } finally {
      await handle.close();
    }
  });
  if (names === null) return [await digestFile(root, name)];
  const below = [];
  for (const child of names) below.push(...(await describeFiles(root, path.join(name, child))));
  return below;
}

/** Calls back with the file, opened for reading. @throws for what is no file, is a link, or is behind one */
async function withFile<T>(root: string, name: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  return inside(root, path.dirname(name), async (folder) => {
    // Without waiting: what was a file may be a pipe by now.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path.join(folder, path.basename(name)), flags).catch((error: unknown) => {
      // A link, and a socket.
      if (['ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw noFile(name);
      throw error;
    });
    try {
      if (!(await file.stat()).isFile()) throw noFile(name);
      return await work(file);
    } finally {
      await file.close();
    }
  });
}

function noFile(name: string): Error {
  return new Error(`${name} is neither a file nor a folder`);
}

async function digestFile(root: string, name: string): Promise<FileDigest> {
  return withFile(root, name, async (file) => {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(1 << 20);
    let size = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
    await file.sync();
    return { path: name, size, sha256: hash.digest('hex') };
  });
}

/** Is every file there, as long as it was and with the same content? */
export async function filesAreIntact(root: string, files: readonly FileDigest[]): Promise<boolean> {
  try {
    for (const known of files) {
      const size = await withFile(root, known.path, async (file) => (await file.stat()).size);
      if (size !== known.size) return false;
      if ((await digestFile(root, known.path)).sha256 !== known.sha256) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Puts the files of a checkpoint below another folder and sees that the same came out. `linked` takes no room: for what
 * nobody writes to.
 */
export async function copyFiles(
  from: string,
  files: readonly FileDigest[],
  to: string,
  linked = false
): Promise<boolean> {
  try {
    for (const { path: name } of files) {
      const target = path.join(to, name);
      await mkdir(path.dirname(target), { recursive: true });
      await inside(from, path.dirname(name), async (folder) => {
        const source = path.join(folder, path.basename(name));
        if (linked && (await tryLink(source, target))) return;
        await withFile(from, name, (file) => copyFile(anchor(file, source), target, constants.COPYFILE_FICLONE));
      });
    }
  } catch (error) {
    // Its trial may have gone on meanwhile and removed it.
    if (isNone(error)) return false;
    throw error;
  }
  return filesAreIntact(to, files);
}

async function tryLink(source: string, target: string): Promise<boolean> {
  return link(source, target).then(
    () => true,
    () => false
  );
}

/** The first part of the way from `root` to `name` below it, `name` included, that is a link; null: there is none. */
export function linkOnTheWay(root: string, name: string): string | null {
  const parts = partsOf(root, name);
  for (let length = 1; length <= parts.length; length++) {
    const part = path.join(...parts.slice(0, length));
    if (lstatSync(path.join(root, part), { throwIfNoEntry: false })?.isSymbolicLink()) return part;
  }
  return null;
}

/**
 * Removes the file or folder `name` below `root`, if it is there. Links are removed, never followed, and nothing at all
 * happens when one leads to `name`: whatever a trainer puts into a study's folder, nothing outside is lost.
 */
export async function removeWithin(root: string, name: string): Promise<void> {
  const parts = partsOf(root, name);
  const last = parts.pop();
  if (last === undefined) throw new Error(`"${name}" is ${root} itself`);
  await within(root, parts, (folder) => removeEntry(folder, last)).catch(nullWhenNone);
}

async function removeEntry(folder: string, name: string): Promise<void> {
  const entry = path.join(folder, name);
  const handle = await openFolder(entry).catch(nullWhenNone);
  if (handle === null) return void (await unlink(entry).catch(nullWhenNone));
  try {
    const opened = anchor(handle, entry);
    for (const child of await readdir(opened)) await removeEntry(opened, child);
  } finally {
    await handle.close();
  }
  await rmdir(entry).catch(nullWhenNone);
}

/** Calls back with a path of the folder `name` below `root`; `root` itself is no link either. */
async function inside<T>(root: string, name: string, work: (folder: string) => Promise<T>): Promise<T> {
  return within(path.dirname(root), [path.basename(root), ...partsOf(root, name)], work);
}

/** Goes down from `root`, through folders alone, and calls back with a path of the last one. @throws as `openFolder` */
async function within<T>(
  root: string,
  [part, ...rest]: readonly string[],
  work: (folder: string) => Promise<T>
): Promise<T> {
  if (part === undefined) return work(root);
  const folder = path.join(root, part);
  const handle = await openFolder(folder);
  try {
    return await within(anchor(handle, folder), rest, work);
  } finally {
    await handle.close();
  }
}

const descriptors = '/proc/self/fd';
const hasDescriptors = existsSync(descriptors);

/** On Linux a path that leads to what is open even when something else has taken its place; elsewhere just its path. */
function anchor(handle: FileHandle, name: string): string {
  return hasDescriptors ? `${descriptors}/${handle.fd}` : name;
}

/** @throws ENOENT; ENOTDIR or ELOOP for what is no folder, or a link */
async function openFolder(folder: string): Promise<FileHandle> {
  return open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

function partsOf(root: string, name: string): string[] {
  const parts = name.split(path.sep).filter((part) => part !== '' && part !== '.');
  if (path.isAbsolute(name) || parts.includes('..')) throw new PlaceError(`"${name}" is not inside ${root}`);
  return parts;
}

function nullWhenNone(error: unknown): null {
  if (isNone(error)) return null;
  throw error;
}

/** Nothing of that name, or no folder. */
function isNone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Writes a file whole or not at all, and so that it survives a power cut. */
export async function writeWhole(file: string, text: string): Promise<void> {
  // Two processes may write the same file at once: the last one has it, whole.
  const temporary = `${file}.${randomUUID()}${begun}`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    // A full disk is not to be filled with what did not fit.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(path.dirname(file));
}

/** Removes what writers have left in these folders that were killed before their file was whole. */
export async function removeBegun(root: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const names = await readdir(path.join(root, folder)).catch(() => []);
    for (const name of names) if (name.endsWith(begun)) await removeWithin(root, path.join(folder, name));
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
