/**
 * Checkpoints of trials, safe without locks when two attempts train the same trial: every attempt writes into a folder
 * of its own (attempts.ts), and the newest one is the one that counts.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { cut, GrowingCurve, type EpochNumbers } from '../core/curve.js';
import type { NonFinite } from '../core/trial.js';
import {
  attemptName,
  byAge,
  checkpointFolder,
  configHashOf,
  readAttempts,
  readFolders,
  writeManifest,
  writeNote,
  type AttemptFolder,
  type Branch,
  type ClaimNote,
  type SavedCheckpoint,
} from './attempts.js';
import { placeName, requirePlaceName, within } from '../trust/places.js';
import { copyFiles, describeFiles, linkOnTheWay, removeWithin, type FileDigest } from './checkpoint-files.js';
import { appendEpochs, epochFile, formatEpochLine } from './epoch-log.js';
import { CheckpointError, findCheckpoint } from './held.js';
import { FencedError, readIdentity, requireCurrent, studyFolder } from './identity.js';
import {
  countLosses,
  isOf,
  lineOf,
  newestIntact,
  type CheckpointScope,
  type KnownCurve,
  type Line,
  type Start,
} from './line.js';

/** Too many attempts in a row were lost without a new epoch. */
export class TooManyLossesError extends Error {
  override readonly name = 'TooManyLossesError';
}

/** Forgets everything about these trials, except checkpoints that are held for others. */
export async function removeCheckpoints(stateDir: string, study: string, trialIds: readonly string[]): Promise<void> {
  for (const id of trialIds) requirePlaceName(id);
  for (const id of trialIds) await removeWithin(studyFolder(stateDir, study), path.join('checkpoints', id));
}

/** Ids of the trials that have checkpoints, or had begun to make some. */
export async function trialsWithCheckpoints(stateDir: string, study: string): Promise<string[]> {
  const folder = within(studyFolder(stateDir, study), 'checkpoints');
  return existsSync(folder) ? (await readdir(folder)).filter((name) => placeName.test(name)) : [];
}

/** The newest checkpoint on record, without looking into its files; null when there is none. */
export function checkpointOf(stateDir: string, study: string, trialId: string): { epoch: number; path: string } | null {
  const identity = readIdentity(studyFolder(stateDir, study));
  if (!identity) return null;
  const attempts = readAttempts(checkpointFolder(stateDir, study, trialId), identity);
  const reset = attempts.at(-1)?.note.reset ?? null;
  let newest: { epoch: number; path: string } | null = null;
  for (const { path: folder, manifest, note } of attempts) {
    if (note.reset !== reset) continue;
    for (const { epoch, name } of manifest?.checkpoints ?? []) {
      const file = path.join(folder, 'files', name);
      if (epoch >= (newest?.epoch ?? 0) && existsSync(file)) newest = { epoch, path: file };
    }
  }
  return newest;
}

/**
 * Begins an attempt: takes the next number and finds out where to go on. `alone`: whether no other trial trains in this
 * worker.
 *
 * @throws {FencedError | TooManyLossesError | CheckpointError}
 */
export async function claimTrial(scope: CheckpointScope, maxLosses: number, alone = true): Promise<TrialClaim> {
  const { stateDir, study, identity, trial } = scope;
  const root = checkpointFolder(stateDir, study, trial.id);
  await mkdir(root, { recursive: true });
  await mkdir(path.dirname(epochFile(studyFolder(stateDir, study), trial.id)), { recursive: true });
  for (;;) {
    const line = lineOf(scope);
    const claim = Math.max(0, ...readFolders(root, identity).map((folder) => folder.claim)) + 1;
    const own = { path: path.join(root, attemptName(claim, identity)), claim, incarnation: identity.incarnation };
    try {
      await mkdir(own.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    const newer = readFolders(root, identity).find((folder) => byAge(folder, own) > 0);
    if (newer) {
      await removeWithin(root, path.basename(own.path));
      if (newer.incarnation > own.incarnation) {
        throw new FencedError(`incarnation ${own.incarnation} of the study was overtaken by ${newer.incarnation}`);
      }
      // The number was free again because a newer attempt cleared up.
      continue;
    }
    await mkdir(path.join(own.path, 'files'));
    const { base, values } = line.known;
    const note = { identity, resume: base + values.length, reset: line.reset, alone };
    await writeNote(own.path, note);
    const trialClaim = new TrialClaim(scope, own, line, note, await newestIntact(line));
    const losses = countLosses(line.attempts);
    try {
      if (losses.alone >= maxLosses) {
        const others = losses.shared > 0 ? ` while it trained alone, and ${losses.shared} times beside others` : '';
        throw new TooManyLossesError(`lost its worker ${losses.alone} times in a row without a new epoch${others}`);
      }
      if (trialClaim.start === null && line.source) await trialClaim.branchOff(line.source);
    } catch (error) {
      // The next attempt, asked for by somebody, counts from here.
      await trialClaim.release();
      throw error;
    }
    return trialClaim;
  }
}

/** What an epoch tells beside its value. */
export interface EpochFacts {
  readonly seconds: number;
  readonly others: Readonly<Record<string, number | null>>;
}

/** One attempt at a trial. */
export class TrialClaim {
  readonly claim: number;
  /** Absolute folder for the trainer's files. */
  readonly filesFolder: string;
  private readonly root: string;
  private readonly configHash: string;
  private readonly curve: GrowingCurve;
  private nonFinite: NonFinite | null;
  private readonly resumed: number;
  private recorded: { epoch: number; name: string; files: readonly FileDigest[] | null }[] = [];
  private readonly names = new Set<string>();
  private dropped: string[] = [];
  private lines: string[] = [];
  private dirty = false;
  private releasable = true;

  constructor(
    private readonly scope: CheckpointScope,
    private readonly own: AttemptFolder,
    private readonly line: Line,
    private claimed: ClaimNote,
    private from: Start | null
  ) {
    this.claim = own.claim;
    this.filesFolder = path.join(own.path, 'files');
    this.root = path.dirname(own.path);
    this.configHash = configHashOf(scope);
    this.curve = new GrowingCurve(line.known);
    this.nonFinite = line.known.nonFinite;
    this.resumed = this.curve.values.length;
  }

  /** The checkpoint to resume from, or null: from nothing. */
  get start(): Start | null {
    return this.from;
  }

  /** Whether something was published that was not known before. */
  get advanced(): boolean {
    return !this.dirty && (this.curve.values.length > this.resumed || this.nonFinite !== this.line.known.nonFinite);
  }

  /** Notes that another trial trains in the same worker. What cannot be written leaves the stricter note. */
  async share(): Promise<void> {
    if (this.claimed.alone === false) return;
    this.claimed = { ...this.claimed, alone: false };
    await writeNote(this.own.path, this.claimed).catch(() => undefined);
  }

  /** Curve and divergence as known now. */
  get known(): KnownCurve {
    return { base: this.line.known.base, ...cut(this.curve, 0), nonFinite: this.nonFinite };
  }

  /** Why this attempt counts no more: there is a newer one, or another study. Null while it counts. */
  fence(): FencedError | null {
    const { identity } = this.scope;
    try {
      requireCurrent(this.studyFolder, identity);
    } catch (error) {
      return error as FencedError;
    }
    const folders = readFolders(this.root, identity);
    if (folders.at(-1)?.path === this.own.path) return null;
    const why = folders.some(({ path }) => path === this.own.path)
      ? 'was overtaken by a newer one'
      : 'has no folder any more: a newer one has cleared up, or the study was deleted';
    return new FencedError(`attempt ${this.claim} ${why}`);
  }

  /** Takes a finished epoch into the curve; one already in it keeps its first value. `publish` makes it last. */
  record(epoch: number, { value, metrics }: EpochNumbers, checkpoint: string | null, facts: EpochFacts): void {
    if (epoch === this.nextEpoch) {
      this.note(facts);
      this.curve.push(value, metrics);
      this.dirty = true;
    }
    if (checkpoint !== null) this.recordCheckpoint(epoch, checkpoint);
  }

  /** The epoch after the last known one has no finite value: the trial ends there. */
  recordDivergence(nonFinite: NonFinite, facts: EpochFacts): void {
    this.note(facts);
    this.nonFinite = nonFinite;
    this.dirty = true;
  }

  /** Writes the manifest if there is news. @throws FencedError when this attempt counts no more */
  async publish(): Promise<void> {
    if (!this.dirty) return;
    this.requireUnfenced();
    const checkpoints: SavedCheckpoint[] = [];
    for (const entry of this.recorded) {
      entry.files ??= await this.describe(entry.name);
      checkpoints.push({ epoch: entry.epoch, name: entry.name, files: entry.files });
    }
    const { configHash, nonFinite } = this;
    const curve = cut(this.curve, 0);
    const { identity } = this.scope;
    const { source } = this.line;
    try {
      // First, for what is published is not trained again. A line too many is taken back by those that follow.
      if (this.lines.length > 0) await appendEpochs(epochFile(this.studyFolder, this.scope.trial.id), this.lines);
      this.lines = [];
      await writeManifest(this.own.path, { identity, configHash, source, ...curve, nonFinite, checkpoints });
    } catch (error) {
      // A newer attempt has published and cleared up.
      this.requireUnfenced();
      throw error;
    }
    this.dirty = false;
    await this.clearUp();
  }

  /**
   * Copies the checkpoint that `source` names and starts there: the copy counts as the trial's own of the epoch `from`. It
   * is published: the next attempt has it too.
   */
  async branchOff(source: Branch): Promise<void> {
    const found = await findCheckpoint(this.scope, source.trial, source.epoch);
    const folder = `from-${source.trial}`;
    const copied = found && (await copyFiles(found.root, found.files, path.join(this.filesFolder, folder)));
    if (!copied) {
      throw new CheckpointError(
        `trial ${this.scope.trial.id} starts from trial ${source.trial}'s checkpoint of epoch ${source.epoch}, ` +
          'and there is none that is intact: it must be reported by the trainer, and held or still among the last two'
      );
    }
    const name = path.join(folder, found.name);
    this.names.add(name);
    this.recorded.push({ epoch: source.from, name, files: null });
    this.from = { epoch: source.from, path: path.join(this.filesFolder, name) };
    this.dirty = true;
    await this.publish();
  }

  /** Marks an orderly end: not a loss. */
  async release(): Promise<void> {
    if (!this.releasable) return;
    this.releasable = false;
    await writeFile(path.join(this.own.path, 'released'), '').catch(() => {});
  }

  private get nextEpoch(): number {
    return this.line.known.base + this.curve.values.length + 1;
  }

  private get studyFolder(): string {
    return studyFolder(this.scope.stateDir, this.scope.study);
  }

  /** From the study's folder to the trainer's files. */
  private get way(): string {
    return path.relative(this.studyFolder, this.filesFolder);
  }

  private note({ seconds, others }: EpochFacts): void {
    const { identity } = this.scope;
    const place = { host: os.hostname(), attempt: this.claim, identity };
    this.lines.push(formatEpochLine({ epoch: this.nextEpoch, seconds, ...place, values: others }));
  }

  private requireUnfenced(): void {
    const fenced = this.fence();
    if (fenced) throw fenced;
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
      this.requireUnfenced();
      throw new CheckpointError(`checkpoint "${checkpoint}" does not exist in checkpointDir`);
    }
    const link = linkOnTheWay(this.studyFolder, path.join(this.way, name));
    if (link !== null) {
      this.requireUnfenced();
      const what = path.relative(this.way, link) || 'checkpointDir';
      throw new CheckpointError(
        `checkpoint "${checkpoint}" leads through a link, ${what}: it must be a file or folder inside checkpointDir`
      );
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
      this.requireUnfenced();
      throw new CheckpointError(`checkpoint "${name}" cannot be read: ${(error as Error).message}`);
    }
  }

  /** Removes what the manifest has made superfluous; two checkpoints stay in all. */
  private async clearUp(): Promise<void> {
    for (const name of this.dropped.splice(0)) {
      await removeWithin(this.studyFolder, path.join(this.way, name));
    }
    // Without a new epoch the earlier attempts are still the evidence of losses in a row.
    if (this.curve.values.length === this.resumed && this.nonFinite === null) return;
    const { identity } = this.scope;
    if (readFolders(this.root, identity)[0]?.path === this.own.path) return;
    let kept = this.recorded.length;
    for (const attempt of readAttempts(this.root, identity).reverse()) {
      if (byAge(attempt, this.own) >= 0) continue;
      const usable = isOf(attempt, this.configHash, this.line.source) ? attempt.manifest.checkpoints.length : 0;
      // What this attempt started from is known to be good; others are only believed to be.
      const started = this.start?.path.startsWith(attempt.path + path.sep) === true;
      if (this.start !== null && this.recorded.length < 2 && (started || (kept < 2 && usable > 0))) kept += usable;
      else await removeWithin(this.root, path.basename(attempt.path));
    }
  }
}
