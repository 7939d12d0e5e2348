/** What is written down of the embedded server of a state folder, so that it is found again. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What `server.json` holds. Ports are kept over restarts, so that open pages and workers find the server again. */
export interface Remembered {
  readonly port: number;
  readonly uiPort: number;
  readonly pid: number;
  /** When the process began: a number alone may by now belong to a stranger. */
  readonly started?: string | null;
  /** Server version that the database is for. */
  readonly version?: string;
}

export function files(stateDir: string) {
  const folder = path.join(stateDir, 'server');
  return {
    folder,
    database: path.join(folder, 'temporal.db'),
    remembered: path.join(folder, 'server.json'),
    log: path.join(folder, 'server.log'),
    lock: path.join(folder, 'start.lock'),
  };
}

/** Null without a state file, or with one that is no such thing. */
export function remembered(stateDir: string): Remembered | null {
  try {
    const read = JSON.parse(readFileSync(files(stateDir).remembered, 'utf8')) as Partial<Remembered> | null;
    const sound = [read?.port, read?.uiPort, read?.pid].every((one) => Number.isInteger(one) && (one as number) > 0);
    return sound ? (read as Remembered) : null;
  } catch {
    return null;
  }
}

export function remember(stateDir: string, info: Remembered): void {
  const { remembered: file } = files(stateDir);
  writeFileSync(`${file}.tmp`, JSON.stringify(info));
  renameSync(`${file}.tmp`, file);
}

/** What is wrong with the server's state file, in one line; null when it is sound or not there yet. */
export function stateFileProblem(stateDir: string): string | null {
  const { remembered: file } = files(stateDir);
  return existsSync(file) && !remembered(stateDir) ? `${file} cannot be read` : null;
}
