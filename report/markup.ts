/** Text, numbers and data on their way into HTML. */
import type { Config, Json } from '../core/study.js';

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

const ambiguous = /^(y|n|yes|no|on|off|true|false|null|nan|inf|infinity|e[-+]?\d+)$/i;

/**
 * YAML that 1.1 and 1.2 readers take alike: anything a reader could mistake is quoted, and an exponent has the point
 * without which PyYAML reads a string.
 */
export function toYaml(config: Config): string {
  const entries = Object.entries(config);
  return entries.length === 0
    ? '{}\n'
    : entries.map(([name, value]) => `${yamlText(name)}: ${yamlValue(value)}\n`).join('');
}

function yamlValue(value: Json): string {
  if (typeof value === 'string') return yamlText(value);
  if (typeof value === 'number') return JSON.stringify(value).replace(/^(-?\d+)e/, '$1.0e');
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(yamlValue).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([name, inner]) => `${yamlText(name)}: ${yamlValue(inner as Json)}`)
    .join(', ')}}`;
}

function yamlText(text: string): string {
  if (/^[A-Za-z_][\w-]*$/.test(text) && !ambiguous.test(text)) return text;
  return JSON.stringify(text).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  );
}
