import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CommandTrainer } from '../../core/study.js';
import { allow, allowedBy, allowedEntries, requireAllowed } from '../../trust/allowed.js';
import { loadsCode } from '../../trust/environment.js';
import { programOf, ProgramError } from '../../trust/programs.js';
import { PlaceError, within } from '../../trust/places.js';
import { readSecret, redacted, Redactor, SecretError } from '../../trust/secrets.js';

const root = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'everband-programs-')));
const bin = path.join(root, 'bin');
const work = path.join(root, 'work');
before(() => {
  mkdirSync(bin);
  mkdirSync(work);
  for (const name of ['python3.11', 'node', 'sh', 'env', 'uv', 'torchrun', 'mytrainer', 'perl5.36.0']) {
    writeFileSync(path.join(bin, name), '#!/bin/true\n');
    chmodSync(path.join(bin, name), 0o755);
  }
  symlinkSync('python3.11', path.join(bin, 'python3'));
  symlinkSync('sh', path.join(bin, 'innocent'));
  for (const name of ['train.py', 'dev', 'train.mjs', 'train.sh']) writeFileSync(path.join(work, name), '');
  symlinkSync('train.py', path.join(work, 'linked.py'));
});
after(() => rmSync(root, { recursive: true }));

const look = (...command: string[]) => programOf(command, work, bin);

describe('what a command runs', () => {
  const python = () => ({ program: path.join(bin, 'python3'), real: path.join(bin, 'python3.11'), folder: work });
  const script = () => path.join(work, 'train.py');
  const up = (...words: string[]) => ({ ...python(), words: [...words, script()], files: [script()], open: true });

  it('is an interpreter with its script, by real path, and whatever follows', () => {
    assert.deepEqual(look('python3', 'train.py', '--lr', '{lr}'), up());
    assert.deepEqual(look('python3', './linked.py'), up());
    assert.deepEqual(look('python3', '-u', '-X', 'dev', 'train.py', '-c', 'x'), up('-u', '-X', 'dev'));
    assert.deepEqual(look('python3', '-E', 'train.py'), up('-E'));
    assert.deepEqual(look('sh', '-e', 'train.sh', '-c', 'x').words, ['-e', path.join(work, 'train.sh')]);
    assert.deepEqual(look('node', '--import', 'dev', 'train.mjs').words.at(-1), path.join(work, 'train.mjs'));
  });

  it('is a module in the folder where it is started; of one that runs what its arguments say, all of them', () => {
    const module = { ...python(), words: ['-m', 'pkg.train'], files: [], open: true };
    assert.deepEqual(look('python3', '-m', 'pkg.train', '--lr', '1'), module);
    assert.deepEqual(look('python3', '-um', 'pkg.train').words, ['-um', 'pkg.train']);
    assert.deepEqual(look('python3', '-mpkg.train', 'x').words, ['-mpkg.train']);
    const launched = look('python3', '-m', 'torch.distributed.run', '--nproc', '2', 'train.py');
    assert.deepEqual([launched.open, launched.words.length, launched.files], [false, 5, [script()]]);
  });

  it('is all of a command whose program is no interpreter', () => {
    const own = path.join(bin, 'mytrainer');
    const whole = { program: own, real: own, words: ['-c', '{x}'], files: [], folder: work, open: false };
    assert.deepEqual(look('mytrainer', '-c', '{x}'), whole);
    assert.deepEqual(look('mytrainer', '--fast', '...'), { ...whole, words: ['--fast'], open: true });
    const uv = look('uv', 'run', 'train.py', '--lr', '1');
    assert.deepEqual([uv.words, uv.files, uv.open], [['run', 'train.py', '--lr', '1'], [script()], false]);
    // An interpreter inside is called as it is: in a virtual environment its path says which.
    assert.deepEqual(look('env', 'A=b', 'python3', 'train.py').words, ['A=b', 'python3', 'train.py']);
    assert.equal(look('torchrun', '-c', '4', 'train.py').open, false);
  });

  const never: readonly (readonly [readonly string[], RegExp])[] = [
    [['python3'], /has no script or module for python3/],
    [['python3', 'nowhere.py'], /has no script/],
    [['python3', '-c', 'print(1)', 'train.py'], /its code in an argument or on standard input \(-c\)/],
    [['python3', '-uc', 'print(1)'], /\(-uc\)/],
    [['python3', '-cimport os', 'train.py'], /\(-cimport os\)/],
    [['python3', '-'], /standard input \(-\)/],
    [['python3', '/dev/stdin'], /standard input/],
    [['python3', '-m'], /names no module/],
    [['python3', '-m', '{module}'], /names no module/],
    [['node', '-e', 'x', 'train.mjs'], /\(-e\)/],
    [['node', '--eval=x', 'train.mjs'], /--eval=x/],
    [['node', '-p', 'x'], /\(-p\)/],
    [['sh', '-c', 'x'], /\(-c\)/],
    [['sh', '-lc', 'x'], /\(-lc\)/],
    [['sh', '-s'], /\(-s\)/],
    [['innocent', '-c', 'x'], /its code in an argument/],
    [['perl5.36.0', '-e', 'x'], /code in an argument/],
    [['env', 'python3', '-c', 'x'], /\(-c\)/],
    [['env', path.join(bin, 'python3'), '-c', 'x', 'train.py'], /\(-c\)/],
    [['env', 'python3'], /has no script/],
    [['env'], /has no script/],
    [['uv', 'run', 'nowhere'], /has no script/],
    [['uv', 'run', '-'], /standard input/],
    [['{program}', 'train.py'], /has a placeholder, \{program\}, for its program/],
    [['python3', '{script}'], /has a placeholder, \{script\}, before or in its script/],
    [['python3', 'train-{x}.py'], /placeholder/],
    [['nobody', 'train.py'], /names a program, nobody, that is not on this machine/],
    [[''], /names a program/],
  ];
  for (const [command, message] of never) {
    it(`is never ${JSON.stringify(command)}`, () => {
      assert.throws(
        () => look(...command),
        (error: Error) => error instanceof ProgramError && message.test(error.message)
      );
    });
  }
});

describe('what an operator allowed', () => {
  const before = process.env['PATH'];
  let stateDir: string;
  beforeEach(() => {
    stateDir = mkdtempSync(path.join(root, 'state-'));
    process.env['PATH'] = bin;
  });
  afterEach(() => (process.env['PATH'] = before));
  const trainer = (command: string[], more: Partial<CommandTrainer> = {}): CommandTrainer => {
    return { type: 'command', command, cwd: work, env: {}, ...more };
  };

  it('runs with other arguments, and nothing else does', () => {
    assert.equal(allow(stateDir, allowedBy(trainer(['python3', 'train.py', '--lr', '1']))), true);
    assert.equal(allow(stateDir, allowedBy(trainer(['python3', 'linked.py']))), false);
    requireAllowed(stateDir, trainer(['python3', 'train.py', '--lr', '2', '-c', 'x']));
    const refused = (one: CommandTrainer) => assert.throws(() => requireAllowed(stateDir, one), /has not allowed/);
    refused(trainer(['python3', 'dev']));
    refused(trainer(['python3', '-u', 'train.py']));
    refused(trainer(['node', 'train.mjs']));
    refused(trainer(['python3', path.join(work, 'train.py')], { cwd: root }));
    assert.equal(allowedEntries(stateDir).length, 1);
    // Whatever option takes a file: of a launcher all arguments count.
    allow(stateDir, allowedBy(trainer(['torchrun', '--config', 'dev', 'train.py'])));
    requireAllowed(stateDir, trainer(['torchrun', '--config', 'dev', 'train.py']));
    refused(trainer(['torchrun', '--config', 'dev', 'train.sh']));
    allow(stateDir, allowedBy(trainer(['mytrainer', '--fast', '...'])));
    requireAllowed(stateDir, trainer(['mytrainer', '--fast', '{lr}']));
    refused(trainer(['mytrainer', '--slow']));
    for (const cut of ['', '{', 'null', '7']) {
      writeFileSync(path.join(stateDir, 'allowed', 'x.json'), cut);
      refused(trainer(['python3', 'dev']));
    }
  });

  it('is worth nothing in a folder that others write to', () => {
    allow(stateDir, allowedBy(trainer(['python3', 'train.py'])));
    chmodSync(path.join(stateDir, 'allowed'), 0o770);
    assert.throws(
      () => requireAllowed(stateDir, trainer(['python3', 'train.py'])),
      /open to other users.*Fix: chmod go-w/
    );
  });

  it('is not what another program of its name is: a virtual environment, a link that was put in its place', () => {
    allow(stateDir, allowedBy(trainer(['python3', 'train.py'])));
    const other = path.join(root, 'other-bin');
    mkdirSync(other, { recursive: true });
    symlinkSync(path.join(bin, 'python3.11'), path.join(other, 'python3'));
    const one = trainer([path.join(other, 'python3'), 'train.py']);
    assert.throws(() => requireAllowed(stateDir, one), /has not allowed/);
    rmSync(other, { recursive: true });
  });

  it('sets what loads code only where that was allowed by name', () => {
    const env = { PYTHONPATH: '/x', DATA: '/y' };
    allow(stateDir, allowedBy(trainer(['python3', 'train.py'])));
    const refused = () => requireAllowed(stateDir, trainer(['python3', 'train.py'], { env }));
    assert.throws(refused, /with PYTHONPATH in its environment.*--allow-env PYTHONPATH/);
    allow(stateDir, allowedBy(trainer(['python3', 'train.py'], { env })));
    refused();
    requireAllowed(stateDir, trainer(['python3', 'train.py'], { env: { DATA: '/y' } }));
  });

  it('knows the names that load code', () => {
    for (const name of [
      'PATH',
      'LD_PRELOAD',
      'PYTHONPATH',
      'PYTHONSTARTUP',
      'NODE_OPTIONS',
      'BASH_ENV',
      'ld_preload',
      'EVERBAND_HOME',
    ]) {
      assert.ok(loadsCode(name), name);
    }
    for (const name of [
      'DATA',
      'PYTHONHASHSEED',
      'NODE_ENV',
      'OMP_NUM_THREADS',
      'CUDA_VISIBLE_DEVICES',
      'WANDB_PROJECT',
    ]) {
      assert.ok(!loadsCode(name), name);
    }
  });
});

describe('places and secrets', () => {
  it('are below their folder: no name and no link leads out', () => {
    const state = mkdtempSync(path.join(root, 'places-'));
    assert.equal(within(state, 'studies', 'x'), path.join(state, 'studies', 'x'));
    for (const name of ['..', '.', '', 'a/b', '../x', '/x', '.x', 'a\0', 'x'.repeat(201), 7 as never]) {
      assert.throws(() => within(state, name), PlaceError, String(name));
    }
    symlinkSync(work, path.join(state, 'studies'));
    assert.throws(() => within(state, 'studies', 'x'), /is a symbolic link.*Fix: .*EVERBAND_HOME/);
    symlinkSync(state, path.join(root, 'linked-state'));
    within(path.join(root, 'linked-state'), 'other');
  });

  it("are the worker's: from its folder or its environment, and shown to nobody", () => {
    const state = mkdtempSync(path.join(root, 'secrets-'));
    mkdirSync(path.join(state, 'secrets'));
    writeFileSync(path.join(state, 'secrets', 'db'), 'geheim\n', { mode: 0o600 });
    writeFileSync(path.join(state, 'secrets', 'open'), 'geheim', { mode: 0o644 });
    assert.throws(() => readSecret(state, 'open'), /must be this user's alone/);
    assert.equal(readSecret(state, 'db'), 'geheim');
    process.env['EVERBAND_SECRET_W_B'] = 'other';
    assert.equal(readSecret(state, 'w-b'), 'other');
    delete process.env['EVERBAND_SECRET_W_B'];
    assert.throws(() => readSecret(state, 'w-b'), /does not have the secret w-b. Fix: set EVERBAND_SECRET_W_B/);
    assert.throws(() => readSecret(state, '../key'), SecretError);
    assert.equal(redacted('a geheim b geheimer', ['geheim', 'ein', 'geheimer']), 'a *** b ***');
    assert.equal(redacted('first\nsecond', ['first\nsecond']), '***');
    assert.equal(redacted('line second', ['first\nsecond']), 'line ***');
  });

  it('are taken out of a stream wherever it is cut, and nothing else is', () => {
    const secrets = ['geheim', 'gegeheim', 'süßes'];
    const whole = Buffer.from('ge gegeheimnis geheim\nsüßes gehe');
    for (let first = 0; first <= whole.length; first++) {
      for (let second = first; second <= whole.length; second++) {
        let shown = '';
        const redactor = new Redactor(secrets, (text) => (shown += text.toString('latin1')));
        for (const part of [whole.subarray(0, first), whole.subarray(first, second), whole.subarray(second)])
          redactor.push(part);
        redactor.flush();
        assert.equal(Buffer.from(shown, 'latin1').toString(), 'ge ***nis ***\n*** gehe', `${first} ${second}`);
      }
    }
  });
});
