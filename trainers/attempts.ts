/**
 * The layout of checkpoints, the same for workers in TypeScript and in Python (python/everband/attempts.py; both are held
 * to test/fixtures/checkpoints). Every attempt has a folder `<state>/studies/<study>/checkpoints/<trial>/a<claim>-<study
 * id's digest>.<incarnation>/`, so that one of another study of the same name cannot even find it:
 *
 * - `claim.json`: what the attempt started from. `released`: it ended in an orderly way.
 * - `files/`: where its trainer writes.
 * - `manifest.jsonl`: the values of the epochs so far and the last two checkpoints; a second line holds its digest.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Curve } from '../core/curve.js';
import { canonicalJson } from '../core/record.js';
import type { NonFinite, Trial } from '../core/trial.js';
import type { SegmentSource, StudyIdentity } from '../workflows/messages.js';
import { within } from '../trust/places.js';
import { writeWhole, type FileDigest } from './checkpoint-files.js';
import { studyFolder } from './identity.js';

/** State after an epoch. `name` is relative to the attempt's `files` folder. */
export interface SavedCheckpoint {
  readonly epoch: number;
  readonly name: string;
  readonly files: readonly FileDigest[];
}

/** Where a line of training left its trial's own: at epoch `from`, from a copy of another checkpoint. */
export interface Branch extends SegmentSource {
  readonly from: number;
}

/** The curve is that of epochs 1 ... n, with a source of those after its `from`; exactly as first reported. */
export interface Manifest extends Curve {
  readonly identity: StudyIdentity;
  readonly configHash: string;
  readonly source: Branch | null;
  /** The epoch after the last of `values` diverged. */
  readonly nonFinite: NonFinite | null;
  /** At most two, older first. */
  readonly checkpoints: readonly SavedCheckpoint[];
}

export interface ClaimNote {
  readonly identity: StudyIdentity;
  /** The last epoch known when the attempt began. */
  readonly resume: number;
  /** Which reset the attempt belongs to; attempts of another one do not exist for it. */
  readonly reset: number | null;
  /** Whether no other trial has trained in the same worker beside it; absent, of an earlier version: it counts as alone. */
  readonly alone?: boolean;
}

/** An attempt's folder, by its name alone. */
export interface AttemptFolder {
  readonly path: string;
  readonly claim: number;
  readonly incarnation: number;
}

export interface Attempt extends AttemptFolder {
  readonly note: Omit<ClaimNote, 'identity'>;
  readonly released: boolean;
  readonly manifest: Manifest | null;
}

/** Which trial of which study, and where. */
export interface TrialPlace {
  readonly stateDir: string;
  readonly study: string;
  readonly identity: StudyIdentity;
}

/** Folder of a trial's attempts. @throws {PlaceError} for a name that leads elsewhere */
export function checkpointFolder(stateDir: string, study: string, trialId: string): string {
  return within(studyFolder(stateDir, study), 'checkpoints', trialId);
}

/** Tells one study from another in a folder's name. */
export function studyDigest(id: string): string {
  return sha256(id).slice(0, 12);
}

export function attemptName(claim: number, identity: StudyIdentity): string {
  return `a${claim}-${studyDigest(identity.id)}.${identity.incarnation}`;
}

/** The attempts of this study, oldest first: a later incarnation's come after all of an earlier one. */
export function readFolders(root: string, identity: StudyIdentity): AttemptFolder[] {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch {
    return [];
  }
  const digest = studyDigest(identity.id);
  return names
    .flatMap((name) => {
      const [, claim, owner, incarnation] = /^a(\d+)-([0-9a-f]{12})\.(\d+)$/.exec(name) ?? [];
      if (owner !== digest) return [];
      return { path: path.join(root, name), claim: Number(claim), incarnation: Number(incarnation) };
    })
    .sort(byAge);
}

/** Negative when `one` is the older. */
export function byAge(one: Omit<AttemptFolder, 'path'>, other: Omit<AttemptFolder, 'path'>): number {
  return one.incarnation - other.incarnation || one.claim - other.claim;
}

/** What `readFolders` finds, with its contents. */
export function readAttempts(root: string, identity: StudyIdentity): Attempt[] {
  let before: Attempt['note'] = { resume: 0, reset: null };
  return readFolders(root, identity).map((folder) => {
    // One that ended before it wrote its note must not bring back what a reset forgot.
    const note = (before = readNote(path.join(folder.path, 'claim.json')) ?? before);
    const manifest = readManifest(path.join(folder.path, 'manifest.jsonl'));
    const ours = manifest?.identity.id === identity.id;
    const released = existsSync(path.join(folder.path, 'released'));
    return { ...folder, note, released, manifest: ours ? manifest : null };
  });
}

export async function writeNote(folder: string, note: ClaimNote): Promise<void> {
  await writeWhole(path.join(folder, 'claim.json'), JSON.stringify(note));
}

/** A digest over its bytes goes with it: a curve cut short or altered must not pass for the truth. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = JSON.stringify(manifest);
  await writeWhole(path.join(folder, 'manifest.jsonl'), `${text}\n${JSON.stringify({ sha256: sha256(text) })}\n`);
}

interface Trained {
  readonly trial: Pick<Trial, 'config' | 'seed'>;
  readonly metric: string;
  readonly metrics?: readonly string[] | undefined;
}

/** What must be the same for a checkpoint to be of use. */
export function configHashOf({ trial: { config, seed }, metric, metrics = [] }: Trained): string {
  return sha256(canonicalJson({ config, seed, metric, ...(metrics.length > 0 ? { metrics } : {}) }));
}

/** The epoch before the first of a manifest's values. */
export function baseOf(manifest: Pick<Manifest, 'source'>): number {
  return manifest.source?.from ?? 0;
}

function readManifest(file: string): Manifest | null {
  try {
    const [text = '', seal = ''] = readFileSync(file, 'utf8').split('\n');
    return (JSON.parse(seal) as { sha256: string }).sha256 === sha256(text) ? (JSON.parse(text) as Manifest) : null;
  } catch {
    return null;
  }
}

/** Null for one that is not there, or is none. */
function readNote(file: string): ClaimNote | null {
  try {
    const note = JSON.parse(readFileSync(file, 'utf8')) as Partial<ClaimNote> | null;
    const sound = Number.isSafeInteger(note?.resume) && (note?.reset === null || Number.isFinite(note?.reset));
    return sound ? (note as ClaimNote) : null;
  } catch {
    return null;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
