import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { logFiles, TrialLog } from '../../trainers/trial-log.js';

describe("a trial's log", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'everband-log-'));
    file = path.join(folder, 'logs/t.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = async (fileBytes: number, lines: readonly string[]): Promise<void> => {
    const log = new TrialLog(folder, 't', { fileBytes });
    for (const line of lines) log.write(`${line}\n`);
    await log.close();
  };
  const numbered = (count: number) => Array.from({ length: count }, (_, i) => `line ${i + 1}`);
  const all = () =>
    logFiles(folder, 't')
      .map((one) => readFileSync(one, 'utf8'))
      .join('');

  it('goes on over attempts', async () => {
    await write(1000, ['one']);
    await write(1000, ['two']);
    assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\n');
  });

  it('is kept in two files of a size, and says how much is gone', async () => {
    for (let attempt = 0; attempt < 4; attempt++) await write(1000, numbered(100));
    assert.deepEqual(readdirSync(path.dirname(file)).sort(), ['t.log', 't.log.1']);
    assert.deepEqual(
      logFiles(folder, 't').map((one) => path.basename(one)),
      ['t.log.1', 't.log']
    );
    for (const one of logFiles(folder, 't')) assert.ok(statSync(one).size <= 1000, one);
    const lines = all().trimEnd().split('\n');
    assert.equal(lines.at(-1), 'line 100');
    const heads = lines.filter((line) => line.startsWith('---'));
    const gone = Number(
      /^--- this log goes on from t\.log\.1; (\d+) bytes before that file are gone$/.exec(heads[1] ?? '')?.[1]
    );
    // Whole lines alone are left, and all bytes are accounted for, but for the heads of the files that are gone.
    const text = (numbered(100).join('\n') + '\n').length;
    const left = lines.filter((line) => !line.startsWith('---'));
    assert.ok(left.every((line) => /^line \d+$/.test(line)));
    const kept = left.join('\n').length + 1;
    assert.ok(gone + kept >= 4 * text && gone + kept < 4 * text + 300, `${gone} gone, ${kept} kept of ${4 * text}`);
  });

  it('takes a line that is larger than a file in pieces', async () => {
    const long = 'x'.repeat(150_000);
    await write(100_000, ['first', long]);
    assert.ok(all().replace(/---.*\n/, '') === `first\n${long}\n`);
    for (const one of logFiles(folder, 't')) assert.ok(statSync(one).size <= 100_000);
  });

  it('is written by two at once', async () => {
    const logs = [1, 2].map(() => new TrialLog(folder, 't', { fileBytes: 5000 }));
    for (const line of numbered(300)) {
      for (const log of logs) log.write(`${line}\n`);
      await logs[0]?.room();
    }
    for (const log of logs) await log.close();
    assert.ok(all().endsWith('line 300\nline 300\n') || all().split('line 300\n').length === 3);
    assert.deepEqual(readdirSync(path.dirname(file)).sort(), ['t.log', 't.log.1']);
  });

  it('goes without what a full disk does not take, and says so when there is room again', async function () {
    if (!existsSync('/dev/full')) this.skip();
    mkdirSync(path.dirname(file));
    const log = new TrialLog(folder, 't');
    symlinkSync('/dev/full', file);
    log.write('lost\n');
    await log.room();
    unlinkSync(file);
    log.write('there\n');
    await log.close();
    assert.equal(readFileSync(file, 'utf8'), '\n--- 5 bytes could not be written to this log\nthere\n');
  });

  it('makes nobody wait longer than a second for a disk that takes nothing, and keeps no more than 4 MiB', async () => {
    mkdirSync(path.dirname(file));
    // Opening a pipe that nobody reads does not come back, like a network file system that is away.
    execFileSync('mkfifo', [file]);
    const log = new TrialLog(folder, 't');
    try {
      for (let i = 0; i < 30; i++) log.write(Buffer.alloc(1 << 17, '\n'));
      assert.equal(log.full, true);
      await log.room();
      assert.equal(log.full, false);
      for (let i = 0; i < 1000; i++) log.write(Buffer.alloc(1 << 17, '\n'));
      assert.equal(log.full, false);
      await log.close();
    } finally {
      closeSync(openSync(file, constants.O_RDONLY | constants.O_NONBLOCK));
      unlinkSync(file);
    }
  });

  it('of a folder that is gone is dropped, and the folder does not come back', async () => {
    const log = new TrialLog(folder, 't');
    rmSync(path.join(folder, 'logs'), { recursive: true });
    log.write('lost\n');
    await log.close();
    assert.equal(existsSync(path.join(folder, 'logs')), false);
  });
});
