import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import { studyOf } from '../harness.js';

const cli = fileURLToPath(new URL('../../dist/scripts/everband.js', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-cli-'));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function everband(...args: string[]): Ran {
  return everbandWith({}, ...args);
}

function everbandWith(more: NodeJS.ProcessEnv, ...args: string[]): Ran {
  const env = { ...process.env, EVERBAND_HOME: path.join(folder, 'state'), TEMPORAL_ADDRESS: '127.0.0.1:1', ...more };
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

/** A closed study named `closed`, as its workers left it; `changes` go over its study file. */
function record(changes: object = {}): void {
  const { objective, scheduler, predictor, ...rest } = studyOf({
    name: 'closed',
    space: { lr: { float: [0.001, 1], log: true } },
    scheduler: { type: 'hyperband', R: 3, eta: 3 },
    trainer: { command: ['true'] },
    predictor: 'median',
    ...changes,
  });
  const trial = (id: string, index: number, values: number[], fate: 'completed' | 'outranked') => {
    return { id, bracket: 'b0', index, config: { lr: 0.1 }, seed: 1, values, fate };
  };
  const ranking = [
    { trial: 'b0-t001', value: 0.25 },
    { trial: 'b0-t000', value: 0.5 },
  ];
  const round = { index: 0, from: 0, to: 2, trials: ['b0-t000', 'b0-t001'], promoted: [], decision: null, epochs: 4 };
  const closed: StudyRecord = {
    format: 'everband-record/1',
    study: 'closed',
    seed: 0,
    objective,
    sampler: { type: 'random' },
    scheduler,
    predictor,
    brackets: [{ id: 'b0', iteration: 1, s: 0, rounds: [{ bracket: 'b0', ...round, ranking }] }],
    trials: [trial('b0-t000', 0, [0.75, 0.5], 'outranked'), trial('b0-t001', 1, [0.5, 0.25], 'completed')],
    result: {
      ended: 'finished',
      best: { trial: 'b0-t001', config: { lr: 0.1 }, value: 0.25, budget: 2, reachedMaxBudget: true },
      trials: 2,
      epochs: 4,
      plannedEpochs: 11,
      fates: { completed: 1, outranked: 1, stopped: 0, diverged: 0, failed: 0, unfinished: 0 },
      modelsTrained: 0,
      duplicatesAvoided: 0,
      duplicatesKept: 0,
    },
  };
  const place = path.join(folder, 'state', 'studies', 'closed');
  mkdirSync(path.join(place, 'record'), { recursive: true });
  mkdirSync(path.join(place, 'logs'), { recursive: true });
  writeFileSync(path.join(place, 'record', 'study.json'), JSON.stringify({ objective, scheduler, predictor, ...rest }));
  writeFileSync(path.join(place, 'record', 'record.json'), canonicalJson(closed));
  writeFileSync(path.join(place, 'logs', 'b0-t000.log'), 'epoch 1\nepoch 2\n');
}

describe('the everband command', function () {
  this.timeout(60_000);
  after(() => rmSync(folder, { recursive: true, force: true }));

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

  it('has no colours when piped, under CI neither, unless asked', () => {
    const colour = (more: NodeJS.ProcessEnv) =>
      everbandWith({ NO_COLOR: '', ...more }, 'plan', 'study.yaml').out.includes('\x1b[1m');
    assert.equal(colour({ CI: 'true', FORCE_COLOR: '' }), false);
    assert.equal(colour({ CI: '', FORCE_COLOR: '1' }), true);
  });

  for (const [what, ...args] of [
    ['an unknown option', 'list', '--yaml'],
    ['a missing argument', 'status'],
    ['a study name with a path in it', 'delete', '../state'],
    ['a trial with a path in it', 'logs', 'closed', '../record/study'],
    ['an unknown role', 'worker', 'trainer'],
    ['no number of slots', 'worker', 'train', '--slots', 'two'],
    ['an unknown fate', 'trials', 'closed', '--fate', 'lost'],
    ['neither a trial nor --failed', 'retry', 'closed'],
    ['both a trial and --failed', 'retry', 'closed', 'b0-t000', '--failed'],
    ['an epoch that takes no time', 'plan', 'study.yaml', '--epoch-seconds', '0'],
  ] as const) {
    it(`exits with 2 for ${what}`, () => {
      const { code, err } = everband(...args);
      assert.equal(code, 2, err);
      assert.notEqual(err, '');
    });
  }

  it('has examples in the help of every command', () => {
    for (const command of ['start', 'trials', 'retry', 'worker']) {
      assert.match(everband(command, '--help').out, new RegExp(`Examples:\n  everband ${command}\\b`));
    }
  });

  it('writes a Python trainer too', () => {
    const python = path.join(folder, 'python');
    mkdirSync(python);
    const { status } = spawnSync(process.execPath, [cli, 'init', '--python'], { cwd: python });
    assert.equal(status, 0);
    assert.ok(existsSync(path.join(python, 'trainer.py')));
    assert.match(readFileSync(path.join(python, 'study.yaml'), 'utf8'), /^# yaml-language-server: \$schema=/);
    assert.equal(everband('validate', 'python/study.yaml').code, 0);
  });

  it('says in one line that no embedded server runs, and which profile there is not', () => {
    const embedded = everbandWith({ TEMPORAL_ADDRESS: '' }, 'status', 'x');
    assert.match(embedded.err, /^no Temporal server runs here\. Fix: `everband server`/);
    assert.match(everband('server', 'status').err, /^no embedded server runs here\. Fix: /);
    const profile = everbandWith({ TEMPORAL_PROFILE: 'missing' }, 'list');
    assert.equal(profile.code, 2);
    assert.match(profile.err, /^.*missing.*Fix: TEMPORAL_PROFILE.*\n$/i);
  });

  it('answers for a closed study out of its record, without a server', () => {
    record();
    assert.deepEqual(JSON.parse(everband('list', '--json').out), [
      { name: 'closed', state: 'recorded', phase: 'done', best: 0.25 },
    ]);
    assert.match(everband('status', 'closed').out, /closed: done, 4 of 11 epochs[^]*best: b0-t001 loss 0\.25 at 2/);
    assert.match(everband('watch', 'closed').out, /epochs: 4 of Hyperband's 11, 7 saved \(63\.6 %\)/);
    const trials = JSON.parse(everband('trials', 'closed', '--sort', 'value', '--json').out) as { id: string }[];
    assert.deepEqual(
      trials.map(({ id }) => id),
      ['b0-t001', 'b0-t000']
    );
    const outranked = everband('trials', 'closed', '--fate', 'outranked').out;
    assert.match(outranked, /^b0-t000 .* 0\.5 /m);
    assert.doesNotMatch(outranked, /b0-t001/);
    assert.equal(everband('logs', 'closed', 'b0-t000').out, 'epoch 1\nepoch 2\n');
  });

  it('claims no saving where there is none', () => {
    record({ predictor: 'none' });
    assert.match(everband('watch', 'closed').out, /epochs: 4 of Hyperband's 11, 7 not spent \(63\.6 %\)/);
    record({ scheduler: { type: 'asha', R: 3, eta: 3, trials: 2 }, predictor: 'none' });
    assert.match(everband('watch', 'closed').out, /^epochs: 4$/m);
    assert.match(everband('status', 'closed').out, /closed: done, 4 epochs, [^]*^bracket +rung /m);
    assert.equal(everband('trials', 'closed', '--fate', 'failed').out, 'no trial is failed\n');
  });

  it('plans what has no bound and what trains one by one', () => {
    const plan = (changes: object) => {
      const study = { name: 'planned', space: { lr: { float: [0, 1] } }, trainer: { command: 'true' }, ...changes };
      writeFileSync(path.join(folder, 'planned.json'), JSON.stringify(study));
      return everband('plan', 'planned.json', '--epoch-seconds', '10').out;
    };
    assert.match(plan({ scheduler: { type: 'asha', R: 9, trials: 9 } }), /^bracket +rung [^]*an estimate, no bound/);
    const fast = plan({ scheduler: { type: 'hyperband', R: 3 }, predictor: 'fast' });
    assert.match(fast, /^b1 +0 +3 +0 +1 +- [^]*^b0 +0 +2 +0 +3 +each [^]*of training, one trial after the other/m);
  });

  it('exports and reports a closed study', () => {
    record();
    assert.equal(everband('export', 'closed', '--out', 'results').code, 0);
    const result = (name: string) => readFileSync(path.join(folder, name), 'utf8');
    assert.match(result('results/closed.trials.csv'), /^id,bracket,.*config\.lr\r\n/);
    assert.match(result('results/closed.curves.csv'), /b0-t001,2,0\.25\r\n/);
    assert.equal(result('results/closed.json'), result('state/studies/closed/record/record.json'));
    assert.equal(everband('report', 'closed').code, 0);
    assert.match(result('closed.html'), /<html/);
  });
});
