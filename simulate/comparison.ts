/** Several algorithms over the same curves and seeds: what there is to do, and one piece of it. */
import type { Study } from '../core/study.js';
import type { CurveTable } from '../trainers/replay.js';
import { studyOf, endless, yardstick, type AlgorithmName, type Setting } from './algorithms.js';
import { anytime } from './anytime.js';
import { runOnCluster, type ClusterSettings } from './cluster.js';
import { measure, type Measures } from './measures.js';

/** Plain data, so that another thread can be given it. */
export interface Comparison {
  readonly setting: Setting;
  readonly table: CurveTable;
  readonly cluster: ClusterSettings;
  readonly contestants: readonly Contestant[];
  /** Seeds 0 ... seeds - 1. */
  readonly seeds: number;
  /** Epochs of one Hyperband iteration with eta 2, the unit of epochs to match; null: it is not asked for. */
  readonly iteration: number | null;
}

interface Contestant {
  readonly name: AlgorithmName;
  readonly study: Study;
  /** Whether the user asked for it; the yardstick of epochs to match runs anyway. */
  readonly shown: boolean;
  /** Whether it is followed for epochs to match. */
  readonly followed: boolean;
}

/** One algorithm, one seed. */
export interface Run {
  readonly contestant: number;
  readonly seed: number;
  readonly measures: Measures;
  /** By hundredths of a Hyperband iteration, the best loss so far; null when it was not followed. */
  readonly curve: Float64Array | null;
}

/** Hyperband with eta 2: what epochs to match are measured by. */
export const matched = 'hyperband:eta=2';

/** @throws RangeError for an algorithm that cannot be, or curves shorter than R */
export function comparison(options: {
  readonly setting: Setting;
  readonly table: CurveTable;
  readonly cluster: ClusterSettings;
  readonly algorithms: readonly AlgorithmName[];
  readonly seeds: number;
  /** Algorithms followed for epochs to match. */
  readonly follow: readonly AlgorithmName[];
}): Comparison {
  const { setting, table, cluster, algorithms, seeds, follow } = options;
  const longest = table.values.reduce((most, curve) => Math.max(most, curve.length), 0);
  if (setting.maxBudget > longest)
    throw new RangeError(`R = ${setting.maxBudget}, and the curves have ${longest} epochs`);
  const contestants = algorithms.map((name): Contestant => {
    return { name, study: studyOf(name, setting), shown: true, followed: follow.includes(name) };
  });
  if (follow.length > 0)
    contestants.unshift({ name: matched, study: studyOf(matched, setting), shown: false, followed: false });
  const iteration = follow.length > 0 ? yardstick(setting.maxBudget, 2).epochs : null;
  return { setting, table, cluster, contestants, seeds, iteration };
}

/** Pieces in the order in which they are done: seed by seed, so that what is there early compares. */
export function pieces({ contestants, seeds }: Comparison): { contestant: number; seed: number }[] {
  return Array.from({ length: seeds }, (_, seed) =>
    contestants.map((_one, contestant) => ({ contestant, seed }))
  ).flat();
}

export async function simulate(
  { contestants, table, cluster, iteration }: Comparison,
  { contestant, seed }: { readonly contestant: number; readonly seed: number }
): Promise<Run> {
  const one = contestants[contestant] as Contestant;
  const study = { ...one.study, seed };
  const measures = measure(await runOnCluster(study, table, cluster), table);
  const repeated = one.followed && iteration !== null ? endless(study, 2 * iteration) : null;
  const curve = repeated && iteration !== null ? await anytime(repeated, table, iteration) : null;
  return { contestant, seed, measures, curve };
}
