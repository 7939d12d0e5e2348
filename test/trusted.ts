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
