import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { copyFiles, describeFiles, linkOnTheWay, removeWithin } from '../../trainers/checkpoint-files.js';

describe('files beside which a trainer writes', () => {
  let root: string;
  let outside: string;
  beforeEach(() => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-files-'));
    [root, outside] = [path.join(folder, 'root'), path.join(folder, 'outside')];
    mkdirSync(path.join(root, 'a/b'), { recursive: true });
    mkdirSync(path.join(outside, 'b'), { recursive: true });
    for (const file of ['root/a/b/one', 'root/a/two', 'outside/b/one']) writeFileSync(path.join(folder, file), 'text');
  });
  afterEach(() => rmSync(path.dirname(root), { recursive: true }));

  it('are removed, a file or a whole folder, and what is not there is no error', async () => {
    await removeWithin(root, 'a/two');
    assert.deepEqual(readdirSync(path.join(root, 'a')), ['b']);
    await removeWithin(root, 'a');
    await removeWithin(root, 'a/b/one');
    assert.deepEqual(readdirSync(root), []);
    await removeWithin(path.join(root, 'nowhere'), 'a');
  });

  it('are not removed behind a link, and links themselves are', async () => {
    symlinkSync(outside, path.join(root, 'link'));
    symlinkSync(outside, path.join(root, 'a/link'));
    await removeWithin(root, 'link/b/one');
    await removeWithin(root, 'link/b');
    await removeWithin(root, 'a');
    await removeWithin(root, 'link');
    assert.deepEqual(readdirSync(root), []);
    assert.ok(existsSync(path.join(outside, 'b/one')));
  });

  it('are not removed above the folder', async () => {
    for (const name of ['../outside', 'a/../../outside', outside, '', '.']) {
      await assert.rejects(removeWithin(root, name), /is not inside|itself/, name);
    }
    assert.ok(existsSync(path.join(outside, 'b/one')));
  });

  it('are neither described nor copied behind a link', async () => {
    const files = await describeFiles(root, 'a');
    assert.deepEqual(
      files.map((file) => file.path),
      ['a/b/one', 'a/two']
    );
    rmSync(path.join(root, 'a/b'), { recursive: true });
    symlinkSync(path.join(outside, 'b'), path.join(root, 'a/b'));
    await assert.rejects(describeFiles(root, 'a/b/one'), /ENOTDIR|ELOOP/);
    await assert.rejects(describeFiles(root, 'a'), /a\/b is neither a file nor a folder/);
    for (const linked of [true, false]) {
      assert.equal(await copyFiles(root, files, path.join(root, `copy-${linked}`), linked), false);
    }
    assert.equal(linkOnTheWay(root, 'a/b/one'), 'a/b');
    assert.equal(linkOnTheWay(root, 'a/two'), null);
  });
});
