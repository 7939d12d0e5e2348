/**
 * Digests of the files of a record, as they travel from run to run of a study: the digests of many files are a file of
 * the record themselves, whose digest stands for all of them.
 */
import { fileNames } from './file-names.js';

/** By the name of the file: of everything that was recorded, or of files that hold the digests of others. */
export type Digests = Readonly<Record<string, string>>;

/** Digests that travel one by one: about 90 bytes each. */
const maxLoose = 1000;

const blockName = /^digests-\d+\.json$/;

/** Whether a file holds the digests of others. */
export function isDigestBlock(name: string): boolean {
  return blockName.test(name);
}

/** The file that the digests of others are to be written to; null where they are few enough to travel. */
export function digestBlockOf(all: Digests): { readonly name: string; readonly digests: Digests } | null {
  const loose = Object.entries(all).filter(([name]) => !isDigestBlock(name));
  if (loose.length <= maxLoose) return null;
  const blocks = Object.keys(all).length - loose.length;
  return { name: fileNames.digests(blocks), digests: Object.fromEntries(loose) };
}
