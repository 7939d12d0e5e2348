/** Text, tables and numbers for people. */
import { format } from 'node:util';
import pc from 'picocolors';

/** What a terminal would obey: control characters but for line ends and tabs, and marks that turn text around. */
// eslint-disable-next-line no-control-regex
const controls = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** The colours of picocolors that this command uses. */
// eslint-disable-next-line no-control-regex
const colour = /(\x1b\[(?:1|2|22|31|32|33|39)m)/;

/**
 * Text that may come from a trainer, a study file or a server, for a terminal: what the terminal would obey is shown
 * instead, `\u001b[2J` in place of a cleared screen. The escapes are JSON's, so that JSON stays what it was.
 */
export function harmless(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(controls, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same for text with colours of this command in it. */
export function harmlessInColour(text: string): string {
  return text
    .split(colour)
    .map((part, index) => (index % 2 === 1 ? part : harmless(part)))
    .join('');
}

/** From now on nothing that goes to the console commands the terminal. */
export function guardConsole(): void {
  for (const stream of ['log', 'error'] as const) {
    const print = console[stream].bind(console);
    console[stream] = (...parts: unknown[]) => print('%s', harmlessInColour(format(...parts)));
  }
}

/** Left-aligned columns, the head in bold; colours are off when piped. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [head, ...rows].map((row) =>
    row.map((cell) => (cell === null || cell === undefined ? '' : harmless(String(cell)).replaceAll('\n', ' ')))
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
