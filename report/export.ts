/** A study's record as files for other programs. */
import { canonicalJson, type StudyRecord } from '../core/record.js';
import { epochsOf, paramNames, paramOf } from './trials.js';

/** RFC 4180: quoted when a comma, quote or line break is inside; an empty string is quoted, an absent value is not. */
function cell(value: unknown): string {
  if (value === undefined) return '';
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const lines = (rows: readonly (readonly unknown[])[]) =>
  rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';

/** `trials`: one row a trial, its configuration in columns `config.<name>`. `curves`: one row per trial and epoch, exact. */
export function exportCsv(record: StudyRecord): { readonly trials: string; readonly curves: string } {
  const names = paramNames(record);
  const head = ['id', 'bracket', 'index', 'seed', 'fate', 'epochs', 'value', ...names.map((name) => `config.${name}`)];
  const rows = record.trials.map((trial) => [
    ...[trial.id, trial.bracket, trial.index, trial.seed, trial.fate],
    ...[epochsOf(trial), trial.values.at(-1)],
    ...names.map((name) => paramOf(trial, name)),
  ]);
  const curves = record.trials.flatMap((trial) => trial.values.map((value, i) => [trial.id, i + 1, value]));
  return { trials: lines([head, ...rows]), curves: lines([['trial', 'epoch', 'value'], ...curves]) };
}

/** The canonical record. */
export function exportJson(record: StudyRecord): string {
  return canonicalJson(record);
}
