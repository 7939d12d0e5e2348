import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInMemory } from '../../core/in-memory.js';
import { canonicalJson } from '../../core/record.js';
import { replay } from '../../simulate/curves.js';
import { studyOf } from '../../simulate/algorithms.js';
import { madeUpCurves, setting } from '../simulate/curves.js';

const cli = fileURLToPath(new URL('../../dist/scripts/everband.js', import.meta.url));

describe('everband simulate', function () {
  this.timeout(400_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-simulate-'));
  const table = madeUpCurves(80, 27);
  before(() => {
    const head = ['lr', ...Array.from({ length: 27 }, (_, e) => `loss_${e + 1}`)];
    const lines = table.rows.map((row, i) => [row['lr'], ...(table.values[i] ?? [])].join(','));
    writeFileSync(path.join(folder, 'curves.csv'), [head.join(','), ...lines].join('\n'));
    const study = { name: 'own', scheduler: { type: 'hyperband', R: 27, eta: 3 }, pruner: 'median' };
    const trainer = { replay: './curves.csv', columns: 'loss_', secondsPerEpoch: 9 };
    writeFileSync(path.join(folder, 'study.json'), JSON.stringify({ ...study, trainer, parallelism: 3 }));
  });
  after(() => rmSync(folder, { recursive: true }));

  const simulate = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'simulate', ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
    });
    return { code: status, out: stdout, err: stderr };
  };

  it('prints a table, and writes CSV, JSON and a figure', () => {
    const { code, out, err } = simulate(
      ...['curves.csv', '--columns', 'loss_', '--seeds', '3', '--jobs', '1'],
      ...['--csv', 'runs.csv', '--json', 'all.json', '--figure', 'figure.svg']
    );
    const again = 'curves.csv has 80 rows for 112 trials, so that rows are drawn again (asha)\n';
    assert.deepEqual([code, err], [0, again]);
    assert.match(
      out,
      /^algorithm +epochs +share +value .*epochs to match\nhyperband +357 .*\nswift .*\nasha .*\nrandom /
    );
    assert.match(out, /wrote runs\.csv, all\.json, figure\.svg/);
    const lines = readFileSync(path.join(folder, 'runs.csv'), 'utf8').trim().split('\n');
    assert.equal(lines.length, 1 + 4 * 3);
    assert.match(lines[1] ?? '', /^hyperband,0,357,/);
    const all = JSON.parse(readFileSync(path.join(folder, 'all.json'), 'utf8')) as {
      algorithms: { algorithm: string; anytime: (number | null)[]; match: { seeds: number } }[];
      runs: unknown[];
    };
    assert.equal(all.runs.length, 12);
    assert.equal(all.algorithms[0]?.anytime.length, 201);
    assert.equal(all.algorithms[0]?.match.seeds, 3);
    assert.match(readFileSync(path.join(folder, 'figure.svg'), 'utf8'), /^<svg /);
  });

  it('prints JSON alone, the same for any number of threads', () => {
    const args = ['curves.csv', '--columns', 'loss_', '--seeds', '4', '--algorithms', 'swift:d=4,asha', '--json'];
    const [one, two] = [simulate(...args, '--jobs', '1'), simulate(...args, '--jobs', '2')];
    assert.equal(one.code, 0);
    assert.equal(two.out, one.out);
    assert.equal((JSON.parse(one.out) as { seeds: number }).seeds, 4);
  });

  it('takes a study file with its own settings, cluster and all', () => {
    const args = ['study.json', '--seeds', '2', '--no-match', '--json', '--jobs', '1', '--stragglers', '0.5:3'];
    const { code, out } = simulate(...args, '--failures', 'mean:1000', '--epoch-seconds', 'lognormal:5:1');
    const { algorithms, cluster } = JSON.parse(out) as {
      algorithms: { algorithm: string; stopped: number; failures: number }[];
      cluster: { workers: number };
    };
    assert.deepEqual([code, cluster.workers], [0, 3]);
    assert.equal(algorithms[0]?.algorithm, 'study');
    assert.ok(algorithms[0].stopped > 0 && algorithms[0].failures > 0);
  });

  it('takes the record of a study, and says whom it leaves out', async () => {
    const study = studyOf('hyperband', setting(27, 3));
    writeFileSync(path.join(folder, 'record.json'), canonicalJson(await runInMemory(study, replay(study, table))));
    const { code, err, out } = simulate('record.json', '--seeds', '1', '--jobs', '1', '--algorithms', 'hyperband');
    assert.equal(code, 0);
    assert.match(err, /record\.json: \d+ of 49 trials reached 27 epochs; the others have no known end/);
    assert.match(out, /R=27, eta=3/);
  });

  it('says when there are fewer rows than trials', () => {
    const all = readFileSync(path.join(folder, 'curves.csv'), 'utf8').split('\n');
    writeFileSync(path.join(folder, 'few.csv'), all.slice(0, 9).join('\n'));
    const names = ['--algorithms', 'hyperband,hyperband:brackets=1,full:trials=8', '--seeds', '1', '--no-match'];
    const { code, err } = simulate('few.csv', '--columns', 'loss_', '--jobs', '1', ...names);
    assert.equal(code, 0);
    assert.equal(
      err,
      'few.csv has 8 rows for 49 trials, so that rows are drawn again (hyperband, hyperband:brackets=1)\n'
    );
  });

  const written = (name: string, more: object) => {
    const trainer = { replay: './curves.csv', columns: 'loss_' };
    const study = { name: 'other', scheduler: { type: 'hyperband', R: 27, eta: 3 }, trainer, ...more };
    writeFileSync(path.join(folder, name), JSON.stringify(study));
    return name;
  };
  const swift = (predictor: object) => ({ pruner: { type: 'swift', minCurves: 4, predictor } });
  const stoppedBy = (name: string, ...more: string[]) => {
    const args = ['--seeds', '2', '--no-match', '--json', '--jobs', '1', '--algorithms', 'study', ...more];
    const { code, out, err } = simulate(name, ...args);
    assert.equal(code, 0, err);
    return { ...(JSON.parse(out) as { maxBudget: number; runs: object[] }), err };
  };

  it('simulates a study on D-Wave with the embedded annealer, and says so', () => {
    const settings = { type: 'annealer', reads: 20, sweeps: 20, fallback: null };
    const dwave = stoppedBy(written('dwave.json', swift({ ...settings, solver: 'dwave', maxQpuSeconds: 1 })));
    const embedded = stoppedBy(written('embedded.json', swift({ ...settings, solver: 'simulated' })));
    assert.match(dwave.err, /dwave\.json: D-Wave is not simulated; the embedded simulated annealer answers for it\n/);
    assert.equal(embedded.err, '');
    assert.deepEqual(dwave.runs, embedded.runs);
    assert.ok((dwave.runs as { predictorsTrained: number }[]).every((run) => run.predictorsTrained > 0));
  });

  it('refuses a study whose predictor it cannot ask, and still compares others on its curves', () => {
    const name = written('activity.json', swift({ type: 'activity', taskQueue: 'mine' }));
    const { code, out, err } = simulate(name, '--seeds', '1', '--no-match');
    assert.deepEqual([code, out], [2, '']);
    assert.match(
      err,
      /activity\.json: its predictor is an activity of task queue mine, which no simulation asks\. Fix: /
    );
    assert.equal(simulate(name, '--seeds', '1', '--no-match', '--algorithms', 'swift:d=4').code, 0);
  });

  it('takes a study file with another R and eta', () => {
    const { maxBudget, runs } = stoppedBy('study.json', '--R', '9', '--eta', '2');
    const plan = stoppedBy(written('nine.json', { scheduler: { type: 'hyperband', R: 9, eta: 2 }, pruner: 'median' }));
    assert.equal(maxBudget, 9);
    assert.deepEqual(
      runs.map((run) => ({ ...run, seconds: 0, busy: 0 })),
      plan.runs.map((run) => ({ ...run, seconds: 0, busy: 0 }))
    );
  });

  it('says what is wrong, and ends with 2', () => {
    const refused = (rule: RegExp, ...args: string[]) => {
      const { code, err, out } = simulate(...args);
      assert.deepEqual([code, out], [2, ''], args.join(' '));
      assert.match(err, rule);
    };
    refused(/say which columns .* it has --columns loss_ \(27 epochs\)/, 'curves.csv');
    refused(/has no columns "acc_<epoch>"/, 'curves.csv', '--columns', 'acc_');
    refused(/missing\.csv: there is no such file/, 'missing.csv', '--columns', 'loss_');
    writeFileSync(path.join(folder, 'broken.json'), '{"format": "everband-record/2", ');
    refused(/broken\.json is no JSON: /, 'broken.json');
    writeFileSync(path.join(folder, 'ragged.csv'), 'loss_1,loss_2\n1,2\n1\n');
    refused(/ragged\.csv is no CSV: /, 'ragged.csv', '--columns', 'loss_');
    refused(/leave out --columns/, 'study.json', '--columns', 'loss_');
    refused(
      /no algorithm is called "swfit"; did you mean swift\? There are full, .*, study\.\n/,
      'study.json',
      '--algorithms',
      'swfit'
    );
    refused(
      /there is no "study": the curves are those of no study file/,
      'curves.csv',
      '--columns',
      'loss_',
      '--algorithms',
      'study'
    );
    for (const option of ['--csv', '--json', '--figure'])
      refused(/nope\/x\.svg: there is no folder .*nope\n$/, 'study.json', option, path.join(folder, 'nope', 'x.svg'));
    refused(/is a folder: name a file in it/, 'study.json', '--csv', folder);
    refused(
      /with R = 1 its minBudget 2 is too large/,
      written('least.json', { scheduler: { type: 'hyperband', R: 27, minBudget: 2 } }),
      '--R',
      '1'
    );
    refused(/did you mean swift\?/, 'study.json', '--algorithms', 'swfit');
    refused(/R = 99, and the curves have 27 epochs/, 'study.json', '--R', '99');
    refused(/a figure is an \.svg or a \.png/, 'study.json', '--figure', 'figure.gif');
    refused(/share and a factor/, 'study.json', '--stragglers', '2');
    refused(/'--seeds <number>' argument '0' is invalid/, 'study.json', '--seeds', '0');
  });

  it('keeps what is done when it is interrupted', async () => {
    const args = ['curves.csv', '--columns', 'loss_', '--seeds', '100000', '--jobs', '1', '--csv', 'some.csv'];
    const interrupted = async (seconds: number) => {
      const child = spawn(process.execPath, [cli, 'simulate', ...args], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      const gone = new Promise<number | null>((resolve) => child.once('close', resolve));
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      child.kill('SIGINT');
      return { code: await gone, out, err };
    };
    // How long it takes until something is done depends on the machine.
    let seconds = 3;
    let one = await interrupted(seconds);
    while ((one.code === null || one.err.includes('before anything was done')) && seconds < 60) {
      one = await interrupted((seconds *= 3));
    }
    const { code, out, err } = one;
    assert.equal(code, 130, err);
    const lines = readFileSync(path.join(folder, 'some.csv'), 'utf8').trim().split('\n').slice(1);
    assert.match(err, new RegExp(`interrupted: ${lines.length} of 400000 runs are done, and shown`));
    assert.match(out, /^algorithm +seeds +epochs/);
    const counts = ['hyperband', 'swift', 'asha', 'random'].map(
      (name) => lines.filter((line) => line.startsWith(`${name},`)).length
    );
    const [least, most] = [Math.min(...counts), Math.max(...counts)];
    const said =
      least < most ? `${least} to ${most} of 100000 seeds (as many as the column says)` : `${most} of 100000 seeds`;
    assert.ok(out.includes(`means over ${said} at R=27`), out);
  });
});
