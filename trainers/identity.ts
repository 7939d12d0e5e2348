/**
 * Which study a folder belongs to: `<state>/studies/<study>/identity.json`. A name may be used again, and a worker that
 * was frozen meanwhile must not write into the new study: who trains enters the study first, and looks again before
 * every write.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { StudyIdentity } from '../workflows/messages.js';
import { within } from '../trust/places.js';
import { writeWhole } from './checkpoint-files.js';

/** Whose the folder is. */
interface Ownership extends StudyIdentity {
  /** When the server scheduled the activity that said so, or started the study; ms since 1970. */
  readonly since: number;
}

/** This attempt must not go on: a newer one trains the trial, or the study is another one by now. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** The folder of a study's checkpoints, logs and records. @throws {PlaceError} for a name that leads elsewhere */
export function studyFolder(stateDir: string, study: string): string {
  return within(stateDir, 'studies', study);
}

/** Whose the folder is; null where nobody has entered it. */
export function readIdentity(folder: string): StudyIdentity | null {
  return readOwnership(folder);
}

/**
 * Takes the folder for this study. Of two ids, the one that the server spoke of later has it: what a deleted study asked
 * for was scheduled before a new one of its name began.
 *
 * @throws {FencedError} for an id that was replaced, and for an incarnation that was recovered from
 */
export async function enterStudy(folder: string, identity: StudyIdentity, since: number): Promise<void> {
  const owner = readOwnership(folder);
  if (owner && isSuperseded(owner, identity)) {
    if (owner.id === identity.id || since <= owner.since) throw superseded(owner, identity);
  } else if (owner?.incarnation === identity.incarnation) return;
  await mkdir(folder, { recursive: true });
  const { id, incarnation } = identity;
  const ownership: Ownership = { id, incarnation, since };
  await writeWhole(path.join(folder, 'identity.json'), JSON.stringify(ownership));
}

/** @throws {FencedError} when the folder belongs to another study or to a later incarnation */
export function requireCurrent(folder: string, identity: StudyIdentity): void {
  const owner = readOwnership(folder);
  if (owner && isSuperseded(owner, identity)) throw superseded(owner, identity);
}

function isSuperseded(owner: Ownership, identity: StudyIdentity): boolean {
  return owner.id !== identity.id || owner.incarnation > identity.incarnation;
}

function superseded(owner: Ownership, identity: StudyIdentity): FencedError {
  return new FencedError(
    `the study of this name is ${describe(owner)} by now; this attempt belongs to ${describe(identity)} and must not go on`
  );
}

function describe({ id, incarnation }: StudyIdentity): string {
  return `${id} (incarnation ${incarnation})`;
}

function readOwnership(folder: string): Ownership | null {
  try {
    return JSON.parse(readFileSync(path.join(folder, 'identity.json'), 'utf8')) as Ownership;
  } catch {
    return null;
  }
}
