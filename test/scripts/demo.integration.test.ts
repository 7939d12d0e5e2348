import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ownPorts } from '../../chaos/ports.js';
import { imagesPackage } from '../../examples/digits/images.js';
import { cacheDir } from '../../cluster/state.js';
import { stopServer } from '../../cluster/server.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the demo of the package as it is published', function () {
  this.timeout(600_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-packed-'));
  const [cache, project, state] = ['cache', 'project', 'state'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  const environment = { ...process.env, EVERBAND_CACHE: cache, EVERBAND_HOME: state, EVERBAND_OFFLINE: '' };
  const everband = (...args: string[]) =>
    run(path.join(project, 'node_modules', '.bin', 'everband'), args, { cwd: project, env: environment });

  before(async () => {
    for (const one of [cache, project]) mkdirSync(one);
    ownPorts(state);
    // The Temporal CLI is no part of what is looked at here.
    symlinkSync(path.join(cacheDir(), 'temporal'), path.join(cache, 'temporal'));
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
    writeFileSync(path.join(project, 'package.json'), '{"private":true}');
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
    const packed = path.join(folder, `everband-${version}.tgz`);
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', packed], { cwd: project });
  });
  after(async () => {
    await stopServer(state);
    rmSync(folder, { recursive: true, force: true });
  });

  it('installs its images when it first runs, says so, and trains on them', async () => {
    assert.ok(!existsSync(path.join(project, 'node_modules', imagesPackage.name)));
    const { stdout } = await everband('demo');
    const { name, version, integrity } = imagesPackage;
    assert.ok(stdout.includes(`installing the npm package ${name} ${version} (${integrity})`), stdout);
    assert.match(stdout, /^study digits-1 finished: 49 trials/m);
    const again = await everband('demo');
    assert.ok(!again.stdout.includes('installing'), again.stdout);
    assert.match(again.stdout, /^study digits-2 finished: 49 trials/m);
  });
});
