/** What every activity looks at before it does anything: whose study it is told of, and that a holder of the key sealed it. */
import { ApplicationFailure } from '@temporalio/common';
import { KeyError, sealKeys } from '../trust/key.js';
import { placeName, PlaceError } from '../trust/places.js';
import type { Study } from '../core/study.js';
import { grantOf, sealProblem, type Claim } from '../trust/seal.js';
import { failureTypes, type SealedIdentity } from '../workflows/messages.js';

/** Looks at a study's name, its identity and its seal. @throws ApplicationFailure that says what is wrong */
export type RequireSealed = (claim: Claim, identity: SealedIdentity) => void;

export function sealChecker(stateDir: string): RequireSealed {
  return (claim, identity) => {
    requireName(claim?.study);
    requireIdentity(identity);
    requireSeal(stateDir, claim, identity.seal);
  };
}

/** The same of a whole study: all of it that the seal stands for. */
export function studyChecker(stateDir: string): (study: Study, identity: SealedIdentity) => void {
  const requireSealed = sealChecker(stateDir);
  return (study, identity) => {
    requireName(study?.name);
    requireIdentity(identity);
    let claim: Claim;
    try {
      claim = grantOf(study);
    } catch {
      throw invalid('the request has a study that is none');
    }
    requireSealed(claim, identity);
  };
}

/** @throws ApplicationFailure unless a holder of the key sealed what is claimed */
export function requireSeal(stateDir: string, claim: Claim, seal: unknown): void {
  let problem: string | null;
  try {
    problem = sealProblem(() => sealKeys(stateDir), seal, claim);
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    // Another worker may have the key, and this one once it is mended.
    throw ApplicationFailure.create({
      message: error.message,
      type: failureTypes.noKey,
      nonRetryable: false,
      nextRetryDelay: 10_000,
    });
  }
  if (problem === null) return;
  const { study } = claim;
  throw ApplicationFailure.nonRetryable(
    `study ${study} ${problem}, and nothing is run, written or removed for it. Fix: start it with \`everband start\`, which ` +
      `seals it; one that was begun without a seal goes on from its record by \`everband start --recover ${study}\``,
    failureTypes.notSealed
  );
}

/** @throws ApplicationFailure for a name that cannot be that of a study, a trial or a file */
export function requireName(name: unknown): asserts name is string {
  if (typeof name === 'string' && placeName.test(name)) return;
  throw invalid(`${JSON.stringify(name) ?? 'nothing'} cannot be a name`);
}

export function requireIdentity(identity: unknown): asserts identity is SealedIdentity {
  const { id, incarnation } = (identity ?? {}) as Partial<Record<keyof SealedIdentity, unknown>>;
  const sound = typeof id === 'string' && id !== '' && id.length <= 200 && isCount(incarnation);
  if (!sound) {
    throw invalid(
      `identity must be {"id": text, "incarnation": 0, 1, ...}, the request has ${JSON.stringify(identity)}`
    );
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function invalid(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, failureTypes.invalidStudy);
}

/** Names that lead elsewhere are as wrong the next time as they are now. */
export function withPlaces<T extends object>(activities: T): T {
  const wrapped = Object.entries(activities).map(([name, activity]) => {
    if (typeof activity !== 'function') return [name, activity] as const;
    const run = async (...args: unknown[]): Promise<unknown> => {
      try {
        return await (activity as (...args: unknown[]) => unknown)(...args);
      } catch (error) {
        if (error instanceof PlaceError) throw invalid(error.message);
        throw error;
      }
    };
    return [name, run] as const;
  });
  return Object.fromEntries(wrapped) as T;
}
