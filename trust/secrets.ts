/**
 * Secrets of trainers: a study names them (`{ secret: wandb }`), the worker that trains has their values, in
 * `EVERBAND_SECRET_WANDB` or in the file `<state>/secrets/wandb`. They are in no history, record, log or message.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** A secret that this worker does not have. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
}

/** Names of secrets. */
export const secretName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** @throws {SecretError} */
export function readSecret(stateDir: string, name: string): string {
  if (!secretName.test(name)) throw new SecretError(`${JSON.stringify(name)} cannot be the name of a secret`);
  const variable = `EVERBAND_SECRET_${name.toUpperCase().replaceAll('-', '_')}`;
  const given = process.env[variable];
  if (given !== undefined) return given;
  const file = path.join(stateDir, 'secrets', name);
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch {
    throw new SecretError(
      `this worker does not have the secret ${name}. Fix: set ${variable} for it, or write ${file}`
    );
  }
}

/** Shorter values stand in too many innocent words to be looked for. */
const shortest = 4;

/** Puts `***` in the place of every secret value. */
export function redacted(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of longestFirst(secrets)) if (shown.includes(secret)) shown = shown.replaceAll(secret, '***');
  return shown;
}

function longestFirst(secrets: readonly string[]): string[] {
  const lines = secrets.flatMap((secret) => [secret, ...secret.split('\n')]);
  return [...new Set(lines)].filter((one) => one.length >= shortest).sort((a, b) => b.length - a.length);
}
