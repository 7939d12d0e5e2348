import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

describe('npm test', function () {
  this.timeout(120_000);
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-tests-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const file = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const run = (...files: string[]) => {
    const { status, stdout } = spawnSync(process.execPath, ['scripts/test.mjs', ...files], {
      cwd: root,
      encoding: 'utf8',
    });
    return { status, last: stdout.trimEnd().split('\n').at(-1) };
  };
  const passes = file('passes.mjs', `it('one', () => {}); it('two', () => {});`);

  it('sums all files in its last line', () => {
    const more = file('more.mjs', `it('three', () => {}); it('four', function () { this.skip(); });`);
    assert.deepEqual(run(passes, more), { status: 0, last: '3 passed, 0 failed, 1 skipped' });
  });

  it('fails for a test that fails, a file that cannot be loaded, ends early or tests nothing', () => {
    const fails = file('fails.mjs', `it('one', () => {}); it('two', () => { throw new Error('on purpose'); });`);
    const broken = file('broken.mjs', `import './nowhere.mjs';`);
    const early = file('early.mjs', `it('one', () => process.exit(0));`);
    const empty = file('empty.mjs', '');
    assert.deepEqual(run(passes, fails, broken, early, empty), { status: 1, last: '3 passed, 4 failed' });
  });
});
