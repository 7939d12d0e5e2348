/** What a cgroup tells, for both versions: the same folders are read in python/tests/test_memory.py. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { MemoryWatch } from '../../trainers/memory.js';

describe('kills for want of memory', () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(path.join(os.tmpdir(), 'everband-cgroup-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  };
  const v2 = (kills: number) => `low 0\nhigh 0\nmax 12\noom 4\noom_kill ${kills}\noom_group_kill 0\n`;
  const v1 = (kills: number) => `oom_kill_disable 0\nunder_oom 0\noom_kill ${kills}\n`;

  it('are counted by version 2, and each is the reason of one failure', () => {
    write('proc/7/cgroup', '0::/user/job\n');
    write('sys/fs/cgroup/user/job/memory.events', v2(3));
    const [one, other] = [new MemoryWatch(7, root), new MemoryWatch(7, root)];
    assert.equal(one.killed(), false);
    write('sys/fs/cgroup/user/job/memory.events', v2(4));
    assert.deepEqual([one.killed(), other.killed()], [true, false]);
    assert.equal(new MemoryWatch(7, root).killed(), false);
    write('sys/fs/cgroup/user/job/memory.events', v2(5));
    assert.equal(other.killed(), true);
  });

  it('are counted by version 1', () => {
    write('proc/7/cgroup', '8:pids:/\n4:cpu,memory:/job\n0::/\n');
    write('sys/fs/cgroup/memory/job/memory.oom_control', v1(0));
    const watch = new MemoryWatch(7, root);
    write('sys/fs/cgroup/memory/job/memory.oom_control', v1(1));
    assert.equal(watch.killed(), true);
  });

  it('are counted inside a container, where the path is the one of the host', () => {
    write('proc/7/cgroup', '0::/../../kubepods/pod1\n');
    write('sys/fs/cgroup/memory.events', v2(0));
    const watch = new MemoryWatch(7, root);
    write('sys/fs/cgroup/memory.events', v2(1));
    assert.equal(watch.killed(), true);
  });

  it('are unknown without a cgroup', () => {
    assert.equal(new MemoryWatch(7, root).killed(), false);
    assert.equal(new MemoryWatch(undefined, root).killed(), false);
  });
});
