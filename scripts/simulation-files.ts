/** What `everband simulate` reads and writes. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { namedMetrics } from '../core/metrics.js';
import { modeOf, objectiveWith } from '../core/objectives/index.js';
import { predictorOf } from '../core/predictors/index.js';
import { prunerOf } from '../core/pruners/index.js';
import type { StudyRecord } from '../core/record.js';
import type { Objective, Study } from '../core/study.js';
import type { Setting } from '../simulate/algorithms.js';
import type { Comparison, Run } from '../simulate/comparison.js';
import { curvesOfCsv, curvesOfRecord, readJson } from '../simulate/curves.js';
import type { Cloud, Panel } from '../simulate/figure.js';
import { meanOf, type Mean, type Summary } from '../simulate/summary.js';
import type { CurveTable } from '../trainers/replay.js';
import { checkStudy } from './api.js';
import { CliError } from '../cluster/errors.js';

/** What stands in the options and is absent unless given. */
export interface InputOptions {
  readonly columns?: string | undefined;
  readonly mode?: Objective['mode'] | undefined;
  readonly R?: number | undefined;
  readonly eta?: number | undefined;
}

export interface Input {
  readonly setting: Setting;
  readonly table: CurveTable;
  /** Seconds an epoch took where the input says so. */
  readonly epochSeconds: number | null;
  /** Whether it is a study file, whose own settings run unless others are asked for. */
  readonly isStudy: boolean;
  /** Trials that train at once where the input says so. */
  readonly workers: number | null;
  readonly notes: readonly string[];
}

/** Curves out of a CSV, a record, or a study file that replays a CSV. @throws CliError (2) when there are none */
export async function readInput(file: string, options: InputOptions): Promise<Input> {
  try {
    const input = await inputOf(file, options);
    const { objective } = input.setting;
    const metrics = namedMetrics({ objective, pruner: { type: 'none' } });
    if (metrics.length === 0) return input;
    throw new CliError(
      `${file}: its objective looks at ${metrics.join(', ')} too, and recorded curves have one metric`,
      2
    );
  } catch (error) {
    if (error instanceof CliError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(missing ? `${file}: there is no such file` : (error as Error).message, 2);
  }
}

function csvInput(file: string, { columns, mode = 'minimise', R, eta = 3 }: InputOptions): Input {
  if (columns === undefined) {
    const found = prefixesOf(file).map(({ prefix, epochs }) => `--columns ${prefix} (${epochs} epochs)`);
    const hint = found.length === 0 ? 'it has no columns that end in a number' : `it has ${found.join(', ')}`;
    throw new CliError(`${file}: say which columns hold the metric after each epoch; ${hint}`, 2);
  }
  const table = curvesOfCsv(file, columns);
  const maxBudget = R ?? table.values[0]?.length ?? 1;
  const metric = columns.replace(/[^A-Za-z0-9]+$/, '') || 'value';
  const { objective, refusals } = objectiveWith({ metric, mode } as Partial<Objective>);
  const [wrong] = refusals;
  if (wrong) throw new CliError(`--mode ${mode}: ${wrong.path} ${wrong.rule}, and recorded curves have one metric`, 2);
  return {
    setting: { objective, maxBudget, eta, file },
    table,
    epochSeconds: null,
    workers: null,
    isStudy: false,
    notes: [],
  };
}

async function inputOf(file: string, options: InputOptions): Promise<Input> {
  if (path.extname(file).toLowerCase() === '.csv') return csvInput(file, options);
  return isRecord(file) ? recordInput(file, options) : studyInput(file, options);
}

/** Names that columns share up to a number at their end. */
function prefixesOf(file: string): { prefix: string; epochs: number }[] {
  const [header = []] = parse(readFileSync(file, 'utf8'), { bom: true, to: 1, trim: true }) as string[][];
  const prefixes = new Map<string, number>();
  for (const name of header) {
    const [, prefix] = /^(.*\D)\d+$/.exec(name) ?? [];
    if (prefix !== undefined) prefixes.set(prefix, (prefixes.get(prefix) ?? 0) + 1);
  }
  return [...prefixes].filter(([, epochs]) => epochs > 1).map(([prefix, epochs]) => ({ prefix, epochs }));
}

function isRecord(file: string): boolean {
  if (path.extname(file).toLowerCase() !== '.json') return false;
  const content = readJson(file) as Partial<StudyRecord> | null;
  return typeof content?.format === 'string' && content.format.startsWith('everband-record/');
}

function recordInput(file: string, options: InputOptions): Input {
  refuse(options, ['columns', 'mode'], `${file} is a record, which names its metric and mode itself`);
  const { table, record, leftOut } = curvesOfRecord(file);
  const { objective, scheduler } = record;
  const eta = options.eta ?? ('eta' in scheduler ? scheduler.eta : 3);
  const reached = `${table.rows.length} of ${table.rows.length + leftOut} trials reached ${scheduler.maxBudget} epochs`;
  return {
    setting: { objective, maxBudget: options.R ?? scheduler.maxBudget, eta, file },
    table,
    epochSeconds: null,
    workers: null,
    isStudy: false,
    notes: leftOut === 0 ? [] : [`${file}: ${reached}; the others have no known end and are left out`],
  };
}

async function studyInput(file: string, options: InputOptions): Promise<Input> {
  const study = await checkStudy(file);
  const { trainer, scheduler, objective } = study;
  if (trainer.type !== 'replay')
    throw new CliError(
      `${file}: its trainer really trains, and only recorded curves can be simulated. Fix: give a CSV of curves, or the record.json of a study that has run.`,
      2
    );
  refuse(options, ['columns', 'mode'], `${file} is a study, which names its columns, metric and mode itself`);
  const table = curvesOfCsv(trainer.file, trainer.columns);
  const eta = options.eta ?? ('eta' in scheduler ? scheduler.eta : 3);
  const setting = { objective, maxBudget: options.R ?? scheduler.maxBudget, eta, file: trainer.file };
  const { own, notes } = simulated(study, file, options);
  const ignored = study.limits.deadlineSeconds === undefined ? [] : [`${file}: its deadline is not simulated`];
  return {
    setting: { ...setting, ...(typeof own === 'string' ? { withoutStudy: own } : { study: own }) },
    table,
    epochSeconds: trainer.secondsPerEpoch > 0 ? trainer.secondsPerEpoch : null,
    workers: study.parallelism,
    isStudy: true,
    notes: [...ignored, ...notes],
  };
}

/** The study as it can be simulated, with other R and eta where they are asked for; or why it cannot be. */
function simulated(study: Study, file: string, { R, eta }: InputOptions): { own: Study | string; notes: string[] } {
  const { pruner } = study;
  const predictor = prunerOf(pruner).predictor(pruner);
  const scheduler = {
    ...study.scheduler,
    maxBudget: R ?? study.scheduler.maxBudget,
    ...('eta' in study.scheduler ? { eta: eta ?? study.scheduler.eta } : {}),
  };
  if ('minBudget' in scheduler && scheduler.minBudget > scheduler.maxBudget)
    return { own: `with R = ${R} its minBudget ${scheduler.minBudget} is too large`, notes: [] };
  const here = predictor && predictorOf(predictor).simulated?.(predictor);
  if (!here) return { own: { ...study, scheduler }, notes: [] };
  if ('impossible' in here) {
    const fix = "Fix: name a predictor of Everband's, or simulate others with --algorithms";
    return { own: `${file}: ${here.impossible}. ${fix}`, notes: [] };
  }
  const embedded = { ...pruner, predictor: here.settings } as Study['pruner'];
  const notes = here.note === null ? [] : [`${file}: ${here.note}`];
  return { own: { ...study, scheduler, pruner: embedded }, notes };
}

function refuse(options: InputOptions, keys: readonly (keyof InputOptions)[], why: string): void {
  const given = keys.filter((key) => options[key] !== undefined);
  if (given.length > 0) throw new CliError(`leave out ${given.map((key) => `--${key}`).join(', ')}: ${why}`, 2);
}

const columns = [
  'epochs',
  'trials',
  'value',
  'regret',
  'rank',
  'seconds',
  'busy',
  'stopped',
  'wrongStops',
  'predictorsTrained',
  'failures',
] as const;

/** One row per algorithm and seed. */
export function runsCsv({ contestants }: Comparison, runs: readonly Run[]): string {
  const rows = shownRuns({ contestants }, runs).map(({ name, run }) => {
    return [name, run.seed, ...columns.map((column) => run.measures[column])];
  });
  return stringify([['algorithm', 'seed', ...columns], ...rows]);
}

export function resultJson(comparison: Comparison, runs: readonly Run[], summaries: readonly Summary[]): string {
  const { setting, cluster, seeds, iteration } = comparison;
  const { objective, maxBudget, eta, file } = setting;
  return JSON.stringify({
    file,
    objective,
    maxBudget,
    eta,
    cluster,
    seeds,
    hyperbandIteration: iteration,
    algorithms: summaries.map((summary) => ({ ...summary, match: finite(summary) })),
    runs: shownRuns(comparison, runs).map(({ name, run }) => {
      return { algorithm: name, seed: run.seed, ...run.measures };
    }),
  });
}

/** JSON has no Infinity: not reached is null. */
function finite({ match }: Summary): object | null {
  if (!match) return null;
  const known = (value: number) => (Number.isFinite(value) ? value : null);
  return { ...match, multiple: known(match.multiple), low: known(match.low), high: known(match.high) };
}

/** A line that says which algorithms had more trials than there are rows; null when none had. */
export function drawnAgain(title: string, comparison: Comparison, runs: readonly Run[]): string | null {
  const rows = comparison.table.rows.length;
  const most = new Map<string, number>();
  for (const { name, run } of shownRuns(comparison, runs))
    if (run.measures.trials > rows) most.set(name, Math.max(most.get(name) ?? 0, run.measures.trials));
  if (most.size === 0) return null;
  const asked = Math.max(...most.values());
  return `${title} has ${rows} rows for ${asked} trials, so that rows are drawn again (${[...most.keys()].join(', ')})`;
}

function shownRuns({ contestants }: Pick<Comparison, 'contestants'>, runs: readonly Run[]) {
  return runs.flatMap((run) => {
    const one = contestants[run.contestant];
    return one?.shown ? [{ name: one.name, run }] : [];
  });
}

/** The panel of one data set; null when no trial of any run reached R. */
export function panelOf(title: string, comparison: Comparison, runs: readonly Run[]): Panel | null {
  const { objective, maxBudget } = comparison.setting;
  const losses = comparison.table.values
    .map((curve) => modeOf(objective).loss(curve[maxBudget - 1] ?? NaN))
    .filter(Number.isFinite);
  const best = losses.reduce((least, loss) => Math.min(least, loss), Infinity);
  const clouds = comparison.contestants.flatMap(({ name, shown }, contestant): Cloud[] => {
    const points = runs.flatMap(({ contestant: of, measures: { epochs, value } }) =>
      of === contestant && value !== null ? [[epochs, value] as const] : []
    );
    if (!shown || points.length === 0) return [];
    const [epochs, value] = [0, 1].map((k) => meanOf(points.map((point) => point[k] as number)) as Mean);
    return [{ name, points, epochs: epochs as Mean, value: value as Mean }];
  });
  return clouds.length === 0 ? null : { title, objective, best: modeOf(objective).value(best), clouds };
}
