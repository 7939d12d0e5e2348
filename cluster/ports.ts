/** Ports of embedded servers. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { remembered } from './remembered.js';
import { cacheDir } from './state.js';

/** The usual ports of Temporal, and how many further pairs are looked at. */
const [usual, usualUi, pairs] = [7233, 8233, 50];

/**
 * Ports for the first server of a state folder: the usual ones, or the next that are free and that belong to no other
 * project's server, which may be down: its workers would take this one for theirs.
 */
export async function firstPorts(stateDir: string): Promise<{ readonly port: number; readonly uiPort: number }> {
  for (let i = 0; i < pairs; i++) {
    const [port, uiPort] = [usual + i, usualUi + i];
    if (!belongsElsewhere(port, stateDir) && (await listens(port)) !== null) return { port, uiPort };
  }
  return { port: 0, uiPort: 0 };
}

/** Notes, for all projects of this user, whose port it is. */
export function claimPort(port: number, stateDir: string): void {
  try {
    mkdirSync(claims(), { recursive: true });
    writeFileSync(path.join(claims(), String(port)), stateDir);
  } catch {
    // Without a cache to write to, the server runs all the same.
  }
}

/** Its owner has it for as long as it remembers it. */
function belongsElsewhere(port: number, stateDir: string): boolean {
  try {
    const owner = readFileSync(path.join(claims(), String(port)), 'utf8');
    return owner !== stateDir && remembered(owner)?.port === port;
  } catch {
    return false;
  }
}

const claims = (): string => path.join(cacheDir(), 'ports');

/** `wanted` when it is free, else any free port; never `taken`. */
export async function freePort(wanted: number, taken?: number): Promise<number> {
  const first = wanted === taken ? null : await listens(wanted);
  if (first !== null && first !== taken) return first;
  for (;;) {
    const any = await listens(0);
    if (any !== null && any !== taken) return any;
  }
}

/** The port that a program can listen on: `port`, or any for 0; null where it is taken. */
function listens(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const listener = net.createServer();
    listener.once('error', () => resolve(null));
    listener.listen(port, '127.0.0.1', () => {
      const { port: got } = listener.address() as net.AddressInfo;
      listener.close(() => resolve(got));
    });
  });
}
