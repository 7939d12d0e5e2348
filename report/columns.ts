/** Tables whose columns follow from the configurations in them. */
import type { Config } from '../core/study.js';
import { escape, shown } from './markup.js';
import { paramNames, paramOf } from './trials.js';

export interface Column<Row> {
  readonly name: string;
  readonly numeric: boolean;
  /** The whole cell, as HTML. */
  readonly cell: (row: Row) => string;
}

/** `html` and `title` are escaped already. */
export function cellOf(html: string, numeric: boolean, title = ''): string {
  return `<td${numeric ? ' class="n"' : ''}${title === '' ? '' : ` title="${title}"`}>${html}</td>`;
}

/** A column for every parameter that any of the rows has. */
export function paramColumns<Row extends { readonly config: Config }>(rows: readonly Row[]): Column<Row>[] {
  return paramNames(rows).map((name) => {
    const numeric = rows.every((row) => ['number', 'undefined'].includes(typeof paramOf(row, name)));
    return {
      ...{ name, numeric },
      cell: (row) => {
        const text = escape(shown(paramOf(row, name)));
        return cellOf(text, numeric, text.length > 36 ? text : '');
      },
    };
  });
}

export function plainTable<Row>(label: string, columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const head = columns.map(({ name, numeric }) => `<th scope="col"${numeric ? ' class="n"' : ''}>${escape(name)}</th>`);
  const body = rows.map((row) => `<tr>${columns.map(({ cell }) => cell(row)).join('')}</tr>`);
  return `<div class="scroll tall" tabindex="0" role="region" aria-label="${label}"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}
