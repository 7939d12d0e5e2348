/** simulate: algorithms on recorded curves and a virtual cluster. */
import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import pc from 'picocolors';
import { algorithms } from '../../simulate/algorithms.js';
import type { ClusterSettings } from '../../simulate/cluster.js';
import { comparison, pieces, type Comparison, type Run } from '../../simulate/comparison.js';
import type { EpochSeconds } from '../../simulate/durations.js';
import { figureSvg } from '../../simulate/figure.js';
import { runComparison, shown } from '../../simulate/pool.js';
import { summarise } from '../../simulate/summary.js';
import { CliError } from '../../cluster/errors.js';
import { browserFor, writePng } from '../png.js';
import { Progress } from '../progress.js';
import { drawnAgain, panelOf, readInput, resultJson, runsCsv, type InputOptions } from '../simulation-files.js';
import { summaryTable } from '../summary-table.js';
import { examples, positive, wholeNumber } from './arguments.js';

interface Options extends InputOptions {
  readonly algorithms?: string[];
  readonly seeds: number;
  readonly workers?: number;
  readonly epochSeconds?: EpochSeconds;
  readonly stragglers?: ClusterSettings['stragglers'];
  readonly failures?: ClusterSettings['failures'];
  readonly detection: number;
  readonly predictorSeconds: number;
  readonly jobs: number;
  readonly match: boolean;
  readonly csv?: string;
  readonly json?: string | true;
  readonly figure?: string;
}

/** Seconds an epoch pretends to take when nothing says how long. */
const aMinute = 60;

export function addSimulateCommand(program: Command): void {
  const known = Object.entries(algorithms).map(
    ([name, { describe, settings }]) => `  ${name.padEnd(19)}${describe}\n${' '.repeat(21)}(${settings.join(', ')})`
  );
  examples(
    program
      .command('simulate')
      .description('compare algorithms on recorded curves and a virtual cluster')
      .argument('<curves>', 'a CSV of curves, the record.json of a study, or a study file that replays a CSV')
      .option('--columns <prefix>', 'the CSV columns that hold the metric after each epoch: <prefix><number>')
      .addOption(new Option('--mode <mode>', 'of the metric (default: minimise)').choices(['minimise', 'maximise']))
      .option('--R <epochs>', 'most epochs of a trial (default: all there are, or the study’s)', wholeNumber)
      .option('--eta <eta>', 'share of trials that go on: 1/eta (default: 3, or the study’s)', eta)
      .option('--algorithms <names>', 'see below, settings after a colon (default: hyperband,swift,asha,random)', list)
      .option('--seeds <number>', 'runs of each algorithm, seeds 0 to number - 1', wholeNumber, 10)
      .option('--workers <number>', 'of the virtual cluster (default: 8, or the study’s parallelism)', wholeNumber)
      .option('--epoch-seconds <length>', '12, lognormal:<median>:<sigma> or column:<name> (default: 60)', epochSeconds)
      .option(
        '--stragglers <share:factor>',
        'this share of the workers takes this many times as long, e.g. 0.1:4',
        stragglers
      )
      .option('--failures <rate>', 'workers lost: 0.001 per epoch, or mean:3600 seconds between two', failures)
      .option('--detection <seconds>', 'how long it takes until a lost worker is noticed and replaced', notNegative, 15)
      .option('--predictor-seconds <seconds>', 'how long a predictor takes for an answer', notNegative, 0)
      .option('--jobs <number>', 'threads (default: one per core)', wholeNumber, os.availableParallelism())
      .option('--no-match', 'leave out epochs to match, which repeat every algorithm up to twice the epochs')
      .option('--csv <file>', 'write every run')
      .option('--json [file]', 'write everything, anytime curves included; without a file print it instead')
      .option('--figure <file>', 'draw epochs against final value: .svg, or .png where chromium is on PATH')
      .addHelpText('after', `\nAlgorithms (settings, e.g. swift:d=5:k=1):\n${known.join('\n')}`)
      .addHelpText(
        'after',
        '  study              the settings of the study file itself, with --R and --eta where they are given'
      )
      .action(run),
    'everband simulate curves.csv --columns loss_ --eta 2',
    'everband simulate curves.csv --columns acc_ --mode maximise --algorithms hyperband,fast:d=5,bohb --seeds 100',
    'everband simulate study.yaml --algorithms study,random --workers 32 --stragglers 0.1:4 --failures mean:7200',
    'everband simulate .everband/studies/digits/record/record.json --figure digits.svg'
  );
}

async function run(file: string, options: Options): Promise<void> {
  const { figure, csv, json } = options;
  if (figure !== undefined && !/\.(svg|png)$/i.test(figure))
    throw new CliError(`--figure ${figure}: a figure is an .svg or a .png`, 2);
  const files = [csv, json === true ? undefined : json, figure].filter((name) => name !== undefined);
  files.forEach(checkWritable);
  if (figure !== undefined && /\.png$/i.test(figure)) browserFor(figure);
  const input = await readInput(file, options);
  const names = options.algorithms ?? [...(input.isStudy ? ['study'] : []), 'hyperband', 'swift', 'asha', 'random'];
  const what = planned(() =>
    comparison({
      setting: input.setting,
      table: input.table,
      cluster: {
        workers: options.workers ?? input.workers ?? 8,
        epochSeconds: options.epochSeconds ?? { type: 'fixed', seconds: input.epochSeconds ?? aMinute },
        stragglers: options.stragglers,
        failures: options.failures,
        detectionSeconds: options.detection,
        predictorSeconds: options.predictorSeconds,
      },
      algorithms: names,
      seeds: options.seeds,
      follow: options.match ? names : [],
    })
  );
  for (const note of input.notes) console.error(note);
  const runs = await carriedOut(what, options.jobs);
  const again = drawnAgain(path.basename(file), what, runs);
  if (again !== null) console.error(again);
  const summaries = summarise(what, runs);
  // What people read first: a file that cannot be written after all must not cost the table.
  console.log(json === true ? resultJson(what, runs, summaries) : summaryTable(what, summaries));
  if (csv !== undefined) writeFileSync(csv, runsCsv(what, runs));
  if (json !== undefined && json !== true) writeFileSync(json, resultJson(what, runs, summaries) + '\n');
  if (figure !== undefined) await draw(path.basename(file), what, runs, figure);
  if (json !== true && files.length > 0) console.log(`\nwrote ${files.join(', ')}`);
}

/** Known before hours of runs: a file can be written there. @throws CliError (2) */
function checkWritable(file: string): void {
  const folder = path.dirname(file);
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory()) throw new CliError(`${file} is a folder: name a file in it`, 2);
  try {
    accessSync(there ? file : folder, constants.W_OK);
    if (!statSync(folder).isDirectory()) throw new Error(`${folder} is no folder`);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(missing ? `${file}: there is no folder ${folder}` : `${file}: ${(error as Error).message}`, 2);
  }
}

/** Ctrl-C ends the work, what is done is kept; a second one ends the process. */
async function carriedOut(what: Comparison, jobs: number): Promise<Run[]> {
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once('SIGINT', stop);
  const progress = new Progress('runs');
  try {
    const runs = await runComparison(what, {
      jobs,
      signal: interrupt.signal,
      progress: (done, all) => progress.show(done, all),
    });
    progress.end();
    if (!interrupt.signal.aborted) return runs;
    process.exitCode = 130;
    const done = shown(what, runs).length;
    if (done === 0) throw new CliError('interrupted before anything was done');
    const line = `interrupted: ${done} of ${shown(what, pieces(what)).length} runs are done, and shown`;
    console.error(process.stderr.isTTY ? pc.yellow(line) : line);
    return runs;
  } catch (error) {
    progress.end();
    throw error instanceof CliError ? error : new CliError((error as Error).message);
  } finally {
    process.off('SIGINT', stop);
  }
}

async function draw(title: string, what: Comparison, runs: readonly Run[], file: string): Promise<void> {
  const panel = panelOf(title, what, runs);
  if (!panel) throw new CliError('no figure: no trial of any run reached R');
  const { maxBudget, eta } = what.setting;
  const note = `R = ${maxBudget}, eta = ${eta}; a small mark is one seed, a large one the mean with its 95 % interval; dashed: the best of the data set; a hollow triangle at the edge is a seed beyond the axis`;
  const svg = figureSvg([panel], note);
  if (/\.png$/i.test(file)) await writePng(svg, file);
  else writeFileSync(file, svg);
}

/** A comparison that cannot be is wrong input. */
function planned(make: () => Comparison): Comparison {
  try {
    return make();
  } catch (error) {
    throw new CliError((error as Error).message, 2);
  }
}

function list(text: string): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length > 0) return [...new Set(names)];
  throw new InvalidArgumentError('Name at least one algorithm.');
}

function eta(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 2) return value;
  throw new InvalidArgumentError('It must be a whole number of at least 2.');
}

function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('It must be a number of 0 or more.');
}

function epochSeconds(text: string): EpochSeconds {
  const [word, first = '', second = ''] = text.split(':');
  if (word === 'column' && first !== '') return { type: 'column', column: first };
  if (word === 'lognormal' && second !== '')
    return { type: 'lognormal', median: positive(first), sigma: notNegative(second) };
  return { type: 'fixed', seconds: positive(text) };
}

function stragglers(text: string): NonNullable<ClusterSettings['stragglers']> {
  const [share, factor] = text.split(':').map(Number);
  if (share !== undefined && factor !== undefined && share >= 0 && share <= 1 && factor >= 1) return { share, factor };
  throw new InvalidArgumentError('It must be a share and a factor of at least 1, such as 0.1:4.');
}

function failures(text: string): NonNullable<ClusterSettings['failures']> {
  if (text.startsWith('mean:')) return { meanSeconds: positive(text.slice('mean:'.length)) };
  const perEpoch = Number(text);
  if (text.trim() !== '' && perEpoch >= 0 && perEpoch < 1) return { perEpoch };
  throw new InvalidArgumentError('It must be a probability per epoch below 1, or mean:<seconds>.');
}
