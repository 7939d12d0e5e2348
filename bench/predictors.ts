/**
 * Every predictor on the MLPF curves: the loss after epoch 99 from epochs 0 to 24, over random splits. Rewrites the figures in
 * docs/predictors.md and docs/predictors.svg. `EVERBAND_DATA=<folder> npx tsx bench/predictors.ts [splits]`
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { plainPredictors, type AnnealerPredictor, type PlainPredictor } from '../core/predictors/index.js';
import { predict } from '../core/predictors/predict.js';
import { quantile } from '../core/quantile.js';
import { stream } from '../core/rng.js';
import { readTable } from '../trainers/replay.js';
import { stripPlot } from './strip-plot.js';

const known = 25;
const splits = Number(process.argv[2] ?? 100);
/** The annealer takes far longer than the others. */
const annealerSplits = Math.min(splits, 25);

/** Means that scikit-learn 1.9.1 and SciPy reached on splits of the same three kinds, each with 100 draws of its own. */
const reference: Readonly<
  Record<string, readonly [halves: number, configurations: number | null, few: number | null]>
> = {
  svr: [0.908, 0.891, 0.876],
  'svr-tail': [0.921, 0.909, 0.894],
  isotonic: [0.902, 0.882, 0.867],
  last: [0.666, 0.644, 0.666],
  'power-law': [0.844, 0.841, null],
  'extra-trees': [0.932, 0.916, 0.878],
  annealer: [0.881, null, null],
};

interface Row {
  readonly curve: readonly number[];
  readonly target: number;
  /** Rows of the same hyperparameters share it. */
  readonly configuration: string;
}

interface Score {
  readonly r2: number;
  readonly spearman: number;
  readonly recall: number;
}

/** Which rows are learnt from in a draw; the others are predicted. */
type Split = (rows: readonly Row[], draw: number) => ReadonlySet<number>;

const some =
  (count: (n: number) => number): Split =>
  (rows, draw) =>
    new Set(stream(draw, 'rows').permutation(rows.length).slice(0, count(rows.length)));

/** Whole configurations, in random order, until they are half of the rows. */
const byConfiguration: Split = (rows, draw) => {
  const names = [...new Set(rows.map((row) => row.configuration))];
  const chosen = new Set<number>();
  for (const i of stream(draw, 'configurations').permutation(names.length)) {
    if (chosen.size >= Math.floor(rows.length / 2)) break;
    rows.forEach((row, j) => row.configuration === names[i] && chosen.add(j));
  }
  return chosen;
};

const kinds: readonly (readonly [title: string, split: Split])[] = [
  ['Random halves (147 curves to learn from, 148 to predict)', some((n) => Math.floor(n / 2))],
  ['Halves by whole configuration', byConfiguration],
  ['15 curves to learn from, 280 to predict', some(() => 15)],
];

const settings = (type: (AnnealerPredictor | PlainPredictor)['type']): AnnealerPredictor | PlainPredictor =>
  type === 'annealer'
    ? { type, solver: 'simulated', taskQueue: '', reads: 100, sweeps: 300, combination: 'sound', fallback: null }
    : { type };

function readRows(): Row[] {
  const folder = process.env['EVERBAND_DATA'];
  if (!folder) throw new Error('EVERBAND_DATA is not set: point it at the folder that holds curves/mlpf.csv');
  const file = path.join(folder, 'curves', 'mlpf.csv');
  const { rows, values } = readTable({ type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 });
  return values
    .map((curve, i) => ({
      curve,
      target: curve[99] as number,
      configuration: JSON.stringify({ ...rows[i], row: null }),
    }))
    .filter((row) => row.target < 597);
}

function evaluate(
  model: AnnealerPredictor | PlainPredictor,
  rows: readonly Row[],
  learnt: ReadonlySet<number>,
  seed: number
): Score {
  const training = rows.filter((_, i) => learnt.has(i));
  const test = rows.filter((_, i) => !learnt.has(i));
  const answer = predict({
    predictor: model,
    seed,
    epochs: known,
    training: { curves: training.map((row) => row.curve), targets: training.map((row) => row.target) },
    candidates: test.map((row) => row.curve),
  });
  if (answer.outcome === 'impossible') throw new Error(`${model.type}: ${answer.reason}`);
  return score(
    test.map((row) => row.target),
    answer.losses
  );
}

function score(truth: readonly number[], predicted: readonly number[]): Score {
  const average = mean(truth);
  const total = truth.reduce((sum, y) => sum + (y - average) ** 2, 0);
  const left = truth.reduce((sum, y, i) => sum + (y - (predicted[i] as number)) ** 2, 0);
  const quarter = Math.round(truth.length / 4);
  const best = (of: readonly number[]) => new Set(ascending(of).slice(0, quarter));
  const found = best(predicted);
  const recall = [...best(truth)].filter((i) => found.has(i)).length / quarter;
  return { r2: 1 - left / total, spearman: correlation(ranks(truth), ranks(predicted)), recall };
}

function ascending(values: readonly number[]): number[] {
  return values.map((_, i) => i).sort((i, j) => (values[i] as number) - (values[j] as number));
}

/** Ties share their mean rank. */
function ranks(values: readonly number[]): number[] {
  const order = ascending(values);
  const out = new Array<number>(values.length);
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to++;
    for (let k = from; k < to; k++) out[order[k] as number] = (from + to - 1) / 2;
    from = to;
  }
  return out;
}

function correlation(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((value, i) => {
    const [dx, dy] = [value - mx, (y[i] as number) - my];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  });
  return xy / Math.sqrt(xx * yy);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const rows = readRows();
const types = [...Object.keys(plainPredictors), 'annealer'] as (AnnealerPredictor | PlainPredictor)['type'][];
const three = (value: number) => value.toFixed(3);
const lines: string[] = [];
const panels: { title: string; groups: { name: string; values: number[] }[] }[] = [];
for (const [kind, [title, split]] of kinds.entries()) {
  lines.push(`### ${title}`, '');
  lines.push('| predictor | R² mean | median | min..max | Spearman | top-25 % recall | R² reference | splits | ms |');
  lines.push('|---|---|---|---|---|---|---|---|---|');
  const groups: { name: string; values: number[] }[] = [];
  for (const type of types) {
    const draws = type === 'annealer' ? annealerSplits : splits;
    const since = process.cpuUsage();
    const scores = Array.from({ length: draws }, (_, draw) => evaluate(settings(type), rows, split(rows, draw), draw));
    const { user, system } = process.cpuUsage(since);
    const r2 = scores.map((one) => one.r2);
    const expected = reference[type]?.[kind];
    lines.push(
      `| ${type} | **${three(mean(r2))}** | ${three(quantile(r2, 0.5))} | ${three(Math.min(...r2))}..${three(Math.max(...r2))} ` +
        `| ${three(mean(scores.map((one) => one.spearman)))} | ${three(mean(scores.map((one) => one.recall)))} ` +
        `| ${expected ? three(expected) : '–'} | ${draws} | ${((user + system) / 1000 / draws).toPrecision(2)} |`
    );
    console.log(lines.at(-1));
    groups.push({ name: type, values: r2 });
  }
  lines.push('');
  panels.push({ title, groups });
}
const docs = new URL('../docs/predictors.md', import.meta.url);
const [begin, end] = ['<!-- figures: bench/predictors.ts writes what follows -->', '<!-- end of the figures -->'];
const text = readFileSync(docs, 'utf8');
const [before, rest = ''] = text.split(begin);
writeFileSync(docs, `${before}${begin}\n\n${lines.join('\n')}\n${end}${rest.split(end)[1] ?? ''}`);
writeFileSync(new URL('../docs/predictors.svg', import.meta.url), stripPlot(panels, 'R² on the test curves'));
