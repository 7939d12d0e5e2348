/** What a request goes on from: the attempts at a trial that trained what it asks for, and their newest intact checkpoint. */
import path from 'node:path';
import { begins, cut, noEpochs, type Curve } from '../core/curve.js';
import type { NonFinite, Trial } from '../core/trial.js';
import type { SegmentSource } from '../workflows/messages.js';
import {
  baseOf,
  byAge,
  checkpointFolder,
  configHashOf,
  readAttempts,
  type Attempt,
  type Branch,
  type TrialPlace,
} from './attempts.js';
import { filesAreIntact } from './checkpoint-files.js';

/** What is known of a trial. */
export interface KnownCurve extends Curve {
  /** The epoch before the first of `values`: where a copy of another checkpoint took over, else 0. */
  readonly base: number;
  readonly nonFinite: NonFinite | null;
}

/** What an attempt is asked for; `from`, `source` and `reset` as in the activity's input. */
export interface CheckpointScope extends TrialPlace {
  readonly trial: Pick<Trial, 'id' | 'config' | 'seed'>;
  readonly metric: string;
  /** Further metrics that the study names; absent: none. */
  readonly metrics?: readonly string[] | undefined;
  readonly from: number;
  readonly source?: SegmentSource | undefined;
  readonly reset?: number | undefined;
}

/** Where an attempt starts from. */
export interface Start {
  readonly epoch: number;
  /** Absolute. */
  readonly path: string;
}

/** An attempt that published. */
type Published = Attempt & { readonly manifest: NonNullable<Attempt['manifest']> };

/** What a request goes on from. */
export interface Line {
  /** Of the same reset: the one asked for, or that of the newest attempt. */
  readonly attempts: readonly Attempt[];
  readonly reset: number | null;
  /** Those of `attempts` that trained this configuration from this source. */
  readonly members: readonly Published[];
  readonly source: Branch | null;
  readonly known: KnownCurve;
}

/** What earlier attempts found out, without starting one. */
export function readKnown(scope: CheckpointScope): KnownCurve {
  return lineOf(scope).known;
}

export function lineOf(scope: CheckpointScope): Line {
  const { stateDir, study, identity, trial, from } = scope;
  const all = readAttempts(checkpointFolder(stateDir, study, trial.id), identity);
  const reset = scope.reset ?? all.at(-1)?.note.reset ?? null;
  const attempts = all.filter((attempt) => attempt.note.reset === reset);
  const configHash = configHashOf(scope);
  const asked = scope.source ? { ...scope.source, from } : null;
  // Not asked for a source, it goes on from where the last one led; a request that comes before it knows nothing of it.
  const source =
    asked ??
    attempts.findLast(({ manifest }) => {
      return manifest?.configHash === configHash && (manifest.source === null || manifest.source.from < from);
    })?.manifest?.source ??
    null;
  const members = attempts.filter((attempt) => isOf(attempt, configHash, source));
  // The curve of the newest attempt that published one: an overtaken attempt has no say any more.
  const newest = members.at(-1)?.manifest;
  const known = { base: source?.from ?? 0, ...cut(newest ?? noEpochs, 0), nonFinite: newest?.nonFinite ?? null };
  return { attempts, reset, members, source, known };
}

export function isOf(attempt: Attempt, configHash: string, source: Branch | null): attempt is Published {
  const { manifest } = attempt;
  if (manifest === null || manifest.configHash !== configHash) return false;
  const [one, other] = [manifest.source, source];
  return one?.trial === other?.trial && one?.epoch === other?.epoch && one?.from === other?.from;
}

/** The checkpoint of the latest epoch whose files are intact and whose curve is the beginning of what is known. */
export async function newestIntact({ members, known }: Line): Promise<Start | null> {
  const candidates = members
    .flatMap((attempt) => attempt.manifest.checkpoints.map((checkpoint) => ({ attempt, checkpoint })))
    .filter(({ attempt, checkpoint: { epoch } }) => {
      const curve = cut(attempt.manifest, 0, Math.max(0, epoch - known.base));
      return epoch <= known.base + known.values.length && begins(curve, known);
    })
    .sort((one, other) => other.checkpoint.epoch - one.checkpoint.epoch || byAge(other.attempt, one.attempt));
  for (const { attempt, checkpoint } of candidates) {
    const root = path.join(attempt.path, 'files');
    if (await filesAreIntact(root, checkpoint.files)) {
      return { epoch: checkpoint.epoch, path: path.join(root, checkpoint.name) };
    }
  }
  return null;
}

/** Attempts, counted from the newest, that ended neither in an orderly way nor with a new epoch. */
export interface Losses {
  /** Those that were alone in their worker. */
  readonly alone: number;
  /** Those that others trained beside, any of which may have taken the worker along. */
  readonly shared: number;
}

export function countLosses(attempts: readonly Attempt[]): Losses {
  const last = attempts.findLastIndex(({ released, manifest, note }) => {
    return released || (manifest !== null && baseOf(manifest) + manifest.values.length > note.resume);
  });
  const lost = attempts.slice(last + 1);
  const shared = lost.filter(({ note }) => note.alone === false).length;
  return { alone: lost.length - shared, shared };
}

/** So many losses beside others, and a trial is tried alone, until it has a new epoch. */
const sharedLosses = 2;

/** Whether a trial has to be alone in its worker, so that it shows whether it is the one that takes workers along. */
export function triesAlone(scope: CheckpointScope): boolean {
  return countLosses(lineOf(scope).attempts).shared >= sharedLosses;
}
