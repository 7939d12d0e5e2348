import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/scripts/everband.js', import.meta.url));

describe('everband logs', function () {
  this.timeout(60_000);
  let stateDir: string;
  let file: string;
  beforeEach(() => {
    stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-logs-'));
    file = path.join(stateDir, 'studies/s/logs/t.log');
    mkdirSync(path.dirname(file), { recursive: true });
  });
  afterEach(() => rmSync(stateDir, { recursive: true }));
  const env = () => ({ ...process.env, EVERBAND_HOME: stateDir, TEMPORAL_ADDRESS: '127.0.0.1:1' });

  it('shows both files of a log in order, and what a terminal would obey', () => {
    writeFileSync(`${file}.1`, 'one\nhalf a char');
    writeFileSync(file, 'acter\n\x1b[2Jgone \x9b2J é\ntwo\r\n');
    const { stdout, status } = spawnSync(process.execPath, [cli, 'logs', 's', 't'], { env: env(), encoding: 'utf8' });
    assert.equal(stdout, 'one\nhalf a character\n\\u001b[2Jgone \\u009b2J é\ntwo\n');
    assert.equal(status, 0);
  });

  it('follows a log from one file into the next', async () => {
    writeFileSync(file, 'one\n');
    const child = spawn(process.execPath, [cli, 'logs', 's', 't', '--follow'], { env: env() });
    try {
      let printed = '';
      child.stdout.on('data', (text: Buffer) => (printed += text.toString()));
      const shows = async (text: string): Promise<void> => {
        for (let tries = 0; printed !== text; tries++) {
          assert.ok(tries < 400, printed);
          await sleep(50);
        }
      };
      await shows('one\n');
      appendFileSync(file, 'two\n');
      await shows('one\ntwo\n');
      appendFileSync(file, 'three\n');
      renameSync(file, `${file}.1`);
      writeFileSync(file, 'four\n');
      await shows('one\ntwo\nthree\nfour\n');
      appendFileSync(file, 'five\n');
      await shows('one\ntwo\nthree\nfour\nfive\n');
    } finally {
      child.kill('SIGKILL');
    }
  });
});
