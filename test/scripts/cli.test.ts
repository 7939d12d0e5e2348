import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { canonicalJson, digestsOf, type StudyRecord } from '../../core/record.js';
import { addCodecCommands } from '../../scripts/commands/codec.js';
import { addDataCommands } from '../../scripts/commands/data.js';
import { addInspectCommands } from '../../scripts/commands/inspect.js';
import { addOperateCommands } from '../../scripts/commands/operate.js';
import { addRunCommands } from '../../scripts/commands/run.js';
import { addServeCommands } from '../../scripts/commands/serve.js';
import { addSimulateCommand } from '../../scripts/commands/simulate.js';
import { formatEpochLine } from '../../trainers/epoch-log.js';
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
  const { objective, space, scheduler, pruner, parallelism, limits, tryFirst, ...rest } = studyOf({
    name: 'closed',
    space: { lr: { float: [0.001, 1], log: true } },
    scheduler: { type: 'hyperband', R: 3, eta: 3 },
    trainer: { command: ['true'] },
    pruner: 'median',
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
  const closed: Omit<StudyRecord, 'digests'> = {
    format: 'everband-record/2',
    study: 'closed',
    seed: 0,
    objective,
    sampler: { type: 'random' },
    scheduler,
    pruner,
    ...{ space, limits, tryFirst, log: ['close b0-r0'] },
    brackets: [{ id: 'b0', iteration: 1, s: 0, rounds: [{ bracket: 'b0', ...round, ranking }] }],
    trials: [trial('b0-t000', 0, [0.75, 0.5], 'outranked'), trial('b0-t001', 1, [0.5, 0.25], 'completed')],
    result: {
      ended: 'finished',
      best: { trial: 'b0-t001', config: { lr: 0.1 }, value: 0.25, budget: 2, reachedMaxBudget: true },
      trials: 2,
      epochs: 4,
      plannedEpochs: 11,
      fates: { completed: 1, outranked: 1, stopped: 0, diverged: 0, failed: 0, unfinished: 0 },
      predictorsTrained: 0,
      duplicatesAvoided: 0,
      duplicatesKept: 0,
    },
  };
  const place = path.join(folder, 'state', 'studies', 'closed');
  mkdirSync(path.join(place, 'record'), { recursive: true });
  mkdirSync(path.join(place, 'logs'), { recursive: true });
  writeFileSync(
    path.join(place, 'record', 'study.json'),
    JSON.stringify({ ...{ objective, space, scheduler, pruner, parallelism, limits, tryFirst }, ...rest })
  );
  writeFileSync(path.join(place, 'record', 'record.json'), canonicalJson({ ...closed, digests: digestsOf(closed) }));
  writeFileSync(path.join(place, 'logs', 'b0-t000.log'), 'epoch 1\nepoch 2\n');
}

/** What the workers of `closed` kept of the epochs of one trial. */
function keepEpochs(): void {
  const place = path.join(folder, 'state', 'studies', 'closed', 'epochs');
  mkdirSync(place, { recursive: true });
  const identity = { id: 'closed', incarnation: 0 };
  writeFileSync(path.join(place, '..', 'identity.json'), JSON.stringify({ ...identity, since: 1 }));
  const line = (epoch: number, values: Record<string, number | null>) =>
    formatEpochLine({
      ...{ epoch, seconds: epoch + 0.5, host: `gpu-${epoch}`, attempt: epoch },
      identity,
      values,
    });
  writeFileSync(path.join(place, 'b0-t001.jsonl'), line(1, { accuracy: 0.8, norm: null }));
  appendFileSync(path.join(place, 'b0-t001.jsonl'), line(2, { norm: 3, accuracy: 0.9 }));
}

/** Every command with its arguments, in the order of the help. */
const commands = [
  ...['validate <study-file>', 'plan <study-file>', 'start [study-file]', 'watch <study>', 'demo', 'init', 'server'],
  ...['worker [roles...]', 'doctor', 'codec', 'list', 'status <study>', 'trials <study>', 'logs <study> <trial>'],
  ...['export <study>', 'audit <study>', 'report <study>', 'pause <study>', 'resume <study>', 'stop <study>'],
  ...['parallelism <study> <trials>', 'retry <study> [trial]', 'drop <study> <trial>', 'delete <study>'],
  ...['data [folder]', 'simulate <curves>'],
];

/** What the help lists below `Commands:`, but for the help itself, without `[options]`. */
function commandsIn(help: string): string[] {
  const [, list = ''] = /^Commands:\n((?: .*\n)+)/m.exec(help) ?? [];
  const usages = [...list.matchAll(/^ {2}(\w.*?) {2,}\S.*$/gm)].map(([, usage = '']) =>
    usage.replace(' [options]', '')
  );
  return usages.filter((usage) => usage !== 'help [command]');
}

/** The lines below `Examples:`, each with the command it calls. */
function examplesIn(help: string): [line: string, name: string][] {
  const [, list = ''] = /^Examples:\n((?: .*\n)+)/m.exec(help) ?? [];
  return [...list.matchAll(/^ {2}everband (\w+).*$/gm)].map(([line, name = '']) => [line, name]);
}

describe('the everband command', function () {
  this.timeout(180_000);
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('lists its commands with their arguments, and the exit codes, without colours when piped', () => {
    const { code, out } = everband('--help');
    assert.equal(code, 0);
    assert.deepEqual(commandsIn(out), commands);
    assert.match(out, /^Exit codes: 0 done, 1 it failed, 2 the input is wrong\.$/m);
    assert.ok(!out.includes('\x1b['));
    for (const [line, name] of examplesIn(out))
      assert.ok(
        commands.some((one) => one.split(' ')[0] === name),
        line
      );
    const { code: wrong, err } = everband('strat');
    assert.equal(wrong, 2);
    assert.match(err, /^error: unknown command 'strat'\n\(Did you mean start\?\)$/m);
  });

  it('writes a study to start from, never over another, and plans it', () => {
    assert.equal(everband('init').code, 0);
    assert.match(
      everband('init').err,
      /^study\.yaml and trainer\.mjs exist already; existing files are never overwritten/
    );
    assert.match(everband('init', '--python').err, /^study\.yaml exists already; existing files are never/);
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
    assert.match(err, /scheduler\.eta \(is 1\): must be a whole number of 2 or more/);
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
    assert.match(everband('logs', 'x', 'b1-t001').err, /there is no log of trial.*Fix:/);
    assert.match(everband('doctor').out, /WRONG.*server[^]*fix: start it, or correct TEMPORAL_ADDRESS/);
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
    ['a column without a name', 'trials', 'closed', '--columns', 'id,,value'],
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

  it('has examples in the help of every command, with options that it has', () => {
    let help = '';
    const program = new Command('everband').configureOutput({ writeOut: (text) => (help += text) });
    for (const add of [
      addRunCommands,
      addServeCommands,
      addCodecCommands,
      addInspectCommands,
      addOperateCommands,
      addDataCommands,
    ])
      add(program);
    addSimulateCommand(program);
    const names = program.commands.map((command) => command.name());
    assert.deepEqual(
      names,
      commands.map((one) => one.split(' ')[0])
    );
    for (const command of program.commands) {
      help = '';
      command.outputHelp();
      const shown = examplesIn(help);
      assert.ok(shown.length > 0, `no example of ${command.name()}`);
      for (const [line, name] of shown) {
        assert.equal(name, command.name(), line);
        for (const [option] of line.matchAll(/--[\w-]+/g))
          assert.ok(
            command.options.some(({ long }) => long === option),
            `${line}: there is no ${option}`
          );
      }
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
    assert.match(
      everbandWith({ TEMPORAL_ADDRESS: '' }, 'server', 'status').err,
      /^no embedded server runs here\. Fix: /
    );
    const profile = everbandWith({ TEMPORAL_PROFILE: 'missing' }, 'list');
    assert.equal(profile.code, 2);
    assert.match(profile.err, /^.*missing.*Fix: correct TEMPORAL_PROFILE.*\n$/i);
  });

  it('answers for a closed study out of its record, without a server', () => {
    record();
    assert.deepEqual(JSON.parse(everband('list', '--json').out), [
      { name: 'closed', state: 'recorded', phase: 'done', best: 0.25, troubles: [] },
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
    record({ pruner: 'none' });
    assert.match(everband('watch', 'closed').out, /epochs: 4 of Hyperband's 11, 7 not spent \(63\.6 %\)/);
    record({ scheduler: { type: 'asha', R: 3, eta: 3, trials: 2 }, pruner: 'none' });
    assert.match(everband('watch', 'closed').out, /^epochs: 4$/m);
    assert.match(everband('status', 'closed').out, /closed: done, 4 epochs, [^]*^bracket +rung /m);
    assert.equal(everband('trials', 'closed', '--fate', 'failed').out, 'the study has no trial whose fate is failed\n');
  });

  it('plans what has no bound and what trains one by one', () => {
    const plan = (changes: object) => {
      const study = { name: 'planned', space: { lr: { float: [0, 1] } }, trainer: { command: 'true' }, ...changes };
      writeFileSync(path.join(folder, 'planned.json'), JSON.stringify(study));
      return everband('plan', 'planned.json', '--epoch-seconds', '10').out;
    };
    assert.match(plan({ scheduler: { type: 'asha', R: 9, trials: 9 } }), /^bracket +rung [^]*an estimate and no bound/);
    const fast = plan({ scheduler: { type: 'hyperband', R: 3 }, pruner: 'fast' });
    assert.match(fast, /^b1 +0 +3 +0 +1 +- [^]*^b0 +0 +2 +0 +3 +each [^]*of training, one trial after the other/m);
  });

  it('exports and reports a closed study', () => {
    record();
    assert.equal(everband('export', 'closed', '--out', 'results').code, 0);
    const result = (name: string) => readFileSync(path.join(folder, name), 'utf8');
    assert.match(result('results/closed.trials.csv'), /^id,bracket,.*config\.lr\r\n/);
    assert.match(result('results/closed.curves.csv'), /^trial,epoch,value,seconds,host,attempt\r\n/);
    assert.match(result('results/closed.curves.csv'), /b0-t001,2,0\.25,,,\r\n/);
    assert.deepEqual(readdirSync(path.join(folder, 'results')).sort(), [
      ...['closed.curves.csv', 'closed.json', 'closed.trials.csv'],
    ]);
    assert.equal(result('results/closed.json'), result('state/studies/closed/record/record.json'));
    assert.equal(everband('report', 'closed').code, 0);
    assert.match(result('closed.html'), /<html/);
  });

  it('shows every number that a trainer reported in the export, the report and the columns of trials', () => {
    record();
    keepEpochs();
    const before = readFileSync(path.join(folder, 'state/studies/closed/record/record.json'), 'utf8');
    assert.equal(everband('export', 'closed', '--out', 'numbers').code, 0);
    const result = (name: string) => readFileSync(path.join(folder, name), 'utf8');
    assert.match(
      result('numbers/closed.curves.csv'),
      /^trial,epoch,value,seconds,host,attempt,reported\.accuracy,reported\.norm\r\n[^]*^b0-t001,1,0\.5,1\.5,gpu-1,1,0\.8,null\r\nb0-t001,2,0\.25,2\.5,gpu-2,2,0\.9,3\r\n$/m
    );
    assert.equal(result('numbers/closed.json'), before);
    everband('report', 'closed', '--out', 'numbers.html');
    assert.match(result('numbers.html'), /<button type="button">norm<\/button>[^]*<td class="n">4 s<\/td>.*gpu-2/);

    const columns = 'id, value,lr,accuracy,norm,seconds,host';
    const { out } = everband('trials', 'closed', '--sort', 'value', '--columns', columns);
    assert.deepEqual(
      out.split('\n').map((line) => line.split(/ +/)),
      [columns.split(/, ?/), ['b0-t001', '0.25', '0.1', '0.9', '3', '4', 'gpu-2'], ['b0-t000', '0.5', '0.1'], ['']]
    );
    const json = everband('trials', 'closed', '--columns', 'id,accuracy', '--json').out;
    assert.deepEqual(JSON.parse(json), [
      { id: 'b0-t000', accuracy: null },
      { id: 'b0-t001', accuracy: 0.9 },
    ]);
    const unknown = everband('trials', 'closed', '--columns', 'id,acuracy');
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /^no column is called acuracy\. .*: id, .*; parameters: lr; .*: accuracy, norm\.\n$/);
    const help = everband('trials', '--help').out.replace(/\s+/g, ' ');
    assert.match(
      help,
      /--columns <names> .*Columns: id, fate, epochs, value, config, lineage, late, seconds, host, every/
    );
  });

  it('shows the schedule behind the best of a population, and the lineage of its trials', () => {
    record({ scheduler: { type: 'populationBased', trials: 2, R: 3, interval: 1 }, pruner: 'none' });
    const file = path.join(folder, 'state/studies/closed/record/record.json');
    const closed = JSON.parse(readFileSync(file, 'utf8')) as StudyRecord;
    const schedule = [
      { from: 0, to: 1, config: { lr: 0.1 } },
      { from: 1, to: 2, config: { lr: 0.2 } },
    ];
    const [first, second] = closed.trials;
    assert.ok(first && second && closed.result.best);
    const lineage = [{ epoch: 1, donor: 'b0-t000', config: { lr: 0.2 } }];
    const { best } = closed.result;
    const grown = {
      ...closed,
      trials: [first, { ...second, lineage }],
      result: { ...closed.result, best: { ...best, config: { lr: 0.2 }, schedule } },
    };
    writeFileSync(file, canonicalJson(grown));
    const shown = /^epochs +configuration\n1-1 +\{"lr":0\.1\}\n2-2 +\{"lr":0\.2\}$/m;
    assert.match(everband('status', 'closed').out, /its schedule.*everband trials closed --columns id,value,lineage/);
    assert.match(everband('status', 'closed').out, shown);
    assert.match(everband('watch', 'closed').out, /^\{"lr":0\.2\}\nthe last of its schedule:$/m);
    assert.match(everband('watch', 'closed').out, shown);
    assert.match(everband('trials', 'closed', '--columns', 'id,lineage').out, /^b0-t000\nb0-t001 +b0-t000 at 1$/m);
    assert.equal(everband('export', 'closed', '--out', 'grown').code, 0);
    const table = readFileSync(path.join(folder, 'grown/closed.lineage.csv'), 'utf8');
    assert.equal(table, 'trial,epoch,donor,donorEpoch,config.lr\r\nb0-t001,1,b0-t000,1,0.2\r\n');
    const steps = readFileSync(path.join(folder, 'grown/closed.schedule.csv'), 'utf8');
    assert.equal(steps, 'from,to,config.lr\r\n0,1,0.1\r\n1,2,0.2\r\n');
  });
});
