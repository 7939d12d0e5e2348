/** Every algorithm on TaskSet's curves, of which one in ten ends in NaN: is there a NaN in anything they write? */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { canonicalJson } from '../../core/record.js';
import { algorithmNames, studyOf, type Setting } from '../../simulate/algorithms.js';
import { runOnCluster } from '../../simulate/cluster.js';
import { curvesOfCsv } from '../../simulate/curves.js';
import { measure } from '../../simulate/measures.js';
import { meanOf, type Mean } from '../../simulate/summary.js';
import { markdown } from './markdown.js';

export interface Diverging {
  readonly rows: number;
  /** Rows with a value that is not finite. */
  readonly divergingRows: number;
  readonly maxBudget: number;
  readonly seeds: number;
  readonly algorithms: readonly {
    readonly name: string;
    readonly epochs: number;
    /** Trials per run that diverged. */
    readonly diverged: number;
    /** Over the runs in which a trial reached R; null when there is none. */
    readonly value: Mean | null;
    /** Runs in which a trial reached R. */
    readonly reached: number;
    /** Numbers in all records and measures that are not finite; JSON would write them as null. */
    readonly notFinite: number;
  }[];
}

const maxBudget = 50;
const cluster = { workers: 8, epochSeconds: { type: 'fixed', seconds: 60 } } as const;

/** Null without taskset.csv, which `everband data` does not fetch. */
export async function diverging(data: string, seeds: number): Promise<Diverging | null> {
  const file = path.join(data, 'curves', 'taskset.csv');
  if (!existsSync(file)) return null;
  const table = curvesOfCsv(file, 'loss_');
  const objective = { metric: 'validation loss', mode: 'minimise' } as const;
  const setting: Setting = { objective, maxBudget, eta: 2, file: 'taskset' };
  const found: Diverging['algorithms'][number][] = [];
  for (const name of algorithmNames) {
    const study = studyOf(name, setting);
    const values: number[] = [];
    let [epochs, diverged, notFinite] = [0, 0, 0];
    for (let seed = 0; seed < seeds; seed++) {
      const run = await runOnCluster({ ...study, seed }, table, cluster);
      const measures = measure(run, table);
      notFinite += countNotFinite(run) + countNotFinite(measures);
      notFinite += /\b(NaN|Infinity)\b/.test(canonicalJson(run.record)) ? 1 : 0;
      epochs += measures.epochs / seeds;
      diverged += run.record.result.fates.diverged / seeds;
      if (measures.value !== null) values.push(measures.value);
    }
    found.push({ name, epochs, diverged, value: meanOf(values), reached: values.length, notFinite });
  }
  const divergingRows = table.values.filter((curve) => !curve.every(Number.isFinite)).length;
  return { rows: table.rows.length, divergingRows, maxBudget, seeds, algorithms: found };
}

function countNotFinite(value: unknown): number {
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : 1;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, one) => sum + countNotFinite(one), 0);
}

export function divergingPart({ rows, divergingRows, maxBudget: R, seeds, algorithms }: Diverging): string {
  const bad = algorithms.filter(({ notFinite, reached }) => notFinite > 0 || reached < seeds);
  const verdict =
    bad.length === 0
      ? 'No record and no measure of any run has a number that is not finite, and in every run a trial reached R'
      : `NOT as it should be: ${bad.map(({ name }) => name).join(', ')}`;
  const lines = algorithms.map(({ name, epochs, diverged, value, reached, notFinite }) => [
    name,
    epochs.toFixed(0),
    diverged.toFixed(1),
    value ? `${value.mean.toFixed(3)} (${value.low.toFixed(3)} to ${value.high.toFixed(3)})` : '-',
    `${reached} of ${seeds}`,
    notFinite,
  ]);
  return `## Curves that diverge

TaskSet: ${divergingRows} of ${rows} rows end in NaN. R = ${R}, eta 2, every algorithm of \`everband simulate\` with its defaults, seeds 0 to ${seeds - 1}; the
command above. ${verdict}.

${markdown(['algorithm', 'epochs', 'diverged trials', 'final validation loss', 'runs that reached R', 'not finite'], lines)}

A trial that diverges ends there, ranks last and is never promoted; its curve enters no training set.`;
}
