/** Ports for a server that is killed: while it is down, another one would take the usual ones and answer in its place. */
import { randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Gives the server of a state folder ports of its own, below those that Linux hands out by itself. */
export function ownPorts(stateDir: string): void {
  const port = 15_000 + 2 * randomInt(8_000);
  mkdirSync(path.join(stateDir, 'server'), { recursive: true, mode: 0o700 });
  // The process is none that could be there.
  const known = { port, uiPort: port + 1, pid: 2 ** 22 + 1 };
  writeFileSync(path.join(stateDir, 'server/server.json'), JSON.stringify(known), { mode: 0o600 });
}
