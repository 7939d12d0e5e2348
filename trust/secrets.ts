/**
 * Secrets of trainers: a study names them (`{ secret: wandb }`), the worker that trains has their values, in
 * `EVERBAND_SECRET_WANDB` or in the file `<state>/secrets/wandb`. They are in no history, record, log or message.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { secretName } from '../core/settings.js';
import { openness } from './private-file.js';

/** A secret that this worker does not have. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
}

/** @throws {SecretError} */
export function readSecret(stateDir: string, name: string): string {
  if (!secretName.test(name)) throw new SecretError(`${JSON.stringify(name)} cannot be the name of a secret`);
  const variable = `EVERBAND_SECRET_${name.toUpperCase().replaceAll('-', '_')}`;
  const given = process.env[variable];
  if (given !== undefined) return given;
  const file = path.join(stateDir, 'secrets', name);
  let value: string;
  try {
    value = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch {
    throw new SecretError(
      `this worker does not have the secret ${name}. Fix: set ${variable} for it, or write ${file}`
    );
  }
  const open = openness(file, 0o077) ?? openness(path.dirname(file), 0o022);
  if (open !== null) throw new SecretError(`the secret ${name} must be this user's alone, and ${open}`);
  return value;
}

/** Shorter values stand in too many innocent words to be looked for. */
const shortest = 4;

/** Puts `***` in the place of every secret value. */
export function redacted(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of longestFirst(secrets)) if (shown.includes(secret)) shown = shown.replaceAll(secret, '***');
  return shown;
}

/** Takes secrets out of a stream, also where one comes in pieces: what may be the beginning of one waits for the rest. */
export class Redactor {
  private readonly secrets: readonly string[];
  private rest = '';

  /** `forward` gets what may be shown. */
  constructor(
    secrets: readonly string[],
    private readonly forward: (shown: Buffer) => void
  ) {
    // Byte by byte, for a chunk may end inside a character.
    this.secrets = longestFirst(secrets).map((secret) => Buffer.from(secret).toString('latin1'));
  }

  push(chunk: Buffer): void {
    if (this.secrets.length === 0) return this.forward(chunk);
    let text = this.rest + chunk.toString('latin1');
    for (const secret of this.secrets) if (text.includes(secret)) text = text.replaceAll(secret, '***');
    const kept = Math.max(...this.secrets.map((secret) => beginningAtEnd(text, secret)));
    this.rest = text.slice(text.length - kept);
    if (kept < text.length) this.forward(Buffer.from(text.slice(0, text.length - kept), 'latin1'));
  }

  /** Nothing more comes: what waits is no secret. */
  flush(): void {
    const { rest } = this;
    this.rest = '';
    if (rest !== '') this.forward(Buffer.from(rest, 'latin1'));
  }
}

/** Characters at the end of a text with which a secret begins. */
function beginningAtEnd(text: string, secret: string): number {
  for (let length = Math.min(text.length, secret.length - 1); length > 0; length--) {
    if (text.endsWith(secret.slice(0, length))) return length;
  }
  return 0;
}

function longestFirst(secrets: readonly string[]): string[] {
  const lines = secrets.flatMap((secret) => [secret, ...secret.split('\n')]);
  return [...new Set(lines)].filter((one) => one.length >= shortest).sort((a, b) => b.length - a.length);
}
