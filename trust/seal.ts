/**
 * Seals. Whoever reaches a Temporal server may start any workflow, and schedule any activity on our task queues: that
 * something comes from a workflow of ours proves nothing. So a study carries a seal of a client that holds the key, over
 * its name, its trainer (program, paths, environment, task queue) and its predictor's worker, and every activity that runs a
 * program, touches a path or writes a record looks at it first. The same in Python (python/everband/seal.py); both are held to
 * test/fixtures/seal.json.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { prunerOf } from '../core/pruners/index.js';
import { elsewhereOf } from '../core/predictors/index.js';
import { canonicalJson } from '../core/record.js';
import type { Study, Trainer } from '../core/study.js';

/** An activity of somebody else's worker that a study asks. */
export interface Asked {
  readonly taskQueue: string;
  readonly activity: string;
}

/** What a seal stands for. */
export interface Grant {
  /** Name of the study. */
  readonly study: string;
  readonly trainer: Trainer;
  /** Whom its predictor asks; null: nobody. */
  readonly predictor: Asked | null;
}

/** What an activity knows of a grant: the name always, the rest where it acts on it. */
export type Claim = Pick<Grant, 'study'> & Partial<Grant>;

export function grantOf({ name, trainer, pruner }: Pick<Study, 'name' | 'trainer' | 'pruner'>): Grant {
  const predictor = prunerOf(pruner).predictor(pruner);
  const elsewhere = predictor && elsewhereOf(predictor);
  return {
    study: name,
    trainer,
    predictor: elsewhere ? { taskQueue: elsewhere.taskQueue, activity: elsewhere.activity } : null,
  };
}

/** `keys`: the first one seals. */
export function sealOf(keys: readonly Buffer[], { study, trainer, predictor }: Grant): string {
  const parts = [digestOf(trainer), digestOf(predictor)] as const;
  return ['v1', ...parts, macOf(keys[0] as Buffer, study, parts)].join('.');
}

/**
 * What is wrong with a seal, as the end of a sentence; null when one of the keys made it for what is claimed. `keys` are asked
 * for only where something is a seal.
 */
export function sealProblem(keys: () => readonly Buffer[], seal: unknown, claim: Claim): string | null {
  if (seal === undefined || seal === null) return 'carries no seal';
  const [version, trainer, predictor, mac, ...rest] = typeof seal === 'string' ? seal.split('.') : [];
  if (version !== 'v1' || !trainer || !predictor || !mac || rest.length > 0) return 'carries something that is no seal';
  if (!keys().some((key) => equal(mac, macOf(key, claim.study, [trainer, predictor])))) {
    return 'carries a seal of another study, or of a key that this worker does not have';
  }
  if (claim.trainer !== undefined && !equal(trainer, digestOf(claim.trainer))) return 'was sealed with another trainer';
  if (claim.predictor !== undefined && !equal(predictor, digestOf(claim.predictor))) {
    return 'was sealed with another predictor';
  }
  return null;
}

function macOf(key: Buffer, study: string, parts: readonly string[]): string {
  return createHmac('sha256', key)
    .update(['everband seal v1', study, ...parts].join('\n'))
    .digest('base64url');
}

/** 132 of its 256 bits: as hard to match as the key is to guess, and a seal goes with every segment. */
function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('base64url').slice(0, 22);
}

function equal(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
