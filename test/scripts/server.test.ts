import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { stateFileProblem } from '../../cluster/remembered.js';
import { embeddedServer, startServer, stopServer } from '../../cluster/server.js';
import { cacheDir } from '../../cluster/state.js';
import { acquireTemporalCli, cachedCli } from '../../cluster/temporal-cli.js';
import { Cluster, sleep } from '../harness.js';

describe('the embedded server', function () {
  this.timeout(60_000);
  const cluster = new Cluster();
  after(() => cluster.end());

  it('starts beside a taken port, is reused, and comes back after kill -9 with its ports and its history', async () => {
    const file = path.join(cluster.stateDir, 'server/server.json');
    const { port } = JSON.parse(readFileSync(file, 'utf8')) as { port: number };
    const blocker = net.createServer();
    await new Promise<void>((resolve) => blocker.listen(port, '127.0.0.1', resolve));
    const first = await cluster.start();
    assert.notEqual(first.address, `127.0.0.1:${port}`);
    assert.equal((await cluster.start()).reused, true);
    const client = await cluster.client();
    await client.workflow.start('nobody', { workflowId: 'kept', taskQueue: 'nobody' });
    cluster.killServer();
    for (let i = 0; embeddedServer(cluster.stateDir) !== null; i++) {
      assert.ok(i < 500);
      await sleep(10);
    }
    const second = await cluster.start();
    assert.equal(second.address, first.address);
    assert.equal(second.uiUrl, first.uiUrl);
    assert.equal((await client.workflow.getHandle('kept').describe()).status.name, 'RUNNING');
    assert.equal((await fetch(second.uiUrl ?? '')).status, 200);
    blocker.close();
  });

  it('is waited for where it runs and stands still, and not called missing', async () => {
    const { pid, address } = await cluster.start();
    process.kill(pid ?? 0, 'SIGSTOP');
    try {
      for (const [args, says] of [
        [['server', 'status'], `running: ${address}`],
        [['status', 'nobody'], 'nobody'],
      ] as const) {
        const asked = cluster.everband(...args);
        await sleep(6000);
        process.kill(pid ?? 0, 'SIGCONT');
        const { out, err } = await asked;
        assert.ok(`${out}${err}`.includes(says) && !/no (Temporal|embedded) server/.test(err), err);
        process.kill(pid ?? 0, 'SIGSTOP');
      }
    } finally {
      process.kill(pid ?? 0, 'SIGCONT');
    }
  });
});

describe('the ports of embedded servers', function () {
  this.timeout(60_000);

  it('are left to a project whose server is down: its workers would take another one for theirs', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-ports-'));
    const cache = process.env['EVERBAND_CACHE'];
    const cli = path.join(cacheDir(), 'temporal');
    process.env['EVERBAND_CACHE'] = path.join(folder, 'cache');
    mkdirSync(path.join(folder, 'cache'));
    symlinkSync(cli, path.join(folder, 'cache/temporal'));
    const [mine, yours] = ['mine', 'yours'].map((name) => path.join(folder, name)) as [string, string];
    try {
      const first = await startServer(mine, () => undefined);
      await stopServer(mine);
      const other = await startServer(yours, () => undefined);
      assert.notEqual(other.address, first.address);
    } finally {
      for (const one of [mine, yours]) await stopServer(one);
      if (cache === undefined) delete process.env['EVERBAND_CACHE'];
      else process.env['EVERBAND_CACHE'] = cache;
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('finding the Temporal CLI', () => {
  const before = { ...process.env };
  afterEach(() => {
    process.env = { ...before };
  });

  /** A folder with a fake `go` in it, alone on PATH with the system's own tools; no temporal there. */
  function fake(go: string): string {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-go-'));
    mkdirSync(path.join(folder, 'bin'));
    writeFileSync(path.join(folder, 'bin', 'go'), `#!/bin/sh\n${go}\n`);
    chmodSync(path.join(folder, 'bin', 'go'), 0o755);
    process.env['PATH'] = `${path.join(folder, 'bin')}:/usr/bin:/bin`;
    process.env['EVERBAND_CACHE'] = folder;
    process.env['EVERBAND_OFFLINE'] = '1';
    return folder;
  }

  it('builds once for set-ups at the same time', async () => {
    const folder = fake(
      `[ "$1" = version ] && exit 0\necho x >> "$EVERBAND_CACHE/builds"\nsleep 0.3\nprintf '#!/bin/sh\\necho temporal version 1.5.1' > "$GOBIN/temporal"\nchmod +x "$GOBIN/temporal"`
    );
    const found = await Promise.all([1, 2, 3].map(() => acquireTemporalCli(() => undefined)));
    assert.deepEqual(new Set(found), new Set([cachedCli()]));
    const { readFileSync } = await import('node:fs');
    assert.equal(readFileSync(path.join(folder, 'builds'), 'utf8'), 'x\n');
  });

  it('never uses a half-written program, and says what was tried and the fix', async () => {
    fake(`[ "$1" = version ] && exit 0\nprintf '#!/bin/sh\\nexit 1' > "$GOBIN/temporal"\nchmod +x "$GOBIN/temporal"`);
    await assert.rejects(
      acquireTemporalCli(() => undefined),
      (error: Error) => {
        assert.match(
          error.message,
          /not on PATH[^]*not in the cache[^]*official download[^]*does not run[^]*Fix: install Go/
        );
        return true;
      }
    );
    assert.ok(!existsSync(cachedCli()));
  });
});

describe('what the server wrote down', function () {
  this.timeout(60_000);
  const cluster = new Cluster();
  const file = path.join(cluster.stateDir, 'server', 'server.json');
  const quiet = (): void => undefined;
  const read = () => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown> & { pid: number };
  let sound = '';
  before(async () => {
    await cluster.start();
    sound = readFileSync(file, 'utf8');
  });
  afterEach(() => writeFileSync(file, sound));
  after(() => cluster.end());

  it('never makes it signal a stranger that has the number now', async () => {
    const stranger = spawn('sleep', ['60']);
    try {
      writeFileSync(file, JSON.stringify({ ...read(), pid: stranger.pid }));
      assert.equal(embeddedServer(cluster.stateDir), null);
      assert.equal(await stopServer(cluster.stateDir), false);
      assert.equal(stranger.exitCode ?? stranger.signalCode, null);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('may be no JSON, which doctor can tell', async () => {
    assert.equal(stateFileProblem(cluster.stateDir), null);
    for (const broken of ['', '{"port":', 'null', '{"port":7233}']) {
      writeFileSync(file, broken);
      assert.equal(embeddedServer(cluster.stateDir), null);
      assert.match(stateFileProblem(cluster.stateDir) ?? '', /server\.json cannot be read/);
    }
  });

  it('sees one server for starts at the same time, and keeps to the database it has lost', async () => {
    const found = await Promise.all([1, 2, 3].map(() => startServer(cluster.stateDir, quiet)));
    assert.equal(new Set(found.map(({ pid }) => pid)).size, 1);
    const database = path.join(cluster.stateDir, 'server', 'temporal.db');
    renameSync(database, `${database}.away`);
    await assert.rejects(startServer(cluster.stateDir, quiet), /has lost its database[^]*Fix: everband server stop/);
    renameSync(`${database}.away`, database);
  });

  it('gives servers of several folders, one started before the other has its ports, ports of their own', async () => {
    const others = [1, 2, 3].map(() => mkdtempSync(path.join(os.tmpdir(), 'everband-test-')));
    try {
      const start = async (folder: string, i: number) => {
        await sleep(i * 60);
        return startServer(folder, quiet);
      };
      const found = await Promise.all(others.map(start));
      assert.equal(new Set(found.map(({ address }) => address)).size, 3);
    } finally {
      for (const folder of others) {
        await stopServer(folder);
        rmSync(folder, { recursive: true, force: true });
      }
    }
  });

  it('refuses a database of another server version, once stopped; stopping twice is fine', async () => {
    assert.equal(await stopServer(cluster.stateDir), true);
    assert.equal(await stopServer(cluster.stateDir), false);
    writeFileSync(file, JSON.stringify({ ...read(), version: '1.20.3' }));
    await assert.rejects(startServer(cluster.stateDir, quiet), /belongs to Temporal server 1\.20\.3[^]*Fix: /);
  });
});
