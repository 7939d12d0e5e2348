import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { StudyRecord } from '../../core/record.js';
import { browserPath, flags } from '../browser.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const script = '/test/core/browser-study.mjs';
const hashes = '/node_modules/@noble/hashes/';
/** What a page says that takes the core without a bundler: where the package is that makes its digests. */
const imports = JSON.stringify({ imports: { '@noble/hashes/': hashes } });

describe('the core in a browser', function () {
  this.timeout(60_000);

  it('makes of every study the bytes that Node makes of it', async function () {
    const executablePath = browserPath(this);
    const requests: string[] = [];
    const server = http.createServer(({ url = '' }, response) => {
      requests.push(url);
      const file = path.join(root, url);
      if (url === '/')
        response
          .writeHead(200, { 'content-type': 'text/html' })
          .end(`<!doctype html><title>core</title><script type="importmap">${imports}</script>`);
      else if ([script, '/dist/core/', hashes].some((start) => url.startsWith(start)) && existsSync(file))
        response.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(file));
      else response.writeHead(404).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const browser = await chromium.launch({ executablePath, headless: true, args: flags });
    try {
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      await page.goto(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}/`);
      const there = (await page.evaluate(`import('${script}').then(({ records }) => records())`)) as Record<
        string,
        string
      >;
      const { records } = (await import(path.join(root, script))) as { records(): Promise<Record<string, string>> };
      const here = await records();
      assert.deepEqual(Object.keys(there), Object.keys(here));
      for (const [name, record] of Object.entries(here)) {
        assert.equal(there[name], record, name);
        const { result } = JSON.parse(record) as StudyRecord;
        assert.equal(result.ended, 'finished');
        assert.ok(result.fates.diverged > 0 && result.best?.reachedMaxBudget, name);
      }
      assert.deepEqual(problems, []);
      assert.ok(
        requests.every(
          (url) =>
            url === '/' ||
            url === script ||
            /^\/(dist\/core|node_modules\/@noble\/hashes)\/[a-z0-9_/-]+\.js$|^\/favicon/.test(url)
        ),
        requests.join(' ')
      );
    } finally {
      await browser.close();
      server.close();
    }
  });
});
