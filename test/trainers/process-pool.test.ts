import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ProcessPool, type Lease, type TrainerCommand, type TrainerProcess } from '../../trainers/process-pool.js';

describe('process pool', function () {
  this.timeout(30_000);
  const signal = new AbortController().signal;
  const bare = { cwd: '/', env: { PATH: process.env['PATH'] ?? '' }, secrets: [] };
  const shell = (script: string): TrainerCommand => ({ command: ['/bin/sh', '-c', script], ...bare });
  let pool: ProcessPool;
  afterEach(() => pool.dispose());

  const printed = new Map<TrainerProcess, string>();
  const acquire = async (command: TrainerCommand): Promise<Lease> => {
    const lease = await pool.acquire(command, signal);
    assert.ok(lease);
    const { process } = lease;
    const write = (bytes: Buffer) => void printed.set(process, (printed.get(process) ?? '') + bytes.toString());
    process.logTo({ write, full: false, room: () => Promise.resolve() });
    return lease;
  };
  const firstLine = async ({ process }: Lease): Promise<string> => {
    await until(() => printed.get(process)?.includes('\n') === true);
    return printed.get(process)?.split('\n')[0] ?? '';
  };

  it('keeps a process for the same command and replaces it for another', async () => {
    pool = new ProcessPool({ slots: 1 });
    const first = await acquire(shell('cat'));
    const { pid } = first.process;
    await first.release(true);
    const second = await acquire(shell('cat'));
    assert.equal(second.process.pid, pid);
    assert.equal(second.reused, true);
    await second.release(true);
    const third = await acquire(shell('cat; true'));
    assert.notEqual(third.process.pid, pid);
    assert.equal(isRunning(pid), false);
    await third.release(false);
  });

  it('gives each slot its GPU and lets the next wait for a slot', async () => {
    pool = new ProcessPool({ slots: 2, gpus: ['3', '5'] });
    const script = shell('echo $CUDA_VISIBLE_DEVICES; read x');
    const leases = [await acquire(script), await acquire(script)];
    assert.deepEqual(await Promise.all(leases.map(firstLine)), ['3', '5']);
    let got = false;
    const waiting = acquire(script).then((lease) => ((got = true), lease));
    await sleep(100);
    assert.equal(got, false);
    await leases[0]?.release(false);
    assert.equal(await firstLine(await waiting), '3');
  });

  it('stops waiting for a slot when told so', async () => {
    pool = new ProcessPool({ slots: 1 });
    const lease = await acquire(shell('read x'));
    const abort = new AbortController();
    const waiting = pool.acquire(shell('read x'), abort.signal);
    abort.abort();
    assert.equal(await waiting, null);
    await lease.release(false);
  });

  it('takes along what a trainer leaves behind', async () => {
    pool = new ProcessPool({ slots: 1 });
    const lease = await acquire(shell('sleep 600 & echo $!'));
    const child = Number(await firstLine(lease));
    await lease.process.exited;
    await gone(child);
  });

  it('does not hand the trainer the watcher as a child', async function () {
    const listed = `/proc/${process.pid}/task/${process.pid}/children`;
    if (!existsSync(listed)) {
      if (process.platform === 'linux') throw new Error(`there is no ${listed}`);
      console.log('      skipped: only Linux lists the children of a process');
      this.skip();
    }
    pool = new ProcessPool({ slots: 1 });
    const lease = await acquire(shell('echo up; read x'));
    await firstLine(lease);
    const { pid } = lease.process;
    assert.equal(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim(), '');
  });

  it('says why a command cannot be started', async () => {
    pool = new ProcessPool({ slots: 1 });
    const lease = await acquire({ ...bare, command: ['/no/such/program'] });
    assert.equal((await lease.process.next(5000))?.type, 'exit');
    assert.match(lease.process.stderrTail, /not found/);
    await lease.release(false);
    const nowhere = await acquire({ ...bare, command: ['true'], cwd: '/no/such/folder' });
    const event = await nowhere.process.next(5000);
    assert.ok(event?.type === 'exit' && event.how.startsWith('could not start'));
    await nowhere.release(false);
  });

  it('dies with a worker killed by kill -9, grandchildren too', async () => {
    pool = new ProcessPool({ slots: 1 });
    const host = spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('./pool-host.ts', import.meta.url))],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      }
    );
    const [output] = (await once(host.stdout, 'data')) as [Buffer];
    const [trainer, grandchild] = output.toString().trim().split(' ').map(Number);
    assert.ok(isRunning(trainer) && isRunning(grandchild));
    host.kill('SIGKILL');
    await gone(trainer);
    await gone(grandchild);
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1000, 'it never came to that');
    await sleep(20);
  }
}

async function gone(pid: number | undefined): Promise<void> {
  for (let tries = 0; tries < 100 && isRunning(pid); tries++) await sleep(50);
  assert.equal(isRunning(pid), false, `process ${pid} still runs`);
}

/** A zombie that nobody collects does not count. */
function isRunning(pid: number | undefined): boolean {
  assert.ok(pid);
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
}
