import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/scripts/everband.js', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-cli-'));

function everband(...args: string[]): { code: number | null; out: string; err: string } {
  const env = { ...process.env, EVERBAND_HOME: path.join(folder, 'state'), TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

describe('the everband command', function () {
  this.timeout(60_000);

  it('helps with examples and exit codes, without colours when piped', () => {
    const { code, out } = everband('--help');
    assert.equal(code, 0);
    for (const word of ['demo', 'plan', 'server', 'worker', 'start', 'watch', 'list', 'status', 'trials', 'logs', 'retry', 'drop', 'pause', 'resume', 'stop', 'delete', 'report', 'export', 'validate', 'init', 'doctor', 'Exit codes']) {
      assert.match(out, new RegExp(word));
    } // prettier-ignore
    assert.ok(!out.includes('\x1b['));
    assert.equal(everband('strat').code, 2);
  });

  it('writes a study to start from, never over another, and plans it', () => {
    assert.equal(everband('init').code, 0);
    assert.match(everband('init').err, /never overwritten/);
    assert.match(everband('validate', 'study.yaml').out, /is fine/);
    assert.match(
      everband('plan', 'study.yaml', '--epoch-seconds', '10').out,
      /49 trials, 357 epochs.*423 from scratch[^]*59 min/
    );
    assert.equal(JSON.parse(everband('plan', 'study.yaml', '--json').out).epochs, 357);
  });

  it('refuses a wrong study file with every problem, the value seen and the nearest right key', () => {
    writeFileSync(
      path.join(folder, 'wrong.yaml'),
      'name: a b\nspase: {}\nscheduler: { type: hyperband, R: 1.5, eta: 1 }\ntrainer: { module: ./trainer.mjs }\n'
    );
    const { code, err } = everband('start', 'wrong.yaml');
    assert.equal(code, 2);
    assert.match(err, /spase.*did you mean space\?/);
    assert.match(err, /name \(is "a b"\)/);
    assert.match(err, /scheduler\.eta \(is 1\): must be at least 2/);
    assert.match(err, /nothing was started/);
    assert.match(everband('validate', 'nowhere.yaml').err, /there is no such file/);
  });

  it('says in one line what is missing and how to mend it', () => {
    for (const args of [['status', 'x'], ['start', 'study.yaml'], ['pause', 'x'], ['list'], ['watch', 'x']]) {
      const { code, err } = everband(...args);
      assert.equal(code, 1, args.join(' '));
      assert.match(err, /no Temporal server answers at 127\.0\.0\.1:1.*Fix:/, args.join(' '));
      assert.equal(err.trim().split('\n').length, 1, err);
    }
    assert.match(everband('report', 'x').err, /no record of x.*Fix:/);
    assert.match(everband('logs', 'x', 'b1-t001').err, /no log of trial.*Fix:/);
    assert.match(everband('doctor').out, /WRONG.*server[^]*fix: everband server/);
  });
});
