import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { polls, type Poller } from '../../scripts/pollers.js';
import { until } from '../harness.js';

const here = (pid: number | undefined, ago = 1): Poller => ({
  identity: `${pid}@${os.hostname()}`,
  lastAccessTime: { seconds: Math.floor(Date.now() / 1000) - ago },
});

describe('whether a poller is there still', () => {
  it('is said by its process, where that is on this host', async () => {
    const child = spawn('sleep', ['60']);
    const pid = child.pid;
    const polling = (expected: boolean) => until(`it is ${expected}`, () => polls(here(pid)) === expected);
    assert.equal(polls(here(pid)), true);
    assert.equal(polls(here(pid, 300)), false, 'it has not asked for five minutes');
    child.kill('SIGSTOP');
    await polling(false);
    child.kill('SIGCONT');
    await polling(true);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    assert.equal(polls(here(pid)), false);
  });

  it('counts a process of somebody else as running', () => {
    assert.equal(polls(here(1)), true);
  });

  it('is said by when it asked last, where it is elsewhere or has another name', () => {
    for (const identity of ['1@a-host-that-is-not-this-one', 'worker-7', '', null]) {
      assert.equal(polls({ ...here(1), identity }), true);
      assert.equal(polls({ ...here(1, 300), identity }), false);
    }
    assert.equal(polls({}), false);
  });
});
