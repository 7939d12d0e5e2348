/** Recorded learning curves as a trainer: a CSV with a row per model, hyperparameters and one value per epoch. */
import { readFileSync, statSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import type { Config, ReplayTrainer } from '../core/study.js';

/** A table of recorded curves; both arrays are in the order of the file's rows. */
export interface CurveTable {
  /** The numeric hyperparameters of each row, and `row`, its 0-based index. */
  readonly rows: readonly Config[];
  /** One value per epoch, first epoch first; NaN or an infinity where the file has them, NaN where it has nothing. */
  readonly values: readonly (readonly number[])[];
}

const tables = new Map<string, { readonly stamp: string; readonly table: CurveTable }>();

/** Reads the table once; again when the file has changed. */
export function readTable(trainer: ReplayTrainer): CurveTable {
  const key = `${trainer.columns}\n${trainer.file}`;
  const { mtimeMs, size } = statSync(trainer.file);
  const stamp = `${mtimeMs} ${size}`;
  const known = tables.get(key);
  if (known?.stamp === stamp) return known.table;
  const table = parseTable(readFileSync(trainer.file, 'utf8'), trainer);
  tables.set(key, { stamp, table });
  return table;
}

function parseTable(text: string, { columns: prefix, file }: ReplayTrainer): CurveTable {
  const [header = [], ...lines] = parse(text, { bom: true, skip_empty_lines: true, trim: true }) as string[][];
  const isValue = (name: string) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
  const all = header.map((name, column) => ({ name, column }));
  const valueColumns = all.filter(({ name }) => isValue(name));
  if (valueColumns.length === 0) throw new Error(`${file} has no columns "${prefix}<epoch>"`);
  const parameters = all.filter(
    ({ name, column }) =>
      !isValue(name) &&
      name !== 'index' &&
      name !== 'row' &&
      lines.every((cells) => Number.isFinite(readNumber(cells[column])))
  );
  return {
    rows: lines.map((cells, row) => ({
      ...Object.fromEntries(parameters.map(({ name, column }) => [name, readNumber(cells[column])])),
      row,
    })),
    values: lines.map((cells) => valueColumns.map(({ column }) => readNumber(cells[column]))),
  };
}

/** NaN for an empty cell and for text. */
function readNumber(cell = ''): number {
  const infinity = /^([+-]?)inf(inity)?$/i.exec(cell);
  if (infinity) return infinity[1] === '-' ? -Infinity : Infinity;
  return cell === '' ? NaN : Number(cell);
}
