/** What one simulated run of one algorithm came to. */
import { modeOf } from '../core/objectives/index.js';
import { schedulerOf } from '../core/schedulers/index.js';
import type { RoundRecord, StudyRecord } from '../core/record.js';
import type { Objective } from '../core/study.js';
import type { CurveTable } from '../trainers/replay.js';
import type { ClusterRun } from './cluster.js';

export interface Measures {
  readonly epochs: number;
  readonly trials: number;
  /** The best metric at R; null when no trial reached R. */
  readonly value: number | null;
  /** How far `value` is from the best of the whole data set at R, in the metric's own units; 0 or more. */
  readonly regret: number | null;
  /** Place of `value` among all rows of the data set at R: 1 is the best. */
  readonly rank: number | null;
  /** Seconds from the start to the end on the virtual cluster. */
  readonly seconds: number;
  /** Share of the workers' time that they trained. */
  readonly busy: number;
  /** Trials that the pruner ended. */
  readonly stopped: number;
  /** Those of them that the round needed, see {@link wrongStops}. */
  readonly wrongStops: number;
  readonly predictorsTrained: number;
  /** Workers lost on the way. */
  readonly failures: number;
}

export function measure({ record, makespan, busy, failures }: ClusterRun, table: CurveTable): Measures {
  const { best, epochs, trials, fates, predictorsTrained } = record.result;
  const value = best?.reachedMaxBudget ? best.value : null;
  const standings = standingsAt(table, record.scheduler.maxBudget, record.objective);
  const loss = value === null ? null : modeOf(record.objective).loss(value);
  return {
    epochs,
    trials,
    value,
    regret: loss === null ? null : loss - (standings[0] ?? NaN),
    rank: loss === null ? null : standings.filter((other) => other < loss).length + 1,
    seconds: makespan,
    busy,
    stopped: fates.stopped,
    wrongStops: wrongStops(record, table),
    predictorsTrained,
    failures,
  };
}

/** Losses of all rows at `budget`, best first; those without a finite one are left out. */
function standingsAt({ values }: CurveTable, budget: number, objective: Objective): number[] {
  return values
    .map((curve) => modeOf(objective).loss(curve[budget - 1] ?? NaN))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
}

/**
 * Stops that cost a place: had every trial that entered the round trained to the rung, the stopped one would have been
 * among the n_next best there (n_next = max(floor(n_i / eta), 1) of those that entered, 1 in the last round).
 */
export function wrongStops(record: StudyRecord, table: CurveTable): number {
  const rows = new Map(record.trials.map((trial) => [trial.id, Number(trial.config['row'])]));
  const lossOf = (trial: string, rung: number): number => {
    const value = table.values[rows.get(trial) ?? -1]?.[rung - 1] ?? NaN;
    return Number.isFinite(value) ? modeOf(record.objective).loss(value) : Infinity;
  };
  const inRound = (round: RoundRecord): number => {
    const asked = round.decision?.predictions ?? [];
    const stopped = new Set(asked.filter(({ goesOn }) => !goesOn).map(({ trial }) => trial));
    if (stopped.size === 0) return 0;
    const last = round.to === record.scheduler.maxBudget;
    const places = last ? 1 : schedulerOf(record.scheduler).kept(record.scheduler, round.trials.length);
    return round.trials
      .map((trial, index) => ({ trial, index, loss: lossOf(trial, round.to) }))
      .sort((a, b) => compare(a.loss, b.loss) || a.index - b.index)
      .slice(0, places)
      .filter(({ trial, loss }) => stopped.has(trial) && loss < Infinity).length;
  };
  return record.brackets.flatMap((bracket) => bracket.rounds).reduce((sum, round) => sum + inRound(round), 0);
}

/** Infinity - Infinity is no number. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
