/** Tables and numbers for people. */
import pc from 'picocolors';

/** Left-aligned columns, the head in bold; colours are off when piped. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [head, ...rows].map((row) =>
    row.map((cell) => (cell === null || cell === undefined ? '' : String(cell)))
  );
  const widths = head.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  );
  return [pc.bold(lines[0] ?? ''), ...lines.slice(1)].join('\n');
}

/** Six significant digits. */
export function short(value: number | null): string {
  return value === null ? '' : String(Number(value.toPrecision(6)));
}

/** Cuts a line to `columns` characters, colours not counted: a wrapped line would break a redraw. */
export function fit(line: string, columns: number): string {
  let left = columns;
  let cut = '';
  // eslint-disable-next-line no-control-regex
  for (const [part] of line.matchAll(/\x1b\[\d+m|[^\x1b]/gu)) {
    if (part.startsWith('\x1b')) cut += part;
    else if (left-- > 0) cut += part;
  }
  return cut;
}
