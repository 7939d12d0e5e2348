/** The key that studies are sealed with: from the environment on a cluster, else the state folder's own. */
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openness } from './private-file.js';

/** The key is missing, malformed, or within reach of others; the message says what to do. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
}

const keyBytes = 32;

/**
 * Keys, the first of which seals; any of them may have sealed what is looked at. EVERBAND_KEY (text) comes first, then
 * EVERBAND_KEY_FILE, then `<state>/key`. @throws {KeyError}
 */
export function sealKeys(stateDir: string): readonly Buffer[] {
  const given = process.env['EVERBAND_KEY'];
  if (given) return keysIn(given, 'EVERBAND_KEY');
  const named = process.env['EVERBAND_KEY_FILE'];
  const file = named || keyFile(stateDir);
  const text = readPrivate(file);
  if (text !== null) return keysIn(text, file);
  throw new KeyError(
    named
      ? `EVERBAND_KEY_FILE names ${file}, and there is no such file`
      : `there is no key in ${stateDir} to tell sealed studies by. Fix: start studies where this worker's state folder is ` +
          '(EVERBAND_HOME), or give client and workers the same EVERBAND_KEY_FILE'
  );
}

/** The same, after making the state folder's own key where there is none yet. @throws {KeyError} */
export function makeSealKeys(stateDir: string): readonly Buffer[] {
  const own = !process.env['EVERBAND_KEY'] && !process.env['EVERBAND_KEY_FILE'];
  if (own && readPrivate(keyFile(stateDir)) === null) make(stateDir);
  return sealKeys(stateDir);
}

function keyFile(stateDir: string): string {
  return path.join(stateDir, 'key');
}

/** The first of two that make it at once has made it. */
function make(stateDir: string): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const temporary = path.join(stateDir, `key.${randomUUID()}.new`);
  try {
    // What follows from the key, and what it protects, is in this folder. One that others write to is shared on purpose.
    if (openness(stateDir, 0o022) === null) chmodSync(stateDir, 0o700);
    writeFileSync(temporary, `${randomBytes(keyBytes).toString('base64url')}\n`, { mode: 0o600, flush: true });
    linkSync(temporary, keyFile(stateDir));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new KeyError(`no key can be made in ${stateDir}: ${message}`);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Null when there is no such file. @throws {KeyError} when others may read it, or put another in its place */
function readPrivate(file: string): string | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new KeyError(`the key cannot be read: ${message}`);
  }
  requirePrivate(file, 0o077);
  requirePrivate(path.dirname(file), 0o022);
  return text;
}

/** @throws {KeyError} */
function requirePrivate(place: string, mask: 0o077 | 0o022): void {
  const open = openness(place, mask);
  if (open !== null) {
    throw new KeyError(
      `the key that studies are sealed with must be this user's alone, and ${open}; where that cannot be, set EVERBAND_KEY to the key itself`
    );
  }
}

/** @throws {KeyError} */
function keysIn(text: string, where: string): Buffer[] {
  const keys = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => (/^[A-Za-z0-9+/_-]+={0,2}$/.test(word) ? Buffer.from(word, 'base64') : Buffer.alloc(0)));
  if (keys.length > 0 && keys.every((key) => key.length >= keyBytes)) return keys;
  throw new KeyError(
    `${where} must hold keys of ${keyBytes} bytes or more in base64, such as \`openssl rand -base64 32\` prints`
  );
}
