/** A study's record as files for other programs, with what its trainers reported beside the objective. */
import { stringify } from 'csv-stringify/sync';
import { bestWithLate, type LateRecord } from '../core/late.js';
import { canonicalJson, type StudyRecord, type TrialRecord } from '../core/record.js';
import type { Config } from '../core/study.js';
import { checkFormat } from './format.js';
import { numberOf, reportedEpochs, reportedNames, type ReadEpochs, type ReportedEpoch } from './reported.js';
import { epochsOf, exploitsOf, paramNames, paramOf } from './trials.js';

type Row = readonly unknown[];

/** The files of a study's tables (docs/export.md has their columns). */
interface Tables {
  /** A row for every trial. */
  readonly trials: string;
  /** A row for every epoch of every trial, exact. */
  readonly curves: string;
  /** A row for every time a trial went on from another one's checkpoint; absent: none ever did. */
  readonly lineage?: string;
  /** A row for every step of the schedule behind the best result; absent: it has one configuration. */
  readonly schedule?: string;
}

/** RFC 4180; an absent value is empty, an empty string is quoted, and no text is a formula to a spreadsheet. */
function csv(rows: readonly Row[]): string {
  const cells = rows.map((row) =>
    row.map((value) => {
      if (typeof value === 'string') return inert(value);
      return typeof value === 'object' ? JSON.stringify(value) : value;
    })
  );
  // A line break that ends no record is quoted too.
  return stringify(cells, { record_delimiter: 'windows', quoted_match: /^$|[\r\n]/, cast: { boolean: String } });
}

/** With a quote before what a spreadsheet would compute, and before a quote, so that taking one away gives the text again. */
function inert(text: string): string {
  return /^[=+\-@\t\r\n'\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
}

/** A row for each of `all`: what `cells` says, then its configuration in columns `config.<name>`. */
function configCsv<One extends { readonly config: Config }>(
  head: readonly string[],
  all: readonly One[],
  cells: (one: One) => Row
): string {
  const names = paramNames(all);
  const rows = all.map((one) => [...cells(one), ...names.map((name) => paramOf(one, name))]);
  return csv([[...head, ...names.map((name) => `config.${name}`)], ...rows]);
}

/** @throws RangeError for a record of another format */
export function exportCsv(record: StudyRecord, read: ReadEpochs = () => []): Tables {
  checkFormat(record);
  const exploits = exploitsOf(record);
  const schedule = record.result.best?.schedule;
  const metrics = metricNames(record);
  return {
    trials: configCsv(
      ['id', 'bracket', 'index', 'seed', 'fate', 'epochs', 'value', ...metrics.map((name) => `metric.${name}`)],
      record.trials,
      (trial) => [
        ...[trial.id, trial.bracket, trial.index, trial.seed, trial.fate],
        ...[epochsOf(trial), trial.values.at(-1), ...metrics.map((name) => trial.metrics?.[name]?.at(-1))],
      ]
    ),
    curves: curvesCsv(record, read),
    ...(exploits.length > 0
      ? {
          lineage: configCsv(
            ['trial', 'epoch', 'donor', 'donorEpoch'],
            exploits,
            ({ trial, epoch, donor, donorEpoch = epoch }) => [trial, epoch, donor, donorEpoch]
          ),
        }
      : {}),
    ...(schedule ? { schedule: configCsv(['from', 'to'], schedule, ({ from, to }) => [from, to]) } : {}),
  };
}

/** Further metrics that decided, by name, in the order of their code units. */
function metricNames({ trials }: StudyRecord): string[] {
  return [...new Set(trials.flatMap(({ metrics }) => Object.keys(metrics ?? {})))].sort();
}

function curvesCsv(record: StudyRecord, read: ReadEpochs): string {
  const { trials } = record;
  const kept = trials.map((trial) => reportedEpochs(trial, epochsOf(trial), read));
  const metrics = metricNames(record);
  const names = reportedNames(kept.flat()).filter((name) => !metrics.includes(name));
  const columns = [...metrics.map((name) => `metric.${name}`), 'seconds', 'host', 'attempt'];
  const head = ['trial', 'epoch', 'value', ...columns, ...names.map((name) => `reported.${name}`)];
  return csv([head, ...trials.flatMap((trial, i) => epochRows(trial, kept[i] ?? [], { metrics, names }))]);
}

/** The epoch that diverged has a row too, without a value, when something was kept of it. */
function epochRows(
  trial: TrialRecord,
  kept: readonly ReportedEpoch[],
  { metrics, names }: { readonly metrics: readonly string[]; readonly names: readonly string[] }
): Row[] {
  const byEpoch = new Map(kept.map((one) => [one.epoch, one]));
  const epochs = Math.max(trial.values.length, kept.at(-1)?.epoch ?? 0);
  return Array.from({ length: epochs }, (_, i) => {
    const own = byEpoch.get(i + 1);
    const place = [own?.seconds, own?.host, own?.attempt];
    const numbers = metrics.map((name) => trial.metrics?.[name]?.[i]);
    return [trial.id, i + 1, trial.values[i], ...numbers, ...place, ...names.map((name) => numberOf(own, name))];
  });
}

/**
 * The canonical record.
 * @throws RangeError for a record of another format
 */
export function exportJson(record: StudyRecord): string {
  checkFormat(record);
  return canonicalJson(record);
}

/** Late retries of a study's trials, and the best when they count. */
export function exportLate(record: StudyRecord, lates: readonly LateRecord[]): string {
  const [asDecided, withLate] = [[], lates].map((counted) => bestWithLate(record, record.result.best, counted));
  return canonicalJson({ asDecided, withLate, trials: lates });
}
