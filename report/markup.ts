/** Text, numbers and data on their way into HTML. */
import type { Json } from '../core/study.js';

/** For element content and quoted attributes alike; control characters that HTML forbids become U+FFFD. */
export function escape(text: string): string {
  return (
    text
      // eslint-disable-next-line no-control-regex
      .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '\ufffd')
      .replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`)
  );
}

/** JSON that cannot leave a script element. */
export function embed(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  );
}

/** At most `digits` significant digits. */
export function short(value: number, digits = 5): string {
  const rounded = Number(value.toPrecision(digits));
  return String(Number.isFinite(rounded) ? rounded : value).replace('e+', 'e');
}

/** Thousands set apart by a thin space. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** `1 trial`, `2 trials`. */
export function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? '' : 's'}`;
}

/** The sign of a fate, before its name. */
export function mark(place: string): string {
  return `<i class="d-${place}"></i>`;
}

/** A coordinate: one decimal is a tenth of a pixel. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** A parameter's value in a table or a tooltip. */
export function shown(value: Json | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return short(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}
