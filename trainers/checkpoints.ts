/**
 * Checkpoints of trials, safe without locks when two attempts train the same trial: every attempt writes into a folder
 * of its own, `<state>/studies/<study>/checkpoints/<trial>/a<claim>/`, and the highest claim is the one that counts.
 *
 * - `claim.json`: what the attempt started from. `released`: it ended in an orderly way.
 * - `files/`: where its trainer writes.
 * - `manifest.json`: the values of all epochs so far and the last two checkpoints with their digests.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { canonicalJson } from '../core/record.js';
import type { NonFinite, Trial } from '../core/trial.js';
import { describeFiles, filesAreIntact, writeWhole, type FileDigest } from './checkpoint-files.js';

/** State after an epoch. `name` is relative to the attempt's `files` folder. */
interface SavedCheckpoint {
  readonly epoch: number;
  readonly name: string;
  readonly files: readonly FileDigest[];
}

interface Manifest {
  readonly configHash: string;
  /** Values of epochs 1 ... n, exactly as first reported. */
  readonly values: readonly number[];
  /** The epoch after the last of `values` diverged. */
  readonly nonFinite: NonFinite | null;
  /** At most two, older first. */
  readonly checkpoints: readonly SavedCheckpoint[];
}

interface ClaimNote {
  /** Number of values known when the attempt began. */
  readonly resume: number;
  /** Which reset the attempt belongs to; attempts of another one do not exist for it. */
  readonly reset: number | null;
}

interface Attempt {
  readonly claim: number;
  readonly folder: string;
  readonly note: ClaimNote;
  readonly released: boolean;
  readonly manifest: Manifest | null;
}

/** What is known of a trial. */
export interface KnownValues {
  readonly values: readonly number[];
  readonly nonFinite: NonFinite | null;
}

/** A newer attempt trains this trial; this one must not go on. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** Too many attempts in a row were lost without a new epoch. */
export class TooManyLossesError extends Error {
  override readonly name = 'TooManyLossesError';
}

/** A trainer named a checkpoint that cannot be used. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** Which trial, and where. `reset` as in the activity's input. */
export interface CheckpointScope {
  readonly stateDir: string;
  readonly study: string;
  readonly trial: Pick<Trial, 'id' | 'config' | 'seed'>;
  readonly metric: string;
  readonly reset?: number | undefined;
}

/** Folder of a trial's attempts. */
export function checkpointFolder(stateDir: string, study: string, trialId: string): string {
  return path.join(stateDir, 'studies', study, 'checkpoints', trialId);
}

/** Forgets everything about these trials. */
export async function removeCheckpoints(stateDir: string, study: string, trialIds: readonly string[]): Promise<void> {
  for (const id of trialIds) await rm(checkpointFolder(stateDir, study, id), { recursive: true, force: true });
}

/** The newest checkpoint on record, without looking into its files; null when there is none. */
export function checkpointOf(stateDir: string, study: string, trialId: string): { epoch: number; path: string } | null {
  const attempts = readAttempts(checkpointFolder(stateDir, study, trialId));
  const reset = attempts.at(-1)?.note.reset ?? null;
  let newest: { epoch: number; path: string } | null = null;
  for (const { folder, manifest, note } of attempts) {
    if (note.reset !== reset) continue;
    for (const { epoch, name } of manifest?.checkpoints ?? []) {
      const file = path.join(folder, 'files', name);
      if (epoch >= (newest?.epoch ?? 0) && existsSync(file)) newest = { epoch, path: file };
    }
  }
  return newest;
}

/** What earlier attempts found out, without starting one. */
export function readKnown(scope: CheckpointScope): KnownValues {
  return knownOf(attemptsThatCount(scope).attempts, hashOf(scope));
}

/** Begins an attempt: takes the next number and finds out where to go on. */
export async function claimTrial(scope: CheckpointScope, maxLosses: number): Promise<TrialClaim> {
  const root = checkpointFolder(scope.stateDir, scope.study, scope.trial.id);
  await mkdir(root, { recursive: true });
  const configHash = hashOf(scope);
  for (;;) {
    const { attempts, reset } = attemptsThatCount(scope);
    const claim = Math.max(0, ...readClaims(root)) + 1;
    const folder = path.join(root, `a${claim}`);
    try {
      await mkdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    // The number may have been free again because a newer attempt cleared up.
    if (Math.max(...readClaims(root)) > claim) {
      await rm(folder, { recursive: true, force: true });
      continue;
    }
    const known = knownOf(attempts, configHash);
    await mkdir(path.join(folder, 'files'));
    const note: ClaimNote = { resume: known.values.length, reset };
    await writeWhole(path.join(folder, 'claim.json'), JSON.stringify(note));
    const losses = countLosses(attempts);
    const start = await newestIntact(attempts, configHash, known.values);
    const trialClaim = new TrialClaim({ root, folder, claim, configHash, known, start });
    if (losses >= maxLosses) {
      // The next attempt, asked for by somebody, counts from here.
      await trialClaim.release();
      throw new TooManyLossesError(`lost its worker ${losses} times in a row without a new epoch`);
    }
    return trialClaim;
  }
}

/** Where an attempt starts from. */
interface Start {
  readonly epoch: number;
  /** Absolute. */
  readonly path: string;
}

interface ClaimOptions {
  readonly root: string;
  readonly folder: string;
  readonly claim: number;
  readonly configHash: string;
  readonly known: KnownValues;
  readonly start: Start | null;
}

/** One attempt at a trial. */
export class TrialClaim {
  readonly claim: number;
  /** The checkpoint to resume from, or null: from nothing. */
  readonly start: Start | null;
  /** Absolute folder for the trainer's files. */
  readonly filesFolder: string;
  private readonly values: number[];
  private nonFinite: NonFinite | null;
  private readonly resumed: number;
  private recorded: { epoch: number; name: string; files: FileDigest[] | null }[] = [];
  private readonly names = new Set<string>();
  private dropped: string[] = [];
  private dirty = false;
  private releasable = true;

  constructor(private readonly options: ClaimOptions) {
    this.claim = options.claim;
    this.start = options.start;
    this.filesFolder = path.join(options.folder, 'files');
    this.values = [...options.known.values];
    this.nonFinite = options.known.nonFinite;
    this.resumed = this.values.length;
  }

  /** Values and divergence as known now. */
  get known(): KnownValues {
    return { values: this.values, nonFinite: this.nonFinite };
  }

  /** Is there a newer attempt? */
  isFenced(): boolean {
    const claims = readClaims(this.options.root);
    return !claims.includes(this.claim) || Math.max(...claims) > this.claim;
  }

  /** Takes a finished epoch into the curve; one already in it keeps its first value. `publish` makes it last. */
  record(epoch: number, value: number, checkpoint: string | null): void {
    if (epoch === this.values.length + 1) {
      this.values.push(value);
      this.dirty = true;
    }
    if (checkpoint !== null) this.recordCheckpoint(epoch, checkpoint);
  }

  /** The epoch after the last known one has no finite value: the trial ends there. */
  recordDivergence(nonFinite: NonFinite): void {
    this.nonFinite = nonFinite;
    this.dirty = true;
  }

  /** Writes the manifest if there is news. @throws FencedError when a newer attempt has begun */
  async publish(): Promise<void> {
    if (!this.dirty) return;
    if (this.isFenced()) throw this.fenced();
    const checkpoints: SavedCheckpoint[] = [];
    for (const entry of this.recorded) {
      entry.files ??= await this.describe(entry.name);
      checkpoints.push({ epoch: entry.epoch, name: entry.name, files: entry.files });
    }
    const { configHash, folder } = this.options;
    const manifest: Manifest = { configHash, values: this.values, nonFinite: this.nonFinite, checkpoints };
    try {
      await writeWhole(path.join(folder, 'manifest.json'), sealManifest(manifest));
    } catch (error) {
      // A newer attempt has published and cleared up.
      if (this.isFenced()) throw this.fenced();
      throw error;
    }
    this.dirty = false;
    await this.clearUp();
  }

  /** Marks an orderly end: not a loss. */
  async release(): Promise<void> {
    if (!this.releasable) return;
    this.releasable = false;
    await writeFile(path.join(this.options.folder, 'released'), '').catch(() => {});
  }

  private fenced(): FencedError {
    return new FencedError(`attempt ${this.claim} was overtaken by a newer one`);
  }

  private recordCheckpoint(epoch: number, checkpoint: string): void {
    const name = path.relative(this.filesFolder, path.resolve(this.filesFolder, checkpoint));
    if (name === '' || name === '..' || name.startsWith(`..${path.sep}`)) {
      throw new CheckpointError(`checkpoint "${checkpoint}" is not inside checkpointDir`);
    }
    if (this.names.has(name)) {
      throw new CheckpointError(
        `checkpoint "${checkpoint}" was reported before; every checkpoint needs a name of its own`
      );
    }
    if (!existsSync(path.join(this.filesFolder, name))) {
      if (this.isFenced()) throw this.fenced();
      throw new CheckpointError(`checkpoint "${checkpoint}" does not exist in checkpointDir`);
    }
    this.names.add(name);
    this.recorded.push({ epoch, name, files: null });
    while (this.recorded.length > 2) {
      const old = this.recorded.shift();
      if (old) this.dropped.push(old.name);
    }
    this.dirty = true;
  }

  private async describe(name: string): Promise<FileDigest[]> {
    try {
      return await describeFiles(this.filesFolder, name);
    } catch (error) {
      if (this.isFenced()) throw this.fenced();
      throw new CheckpointError(`checkpoint "${name}" cannot be read: ${(error as Error).message}`);
    }
  }

  /** Removes what the manifest has made superfluous; two checkpoints stay in all. */
  private async clearUp(): Promise<void> {
    for (const name of this.dropped.splice(0)) {
      await rm(path.join(this.filesFolder, name), { recursive: true, force: true });
    }
    // Without a new epoch the earlier attempts are still the evidence of losses in a row.
    if (this.values.length === this.resumed && this.nonFinite === null) return;
    const { root, configHash } = this.options;
    if (!readClaims(root).some((claim) => claim < this.claim)) return;
    let kept = this.recorded.length;
    for (const { claim, folder, manifest } of readAttempts(root).reverse()) {
      if (claim >= this.claim) continue;
      const usable = manifest?.configHash === configHash ? manifest.checkpoints.length : 0;
      // What this attempt started from is known to be good; others are only believed to be.
      const started = this.start?.path.startsWith(folder + path.sep) === true;
      if (this.start !== null && this.recorded.length < 2 && (started || (kept < 2 && usable > 0))) kept += usable;
      else await rm(folder, { recursive: true, force: true });
    }
  }
}

function hashOf({ trial, metric }: CheckpointScope): string {
  return sha256(canonicalJson({ config: trial.config, seed: trial.seed, metric }));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The manifest with a digest over itself: a curve cut short or altered must not pass for the truth. */
function sealManifest(manifest: Manifest): string {
  return JSON.stringify({ ...manifest, digest: sha256(JSON.stringify(manifest)) });
}

function readManifest(file: string): Manifest | null {
  try {
    const { digest, ...manifest } = JSON.parse(readFileSync(file, 'utf8')) as Manifest & { digest: string };
    return sha256(JSON.stringify(manifest)) === digest ? manifest : null;
  } catch {
    return null;
  }
}

function readClaims(root: string): number[] {
  try {
    return readdirSync(root)
      .map((name) => /^a(\d+)$/.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number);
  } catch {
    return [];
  }
}

/** Every attempt there is, oldest first. */
function readAttempts(root: string): Attempt[] {
  let before: ClaimNote = { resume: 0, reset: null };
  return readClaims(root)
    .sort((one, other) => one - other)
    .map((claim) => {
      const folder = path.join(root, `a${claim}`);
      // One that ended before it wrote its note must not bring back what a reset forgot.
      const note = (before = readNote(folder) ?? before);
      const manifest = readManifest(path.join(folder, 'manifest.json'));
      return { claim, folder, note, released: existsSync(path.join(folder, 'released')), manifest };
    });
}

function readNote(folder: string): ClaimNote | null {
  try {
    return JSON.parse(readFileSync(path.join(folder, 'claim.json'), 'utf8')) as ClaimNote;
  } catch {
    return null;
  }
}

/** The attempts of the same reset: the one asked for, or that of the newest attempt. */
function attemptsThatCount({ stateDir, study, trial, reset }: CheckpointScope): {
  attempts: Attempt[];
  reset: number | null;
} {
  const all = readAttempts(checkpointFolder(stateDir, study, trial.id));
  const current = reset ?? all.at(-1)?.note.reset ?? null;
  return { attempts: all.filter((attempt) => attempt.note.reset === current), reset: current };
}

/** The curve of the newest attempt that published one: an overtaken attempt has no say any more. */
function knownOf(attempts: readonly Attempt[], configHash: string): KnownValues {
  const manifest = attempts.findLast((attempt) => attempt.manifest?.configHash === configHash)?.manifest;
  return { values: manifest?.values ?? [], nonFinite: manifest?.nonFinite ?? null };
}

/** The checkpoint of the latest epoch whose files are intact and whose curve is the beginning of `values`. */
async function newestIntact(
  attempts: readonly Attempt[],
  configHash: string,
  values: readonly number[]
): Promise<Start | null> {
  const candidates = attempts
    .filter(({ manifest }) => manifest?.configHash === configHash)
    .flatMap(({ claim, folder, manifest }) =>
      (manifest?.checkpoints ?? []).map((checkpoint) => ({ claim, folder, checkpoint, curve: manifest?.values ?? [] }))
    )
    .filter(({ checkpoint: { epoch }, curve }) => {
      return epoch <= values.length && curve.slice(0, epoch).every((value, index) => value === values[index]);
    })
    .sort((one, other) => other.checkpoint.epoch - one.checkpoint.epoch || other.claim - one.claim);
  for (const { folder, checkpoint } of candidates) {
    const root = path.join(folder, 'files');
    if (await filesAreIntact(root, checkpoint.files)) {
      return { epoch: checkpoint.epoch, path: path.join(root, checkpoint.name) };
    }
  }
  return null;
}

/** Attempts, counted from the newest, that ended neither in an orderly way nor with a new epoch. */
function countLosses(attempts: readonly Attempt[]): number {
  const last = attempts.findLastIndex(({ released, manifest, note }) => {
    return released || (manifest !== null && manifest.values.length > note.resume);
  });
  return attempts.length - 1 - last;
}
