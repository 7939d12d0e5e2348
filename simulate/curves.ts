/** Recorded curves to replay: a CSV, or the record of an earlier study. */
import { readFileSync } from 'node:fs';
import { createSampler } from '../core/sampler.js';
import type { InMemoryEffects } from '../core/in-memory.js';
import { predict } from '../core/predictors/predict.js';
import type { StudyRecord } from '../core/record.js';
import type { Study } from '../core/study.js';
import type { NonFinite, SegmentOutcome, Trial } from '../core/trial.js';
import { readTable, type CurveTable } from '../trainers/replay.js';

/** @throws Error when the file has no columns of that name, or no rows */
export function curvesOfCsv(file: string, columns: string): CurveTable {
  const table = readTable({ type: 'replay', file, columns, secondsPerEpoch: 0 });
  if (table.rows.length === 0) throw new Error(`${file} has no rows`);
  return table;
}

export interface RecordedCurves {
  readonly table: CurveTable;
  readonly record: StudyRecord;
  /** Trials of the record that did not train to the largest budget and are left out. */
  readonly leftOut: number;
}

/**
 * The curves of a record's trials. Only those that reached `maxBudget` are known to the end: one that was outranked or
 * stopped has no value there, and the rest of it cannot be made up.
 *
 * @throws Error when the file is no record or no trial reached `maxBudget`
 */
export function curvesOfRecord(file: string): RecordedCurves {
  const record = readJson(file) as Partial<StudyRecord> | null;
  if (record?.format !== 'everband-record/2') throw new Error(`${file} is no record of a study`);
  const { trials, scheduler } = record as StudyRecord;
  const complete = trials.filter((trial) => trial.values.length >= scheduler.maxBudget);
  if (complete.length === 0) throw new Error(`${file}: no trial reached ${scheduler.maxBudget} epochs`);
  return {
    record: record as StudyRecord,
    table: {
      rows: complete.map((trial, row) => ({ ...trial.config, row })),
      values: complete.map((trial) => trial.values),
    },
    leftOut: trials.length - complete.length,
  };
}

/** @throws Error that names the file when it is no JSON */
export function readJson(file: string): unknown {
  const text = readFileSync(file, 'utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** The row of the table that a trial replays. */
function rowOf(trial: Trial): number {
  return Number(trial.config['row']);
}

/** Epochs from + 1 ... to of a recorded curve. */
function segmentOf(curve: readonly number[], from: number, to: number): SegmentOutcome {
  for (let epoch = from; epoch < to; epoch++) {
    const value = curve[epoch] ?? NaN;
    if (Number.isFinite(value)) continue;
    const nonFinite: NonFinite = Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
    return { outcome: 'diverged', values: curve.slice(from, epoch), nonFinite };
  }
  return { outcome: 'completed', values: curve.slice(from, to) };
}

/** Epochs that a segment took; the diverging one counts. */
export function epochsOf(outcome: SegmentOutcome): number {
  return outcome.values.length + (outcome.outcome === 'diverged' ? 1 : 0);
}

/** Replaying without a clock: every answer is there at once. */
export interface Replay extends InMemoryEffects {
  train(trial: Trial, from: number, to: number): SegmentOutcome;
}

export function replay(study: Study, table: CurveTable): Replay {
  return {
    propose: createSampler(study, table.rows).propose,
    train: (trial, from, to) => segmentOf(table.values[rowOf(trial)] ?? [], from, to),
    predict,
  };
}
