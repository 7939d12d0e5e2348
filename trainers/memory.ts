/** Whether the kernel has killed for want of memory, as the cgroup of a process counts it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** Kills that were put down to a trainer already, by the file that counts them: one kill is one failure's reason. */
const taken = new Map<string, number>();

/** Looks at the kills in a process's cgroup from here on. */
export class MemoryWatch {
  private readonly file: string | null;
  private readonly before: number;

  /** `root` stands in front of /proc and /sys/fs/cgroup. */
  constructor(pid: number | undefined, root = '/') {
    this.file = pid === undefined ? null : fileOf(pid, root);
    this.before = this.file === null ? 0 : (killsIn(this.file) ?? 0);
  }

  /** Whether there was a kill since that no other watch has taken for its own. */
  killed(): boolean {
    if (this.file === null) return false;
    const known = Math.max(this.before, taken.get(this.file) ?? 0);
    if ((killsIn(this.file) ?? 0) <= known) return false;
    taken.set(this.file, known + 1);
    return true;
  }
}

/** The file that counts the kills in a process's cgroup; null where there is none, as outside Linux. */
function fileOf(pid: number, root: string): string | null {
  const mounts = path.join(root, 'sys/fs/cgroup');
  const lines = (read(path.join(root, 'proc', String(pid), 'cgroup')) ?? '').split('\n');
  const files = lines.flatMap((line) => {
    const [, controllers, cgroup] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || cgroup === undefined) return [];
    // Inside a container the path may be the host's, and what is mounted is the container's own cgroup.
    if (controllers === '') return [path.join(cgroup, 'memory.events'), 'memory.events'];
    if (!controllers.split(',').includes('memory')) return [];
    return [path.join('memory', cgroup, 'memory.oom_control'), 'memory/memory.oom_control'];
  });
  return files.map((file) => path.join(mounts, file)).find((file) => killsIn(file) !== null) ?? null;
}

function killsIn(file: string): number | null {
  const [, count] = /^oom_kill (\d+)$/m.exec(read(file) ?? '') ?? [];
  return count === undefined ? null : Number(count);
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
