import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ActivityTrainer, CommandTrainer } from '../../core/study.js';
import { KeyError, makeSealKeys, sealKeys } from '../../trust/key.js';
import { sealOf, sealProblem, type Claim } from '../../trust/seal.js';

interface Case {
  readonly what: string;
  /** In base64. */
  readonly keys: readonly string[];
  readonly seal: string | null;
  readonly claim: Claim;
  readonly problem: string | null;
}

const file = fileURLToPath(new URL('../fixtures/seal.json', import.meta.url));
const trainer: CommandTrainer = {
  ...{ type: 'command', command: ['python3', '/x/träiner.py', '--lr', '1e-7'], cwd: '/x' },
  env: { A: 'b\n"c"', TOKEN: { secret: 'wandb' } },
};
const settings: ActivityTrainer = {
  ...{ type: 'activity', taskQueue: 'gpu', activity: 'trainSegment' },
  settings: { b: [1, 2.5, 1e21, 1e-7, -0], a: { 'ü€': null, z: true } },
};
const asked = { taskQueue: 'q', activity: 'predict' };
const [one, two] = ['k'.repeat(32), 'm'.repeat(40)].map((text) => Buffer.from(text)) as [Buffer, Buffer];
const text = (key: Buffer) => key.toString('base64');

/** Written anew with EVERBAND_WRITE_FIXTURES=1. */
function cases(): Case[] {
  const seal = sealOf([one], { study: 's', trainer, predictor: null });
  const more = sealOf([two], { study: 's', trainer: settings, predictor: asked });
  const sound = { keys: [text(one)], seal, problem: null };
  const foreign = 'carries a seal of another study, or of a key that this worker does not have';
  return [
    { ...sound, what: 'what was sealed', claim: { study: 's', trainer, predictor: null } },
    { ...sound, what: 'the name alone', claim: { study: 's' } },
    {
      ...{ what: 'an older key', keys: [text(one), text(two)], seal: more, problem: null },
      claim: { study: 's', trainer: settings, predictor: asked },
    },
    { ...sound, what: 'another name', claim: { study: 't', trainer }, problem: foreign },
    { ...sound, what: 'another key', keys: [text(two)], claim: { study: 's' }, problem: foreign },
    {
      ...{ ...sound, what: 'another trainer', problem: 'was sealed with another trainer' },
      claim: { study: 's', trainer: { ...trainer, cwd: '/y' } },
    },
    {
      ...{ ...sound, what: 'another predictor', problem: 'was sealed with another predictor' },
      claim: { study: 's', predictor: asked },
    },
    { ...sound, what: 'none', seal: null, claim: { study: 's' }, problem: 'carries no seal' },
    { ...sound, what: 'no seal', seal: 'x', claim: { study: 's' }, problem: 'carries something that is no seal' },
    { ...sound, what: 'a part changed', seal: `${seal.slice(0, -2)}xx`, claim: { study: 's' }, problem: foreign },
  ];
}

describe('seals', () => {
  if (process.env['EVERBAND_WRITE_FIXTURES']) writeFileSync(file, `${JSON.stringify({ cases: cases() }, null, 2)}\n`);

  it('are those of the fixture, which Python reads too', () => {
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify({ cases: cases() })));
  });

  for (const { what, keys, seal, claim, problem } of cases()) {
    it(`tell ${what}`, () => {
      const known = keys.map((key) => Buffer.from(key, 'base64'));
      assert.equal(
        sealProblem(() => known, seal, claim),
        problem
      );
    });
  }

  it('are nothing else: numbers, lists and mappings are told too', () => {
    for (const seal of [7, [], {}, true, '....', 'v1.a.b.c.d', 'v2.a.b.c', 'v1...']) {
      assert.match(String(sealProblem(() => assert.fail('asked for a key'), seal, { study: 's' })), /carries/);
    }
  });
});

describe('the key that studies are sealed with', () => {
  const before = { ...process.env };
  let stateDir: string;
  beforeEach(() => {
    stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-key-'));
    delete process.env['EVERBAND_KEY'];
    delete process.env['EVERBAND_KEY_FILE'];
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(stateDir, { recursive: true });
  });
  const refused = (message: RegExp) =>
    assert.throws(
      () => sealKeys(stateDir),
      (error: Error) => error instanceof KeyError && message.test(error.message)
    );

  it('is made once, for its owner alone', () => {
    refused(/there is no key in/);
    chmodSync(stateDir, 0o755);
    const [made] = makeSealKeys(stateDir);
    assert.deepEqual(makeSealKeys(stateDir), [made]);
    assert.deepEqual(sealKeys(stateDir), [made]);
    assert.equal(statSync(path.join(stateDir, 'key')).mode & 0o777, 0o600);
    assert.equal(statSync(stateDir).mode & 0o777, 0o700);
    assert.notDeepEqual(makeSealKeys(mkdtempSync(path.join(stateDir, 'other-'))), [made]);
  });

  it('is refused where others can read or replace it', () => {
    const key = path.join(stateDir, 'key');
    makeSealKeys(stateDir);
    chmodSync(key, 0o640);
    refused(/open to other users \(mode 640\).*Fix: chmod go-rwx/);
    chmodSync(key, 0o600);
    chmodSync(stateDir, 0o770);
    refused(/Fix: chmod go-w/);
    chmodSync(stateDir, 0o700);
  });

  it('comes from a file or the environment on a cluster', () => {
    makeSealKeys(stateDir);
    process.env['EVERBAND_KEY_FILE'] = path.join(stateDir, 'nowhere');
    refused(/EVERBAND_KEY_FILE names .*there is no such file/);
    process.env['EVERBAND_KEY_FILE'] = path.join(stateDir, 'key');
    assert.deepEqual(sealKeys('/nowhere'), sealKeys(stateDir));
    process.env['EVERBAND_KEY'] = `${text(one)} ${text(two)}`;
    assert.deepEqual(sealKeys('/nowhere'), [one, two]);
    for (const wrong of ['short', 'x'.repeat(43) + '!', `${text(one)} short`]) {
      process.env['EVERBAND_KEY'] = wrong;
      refused(/EVERBAND_KEY must hold keys of 32 bytes or more in base64/);
    }
  });
});
