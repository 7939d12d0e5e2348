/** What a client does so that workers trust a study, for tests that talk to activities and workflows themselves. */
import type { Trainer } from '../core/study.js';
import { allow, allowedBy } from '../trust/allowed.js';
import { makeSealKeys } from '../trust/key.js';
import { ProgramError } from '../trust/programs.js';
import { sealOf, type Asked } from '../trust/seal.js';
import type { SealedIdentity, StudyIdentity } from '../workflows/messages.js';

/** Allows a trainer for the workers of a state folder; what never may be allowed stays what it is. */
export function allowTrainer(stateDir: string, trainer: Trainer): void {
  if (trainer.type !== 'command' && trainer.type !== 'module') return;
  try {
    allow(stateDir, allowedBy(trainer));
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
  }
}

/** A segment as a client of this state folder would have it asked for: sealed, and its trainer allowed. */
export function trustedSegment<T extends { readonly study: string; readonly trainer: Trainer }>(
  stateDir: string,
  segment: T & { readonly identity?: StudyIdentity }
): T & { readonly identity: SealedIdentity } {
  const { identity = { id: 'one', incarnation: 0 }, study, trainer } = segment;
  allowTrainer(stateDir, trainer);
  return { ...segment, identity: sealedFor(stateDir, study, identity, trainer) };
}

/** The identity of a study that a client of this state folder has sealed. */
export function sealedFor(
  stateDir: string,
  study: string,
  identity: StudyIdentity,
  trainer: Trainer,
  predictor: Asked | null = null
): SealedIdentity {
  return { ...identity, seal: sealOf(makeSealKeys(stateDir), { study, trainer, predictor }) };
}
