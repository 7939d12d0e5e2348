/** Processes as Linux tells of them in /proc. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

export interface Found {
  readonly pid: number;
  readonly parent: number;
  /** Ticks since boot: a number alone may by now belong to a stranger. */
  readonly began: string;
}

/** Every process that has not ended. */
function processes(): Found[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => found(Number(name)) ?? []);
}

/** A process, or null once it has ended. */
export function found(pid: number): Found | null {
  try {
    // After the name, which may hold anything: state, parent, and 17 fields on when it began.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return { pid, parent: Number(fields[1]), began: fields[19] ?? '' };
  } catch {
    return null;
  }
}

export function isThere({ pid, began }: Found): boolean {
  return found(pid)?.began === began;
}

export function childrenOf(pid: number): Found[] {
  return processes().filter(({ parent }) => parent === pid);
}

/** Processes other than this one that name a folder in their command, working folder or environment. */
export function naming(folder: string): (Found & { readonly command: string })[] {
  return processes().flatMap((one) => {
    if (one.pid === process.pid) return [];
    const command = commandOf(one.pid);
    const named = [command, read(`/proc/${one.pid}/environ`), linkOf(one.pid)].some((text) => text.includes(folder));
    return named ? [{ ...one, command: command.slice(0, 200) }] : [];
  });
}

/** Sends a signal; false where there is no such process any more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Program and arguments of a process; empty once it has ended. */
export function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function linkOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}
