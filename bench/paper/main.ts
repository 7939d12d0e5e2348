/**
 * `npm run paper`: every algorithm on the four recorded data sets and on curves that diverge, written to docs/paper.md
 * and docs/paper.svg. The committed page is that of `--seeds 200 --match-seeds 2000`.
 *
 * `--seeds 200` for more than 10 runs of each, `--match-seeds 2000` for epochs to match, `--jobs 4` for threads.
 */
import { existsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { canonicalJson } from '../../core/record.js';
import { panelOf } from '../../scripts/simulation-files.js';
import { Progress } from '../../scripts/progress.js';
import { studyOf, type Setting } from '../../simulate/algorithms.js';
import { runOnCluster } from '../../simulate/cluster.js';
import { comparison, type Comparison, type Run } from '../../simulate/comparison.js';
import { curvesOfCsv } from '../../simulate/curves.js';
import { figureSvg } from '../../simulate/figure.js';
import { runComparison } from '../../simulate/pool.js';
import { summarise, type Summary } from '../../simulate/summary.js';
import type { CurveTable } from '../../trainers/replay.js';
import { dataSets, matchColumns, type DataSet } from './sets.js';
import { diverging } from './taskset.js';
import { paperText, type Makespan, type SetResult } from './text.js';

const algorithms = [
  'hyperband',
  'swift',
  'quantum-swift',
  'fast',
  'median',
  'asha',
  'swift-asha',
  'bohb',
  'random',
] as const;
/** d of Fast- and Swift-Hyperband on SVHN, where with the usual 15 predictors hardly ever exist. */
const ds = [2, 3, 4, 5, 6, 8, 10, 15];
/** Algorithms that learn cost more to repeat, and are followed over fewer seeds. */
const learning = ['swift', 'median', 'swift-asha', 'bohb'];
const maxLearningSeeds = 100;
/** Curves that diverge show what they show over few seeds. */
const maxDivergingSeeds = 20;

const workers = [1, 2, 4, 8, 16, 32, 64];
const aMinute = { type: 'fixed', seconds: 60 } as const;

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  const results: SetResult[] = [];
  const panels = [];
  for (const set of dataSets) {
    const table = curvesOfCsv(path.join(options.data, 'curves', `${set.name}.csv`), set.columns);
    const setting: Setting = { objective: set.objective, maxBudget: set.maxBudget, eta: 2, file: set.name };
    const compare = async (what: string, names: readonly string[], seeds: number, follow: readonly string[]) => {
      const cluster = { workers: 8, epochSeconds: aMinute };
      const compared = comparison({ setting, table, cluster, algorithms: names, seeds, follow });
      return carriedOut(`${set.name}: ${what}`, compared, options.jobs);
    };
    const main = await compare('algorithms', algorithms, options.seeds, []);
    const columns = Object.keys(matchColumns);
    const matched = await compare('epochs to match', columns, options.matchSeeds, columns);
    const few = Math.min(options.matchSeeds, maxLearningSeeds);
    const learners = await compare('epochs to match, algorithms that learn', learning, few, learning);
    const names = set.name === 'svhn' ? ds.flatMap((d) => [`fast:d=${d}`, `swift:d=${d}`]) : [];
    const varied = names.length === 0 ? null : await compare('d varied', names, options.seeds, []);
    results.push({
      set,
      models: table.rows.length,
      runs: byAlgorithm(main),
      summaries: main.summaries,
      matched: matched.summaries,
      learners: learners.summaries,
      varied: varied?.summaries ?? [],
      makespans: await makespans(set, setting, table, options.seeds),
    });
    const panel = panelOf(set.title, main.compared, main.runs);
    if (panel) panels.push(panel);
  }
  const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
  const { seeds, matchSeeds } = options;
  const taskset = await diverging(options.data, Math.min(seeds, maxDivergingSeeds));
  const note = `eta = 2, seeds 0 to ${seeds - 1}; a small mark is one seed, a large one the mean with its 95 % interval; dashed: the best of the data set; a hollow triangle at the edge is a seed beyond the axis`;
  writeFileSync(path.join(docs, 'paper.svg'), figureSvg(panels, note));
  writeFileSync(
    path.join(docs, 'paper.md'),
    paperText(results, taskset, { seeds, matchSeeds, learnSeeds: maxLearningSeeds })
  );
  console.log('wrote docs/paper.md and docs/paper.svg');
}

interface Options {
  readonly data: string;
  readonly seeds: number;
  readonly matchSeeds: number;
  readonly jobs: number;
}

function optionsOf(args: string[]): Options {
  const data = process.env['EVERBAND_DATA'];
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '10' },
      'match-seeds': { type: 'string', default: '200' },
      jobs: { type: 'string', default: String(os.availableParallelism()) },
    },
  });
  const missing = dataSets.find(({ name }) => !data || !existsSync(path.join(data, 'curves', `${name}.csv`)));
  if (!data || missing)
    fail(
      `EVERBAND_DATA ${data ? `is ${data}, and` : 'is not set:'} there is no curves/${missing?.name}.csv. Fix: set it to the folder that holds curves/ with mlpf.csv, cifar10.csv, svhn.csv and ptb.csv.`
    );
  const whole = (name: string, text: string): number => {
    const value = Number(text);
    return Number.isInteger(value) && value >= 1 ? value : fail(`--${name} ${text}: a whole number of at least 1`);
  };
  return {
    data,
    seeds: whole('seeds', values.seeds),
    matchSeeds: whole('match-seeds', values['match-seeds']),
    jobs: whole('jobs', values.jobs),
  };
}

function fail(why: string): never {
  console.error(why);
  process.exit(2);
}

interface Compared {
  readonly compared: Comparison;
  readonly runs: readonly Run[];
  readonly summaries: readonly Summary[];
}

async function carriedOut(what: string, compared: Comparison, jobs: number): Promise<Compared> {
  const since = Date.now();
  const progress = new Progress(what);
  const runs = await runComparison(compared, { jobs, progress: (done, all) => progress.show(done, all) });
  progress.end();
  console.log(`${what}: ${runs.length} runs in ${((Date.now() - since) / 1000).toFixed(0)} s`);
  return { compared, runs, summaries: summarise(compared, runs) };
}

function byAlgorithm({ compared, runs }: Compared): Map<string, Run[]> {
  return new Map(
    compared.contestants.map(({ name }, contestant) => [name, runs.filter((run) => run.contestant === contestant)])
  );
}

/** Swift and plain Hyperband on more and more workers; whether the decisions stay the same. */
async function makespans(set: DataSet, setting: Setting, table: CurveTable, seeds: number): Promise<Makespan[]> {
  const [plain, swift] = [studyOf('hyperband', setting), studyOf('swift', setting)];
  const first = new Map<number, string>();
  const rows: Makespan[] = [];
  for (const many of workers) {
    const cluster = { workers: many, epochSeconds: aMinute };
    let [hyperbandHours, swiftHours, same] = [0, 0, 0];
    for (let seed = 0; seed < seeds; seed++) {
      const one = await runOnCluster({ ...swift, seed }, table, cluster);
      const text = canonicalJson(one.record);
      if (!first.has(seed)) first.set(seed, text);
      same += first.get(seed) === text ? 1 : 0;
      swiftHours += one.makespan / 3600 / seeds;
      hyperbandHours += (await runOnCluster({ ...plain, seed }, table, cluster)).makespan / 3600 / seeds;
    }
    rows.push({ workers: many, hyperbandHours, swiftHours, same: same === seeds });
  }
  console.log(`${set.name}: makespans on ${workers.join(', ')} workers`);
  return rows;
}

await main();
