import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { acquireTemporalCli, cachedCli, lock } from '../../cluster/temporal-cli.js';

const source = fileURLToPath(new URL('../../cluster/temporal-cli.ts', import.meta.url));
const works = `#!/bin/sh\necho 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)'\n`;
/** A `go` that takes a while and leaves a mark for each build. */
const slowGo = `#!/bin/sh
[ "$1" = version ] && exit 0
echo build >> "$EVERBAND_CACHE/builds"
sleep 0.5
printf "%s" "$FAKE_TEMPORAL" > "$GOBIN/temporal"
chmod +x "$GOBIN/temporal"
`;
const noGo = '#!/bin/sh\nexit 1\n';

function program(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, 0o755);
}

describe('acquiring the Temporal CLI', function () {
  this.timeout(20_000);
  const before = { ...process.env };
  let folder = '';
  let bin = '';
  let said: string[] = [];
  const say = (line: string): void => void said.push(line);

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'everband-cache-'));
    bin = path.join(folder, 'bin');
    said = [];
    program(path.join(bin, 'go'), slowGo);
    Object.assign(process.env, {
      PATH: `${bin}:/usr/bin:/bin`,
      EVERBAND_CACHE: folder,
      EVERBAND_OFFLINE: '1',
      FAKE_TEMPORAL: works,
    });
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(folder, { recursive: true, force: true });
  });

  const builds = (): number =>
    existsSync(path.join(folder, 'builds'))
      ? readFileSync(path.join(folder, 'builds'), 'utf8').split('\n').length - 1
      : 0;
  const leftovers = (): string[] => readdirSync(path.dirname(cachedCli())).filter((name) => name !== 'temporal');

  it('takes the one on PATH when it is new enough, and says when it is not', async () => {
    program(path.join(bin, 'temporal'), works);
    assert.equal(await acquireTemporalCli(say), 'temporal');
    program(path.join(bin, 'temporal'), `#!/bin/sh\necho 'temporal version 1.3.0 (Server 1.27.1, UI 2.36.0)'\n`);
    assert.equal(await acquireTemporalCli(say), cachedCli());
    assert.match(said.join('\n'), /1\.5\.1 on PATH[^]*1\.3\.0 on PATH is too old[^]*building/);
  });

  it('takes the one in the cache and builds nothing', async () => {
    program(cachedCli(), works);
    assert.equal(await acquireTemporalCli(say), cachedCli());
    assert.deepEqual(said, ['Temporal CLI: 1.5.1 from the cache']);
    assert.equal(builds(), 0);
  });

  it('builds once for processes that set up at the same time', async () => {
    const script = `import { acquireTemporalCli } from ${JSON.stringify(source)}; console.log(await acquireTemporalCli(() => {}));`;
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script] as const;
    const found = await Promise.all(
      [1, 2, 3].map(async () => {
        const child = spawn(node[0], node.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
        let out = '';
        child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
        await once(child, 'close');
        return out.trim();
      })
    );
    assert.deepEqual(found, [cachedCli(), cachedCli(), cachedCli()]);
    assert.equal(builds(), 1);
    assert.deepEqual(leftovers(), []);
  });

  it('makes a half-written program in the cache anew', async () => {
    program(cachedCli(), 'PK half of a program\0\0');
    chmodSync(cachedCli(), 0o644);
    assert.equal(await acquireTemporalCli(say), cachedCli());
    assert.equal(readFileSync(cachedCli(), 'utf8'), works.trimEnd() + '\n');
    assert.match(said.join('\n'), /the one in the cache does not run/);
  });

  it('takes over from a set-up that was killed, and removes what it left', async () => {
    const { pid } = spawnSync('true');
    mkdirSync(`${cachedCli()}.${pid}.tmp`, { recursive: true });
    writeFileSync(`${cachedCli()}.lock`, `${pid} gone`);
    assert.equal(await acquireTemporalCli(say), cachedCli());
    assert.deepEqual(leftovers(), []);
  });

  it('lets one of many take over an abandoned lock, one after another', async () => {
    const file = path.join(folder, 'a.lock');
    writeFileSync(file, `${spawnSync('true').pid} gone`);
    let inside = 0;
    await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const release = await lock(file, say);
        assert.equal(++inside, 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside--;
        release();
      })
    );
    assert.ok(!existsSync(file));
  });

  it('lists what it tried and the fix when nothing works, and leaves nothing half-made', async () => {
    program(path.join(bin, 'go'), noGo);
    await assert.rejects(acquireTemporalCli(say), ({ message }: Error) => {
      const order =
        /no cluster is named[^]*not on PATH[^]*not in the cache[^]*official download: skipped[^]*build with Go: Go is not installed/;
      assert.match(message, order);
      assert.equal(message.split('\n').filter((line) => line.startsWith('Fix: ')).length, 1);
      return true;
    });
    assert.deepEqual(leftovers(), []);
  });

  describe('by download', () => {
    let server: http.Server;
    let answer: (response: http.ServerResponse) => void;
    let from = '';
    beforeEach(async () => {
      delete process.env['EVERBAND_OFFLINE'];
      server = http.createServer((_request, response) => answer(response)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      from = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/archive`;
    });
    afterEach(() => {
      server.closeAllConnections();
      server.close();
    });
    function archive(): Buffer {
      program(path.join(folder, 'made', 'temporal'), works);
      spawnSync('tar', ['-czf', path.join(folder, 'made.tar.gz'), '-C', path.join(folder, 'made'), 'temporal']);
      return readFileSync(path.join(folder, 'made.tar.gz'));
    }

    it('takes longer than a connection may, so long as bytes come', async () => {
      const bytes = archive();
      answer = (response) => {
        response.write(bytes.subarray(0, 20));
        setTimeout(() => response.end(bytes.subarray(20)), 5500);
      };
      assert.equal(await acquireTemporalCli(say, { downloadFrom: from }), cachedCli());
      assert.equal(builds(), 0);
    });

    it('cut short leaves nothing behind, and Go builds', async () => {
      const bytes = archive();
      answer = (response) => {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 30), () => response.destroy());
      };
      assert.equal(await acquireTemporalCli(say, { downloadFrom: from }), cachedCli());
      assert.equal(builds(), 1);
      assert.deepEqual(leftovers(), []);
    });

    it('refused says so, and Go builds', async () => {
      answer = (response) => response.writeHead(403).end();
      assert.equal(await acquireTemporalCli(say, { downloadFrom: from }), cachedCli());
      assert.match(said.join('\n'), /official download: answered 403/);
    });
  });
});
