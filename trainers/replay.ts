/** Recorded learning curves as a trainer: a CSV with a row per model, hyperparameters and one value per epoch. */
import { readFileSync, statSync } from 'node:fs';
import os from 'node:os';
import { parse } from 'csv-parse/sync';
import type { Config, ReplayTrainer } from '../core/study.js';
import type { SegmentOutcome } from '../core/trial.js';
import { classify } from './protocol.js';

/** A table of recorded curves; both arrays are in the order of the file's rows. */
export interface CurveTable {
  /** The numeric hyperparameters of each row, and `row`, its 0-based index. */
  readonly rows: readonly Config[];
  /** One value per epoch, first epoch first; NaN or an infinity where the file has them, NaN where it has nothing. */
  readonly values: readonly (readonly number[])[];
}

/** What a stretch of a recorded curve comes to. */
export function replayed(curve: readonly number[]): Extract<SegmentOutcome, { outcome: 'completed' | 'diverged' }> {
  const values: number[] = [];
  for (const raw of curve) {
    const value = classify(raw);
    if (typeof value !== 'number') return { outcome: 'diverged', values, nonFinite: value };
    values.push(value);
  }
  return { outcome: 'completed', values };
}

const tables = new Map<string, { readonly stamp: string; readonly table: CurveTable }>();

/** Largest file: it is read in one piece, and kept. */
const maxBytes = 256 * 1024 * 1024;

/** Reads the table once; again when the file has changed. @throws Error that names the file and says what is wrong */
export function readTable(trainer: ReplayTrainer): CurveTable {
  const key = `${trainer.columns}\n${trainer.file}`;
  const stat = statSync(trainer.file, { throwIfNoEntry: false });
  if (!stat) throw new Error(`${trainer.file}: there is no such file on ${os.hostname()}`);
  // To open a FIFO would block the whole worker.
  if (!stat.isFile()) throw new Error(`${trainer.file} is no regular file`);
  const { mtimeMs, size } = stat;
  if (size > maxBytes) {
    throw new Error(`${trainer.file} has ${size} bytes, and recorded curves may have at most ${maxBytes}`);
  }
  const stamp = `${mtimeMs} ${size}`;
  const known = tables.get(key);
  if (known?.stamp === stamp) return known.table;
  const table = parseTable(readFileSync(trainer.file, 'utf8'), trainer);
  tables.set(key, { stamp, table });
  return table;
}

/** @throws Error that names the file: no CSV, no value columns, or columns that do not count from 0 or 1 up by one */
function parseTable(text: string, { columns: prefix, file }: ReplayTrainer): CurveTable {
  const [header = [], ...lines] = cellsOf(text, file);
  const all = header.map((name, column) => ({ name, column }));
  const isValue = (name: string) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
  // By number: a file may have its columns sorted as text, loss_1, loss_10, loss_2.
  const valueColumns = all
    .filter(({ name }) => isValue(name))
    .map((one) => ({ ...one, epoch: Number(one.name.slice(prefix.length)) }))
    .sort((a, b) => a.epoch - b.epoch);
  if (valueColumns.length === 0) {
    const names = header.slice(0, 10).map((name) => JSON.stringify(name.slice(0, 40)));
    const has = names.length === 0 ? 'it is empty' : `it has ${names.join(', ')}${header.length > 10 ? ', ...' : ''}`;
    throw new Error(`${file} has no columns "${prefix}<epoch>": ${has}`);
  }
  checkEpochs(valueColumns, prefix, file);
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

function cellsOf(text: string, file: string): string[][] {
  try {
    return parse(text, { bom: true, skip_empty_lines: true, trim: true }) as string[][];
  } catch (error) {
    throw new Error(`${file} is no CSV: ${(error as Error).message}`, { cause: error });
  }
}

/** `columns`, by number, must count up by one: a curve with a hole would be read as a shorter one. */
function checkEpochs(columns: readonly { name: string; epoch: number }[], prefix: string, file: string): void {
  const first = columns[0]?.epoch ?? 0;
  if (first > 1) throw new Error(`${file}: its columns "${prefix}<epoch>" start at ${first}, and must at 0 or 1`);
  for (const [i, { name, epoch }] of columns.entries()) {
    const before = columns[i - 1];
    if (!before || epoch === before.epoch + 1) continue;
    if (epoch === before.epoch) throw new Error(`${file} has epoch ${epoch} twice: ${before.name} and ${name}`);
    const [from, to] = [before.epoch + 1, epoch - 1];
    const missing = from === to ? `${prefix}${from}` : `${prefix}${from} to ${prefix}${to}`;
    throw new Error(`${file} has ${before.name} and ${name}, and between them lacks ${missing}`);
  }
}

/** NaN for an empty cell and for text. */
function readNumber(cell = ''): number {
  const infinity = /^([+-]?)inf(inity)?$/i.exec(cell);
  if (infinity) return infinity[1] === '-' ? -Infinity : Infinity;
  return cell === '' ? NaN : Number(cell);
}
