/** Files of checkpoints: described by size and digest, published by rename. */
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

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
  const full = path.join(root, name);
  const stat = await lstat(full);
  if (stat.isDirectory()) {
    const names = (await readdir(full)).sort();
    const below = [];
    for (const child of names) below.push(...(await describeFiles(root, path.join(name, child))));
    await syncFolder(full);
    return below;
  }
  // Something that points elsewhere would not be covered by the digest.
  if (!stat.isFile()) throw new Error(`${name} is neither a file nor a folder`);
  return [await digestFile(root, name)];
}

async function digestFile(root: string, name: string): Promise<FileDigest> {
  const file = await open(path.join(root, name), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
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
  } finally {
    await file.close();
  }
}

/** Is every file there, as long as it was and with the same content? */
export async function filesAreIntact(root: string, files: readonly FileDigest[]): Promise<boolean> {
  try {
    for (const known of files) {
      const stat = await lstat(path.join(root, known.path));
      if (!stat.isFile() || stat.size !== known.size) return false;
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
      const [source, target] = [path.join(from, name), path.join(to, name)];
      await mkdir(path.dirname(target), { recursive: true });
      if (!linked || !(await tryLink(source, target))) await copyFile(source, target, constants.COPYFILE_FICLONE);
    }
  } catch (error) {
    // Its trial may have gone on meanwhile and removed it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
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
export async function removeBegun(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) if (name.endsWith(begun)) await rm(path.join(folder, name), { force: true });
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
