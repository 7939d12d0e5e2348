/**
 * Checkpoints that are kept for other trials to start from, in `<state>/studies/<study>/held/<trial>/e<epoch>-<study id's
 * digest>/`: out of the way of the trial's own attempts, which remove what they need no more.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { checkpointFolder, readAttempts, studyDigest, type SavedCheckpoint, type TrialPlace } from './attempts.js';
import { copyFiles, filesAreIntact, removeWithin, writeWhole } from './checkpoint-files.js';
import { within } from '../trust/places.js';
import { studyFolder } from './identity.js';

/** A checkpoint that a trainer named, or that a trial was to start from, cannot be used. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** A checkpoint and the folder that its files' names are relative to. */
export type FoundCheckpoint = SavedCheckpoint & { readonly root: string };

/**
 * Keeps the trial's checkpoint of exactly this epoch until it is released; done before, nothing happens.
 *
 * @throws {CheckpointError} when there is none that is intact
 */
export async function holdCheckpoint(place: TrialPlace, trial: string, epoch: number): Promise<void> {
  const folder = heldFolder(place, trial, epoch);
  if (existsSync(folder)) return;
  const found = await findCheckpoint(place, trial, epoch);
  const temporary = `${folder}.${randomUUID()}.new`;
  try {
    if (!found || !(await copyFiles(found.root, found.files, path.join(temporary, 'files'), true))) {
      throw new CheckpointError(
        `the checkpoint of epoch ${epoch} of trial ${trial} is to be kept for others, and there is none that is intact: ` +
          'its trainer must report one at this epoch'
      );
    }
    const { name, files } = found;
    await mkdir(temporary, { recursive: true });
    await writeWhole(path.join(temporary, 'checkpoint.json'), JSON.stringify({ epoch, name, files }));
    await rename(temporary, folder);
  } catch (error) {
    await removeWithin(path.dirname(folder), path.basename(temporary));
    // Another attempt was faster.
    if (!existsSync(folder)) throw error;
  }
}

/** Whether the trial's checkpoint of this epoch is held. */
export function isHeld(place: TrialPlace, trial: string, epoch: number): boolean {
  return existsSync(heldFolder(place, trial, epoch));
}

/** Gives up a checkpoint that was held. */
export async function releaseCheckpoint(place: TrialPlace, trial: string, epoch: number): Promise<void> {
  const folder = studyFolder(place.stateDir, place.study);
  await removeWithin(folder, path.relative(folder, heldFolder(place, trial, epoch)));
}

/** Gives up all that were held: the study is over. */
export async function releaseStudy(stateDir: string, study: string): Promise<void> {
  await removeWithin(studyFolder(stateDir, study), 'held');
}

/** An intact checkpoint of the trial of exactly this epoch: a held one, else one of its newest attempts. */
export async function findCheckpoint(place: TrialPlace, trial: string, epoch: number): Promise<FoundCheckpoint | null> {
  const candidates: FoundCheckpoint[] = [];
  const held = readHeld(heldFolder(place, trial, epoch));
  if (held) candidates.push(held);
  const attempts = readAttempts(checkpointFolder(place.stateDir, place.study, trial), place.identity);
  for (const { path: folder, manifest } of attempts.reverse()) {
    // Up to where it left its trial's own line, it has another trial's state.
    if (manifest === null || (manifest.source && epoch <= manifest.source.from)) continue;
    for (const checkpoint of manifest.checkpoints) {
      if (checkpoint.epoch === epoch) candidates.push({ ...checkpoint, root: path.join(folder, 'files') });
    }
  }
  for (const candidate of candidates) {
    if (await filesAreIntact(candidate.root, candidate.files)) return candidate;
  }
  return null;
}

function heldFolder({ stateDir, study, identity }: TrialPlace, trial: string, epoch: number): string {
  return within(studyFolder(stateDir, study), 'held', trial, `e${epoch}-${studyDigest(identity.id)}`);
}

function readHeld(folder: string): FoundCheckpoint | null {
  try {
    const checkpoint = JSON.parse(readFileSync(path.join(folder, 'checkpoint.json'), 'utf8')) as SavedCheckpoint;
    return { ...checkpoint, root: path.join(folder, 'files') };
  } catch {
    return null;
  }
}
