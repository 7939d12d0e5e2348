import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

describe('docs of the core', () => {
  it('have an example that prints what they say', function () {
    this.timeout(30_000);
    const [, example, printed] = /```js\n([^]*?)```[^]*?```text\n([^]*?)```/.exec(read('docs/core.md')) ?? [];
    assert.ok(example && printed);
    // The package imports itself by name, as its users do.
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', example], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(stdout, printed, stderr);
  });

  it('have a page for every algorithm, and links that lead somewhere', () => {
    const pages = readdirSync(path.join(root, 'docs/algorithms')).map((name) => `docs/algorithms/${name}`);
    const overview = read('docs/core.md');
    for (const page of pages)
      assert.ok(overview.includes(`(${page.slice('docs/'.length)})`), `${page} is not in docs/core.md`);
    for (const page of ['docs/core.md', ...pages]) {
      for (const [, link = ''] of read(page).matchAll(/\]\(([^)#]+)\)/g)) {
        // Written by `npm run paper`.
        if (link.startsWith('http') || link.endsWith('paper.md')) continue;
        assert.ok(existsSync(path.join(root, path.dirname(page), link)), `${page} links to ${link}`);
      }
    }
  });
});
