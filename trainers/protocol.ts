/**
 * The line protocol between a worker and a trainer: JSON lines, a request in, one line per epoch out
 * (docs/trainers.md). Everything else a trainer prints is its log.
 */
import type { Numbers } from '../core/curve.js';
import { failureKinds, type Config, type FailureKind } from '../core/settings.js';
import type { NonFinite } from '../core/trial.js';

/** One line on the trainer's standard input. */
export interface TrainRequest {
  /** Version of the protocol. */
  readonly everband: 1;
  readonly study: string;
  readonly trial: string;
  readonly config: Config;
  /** 32-bit unsigned. */
  readonly seed: number;
  /** The key the trainer must report every epoch. */
  readonly metric: string;
  /** Further keys that it must report every epoch; absent: none. */
  readonly metrics?: readonly string[];
  /** Epochs already trained: what `checkpoint` holds, 0 without one. */
  readonly from: number;
  /** The last epoch to train. */
  readonly to: number;
  /** Absolute path of what to resume from, or null: start from nothing. */
  readonly checkpoint: string | null;
  /** Absolute folder of this attempt alone; checkpoints go here, each under a name of its own. */
  readonly checkpointDir: string;
}

/** A line of the trainer's standard output, understood. */
export type TrainMessage =
  | {
      readonly type: 'epoch';
      readonly epoch: number;
      readonly value: number | NonFinite;
      /** The further metrics; absent: none was asked for. */
      readonly metrics?: Numbers;
      /** Every other number; null where it is not finite. */
      readonly others: Readonly<Record<string, number | null>>;
      readonly checkpoint: string | null;
    }
  | { readonly type: 'ready' }
  | { readonly type: 'error'; readonly message: string; readonly kind: FailureKind }
  | { readonly type: 'log' }
  | { readonly type: 'malformed'; readonly problem: string };

/** Bytes of the longest line that can be one of the protocol: a trainer that never ends its lines must not fill the memory. */
export const maxLine = 1 << 20;

/** Characters of what a message shows of a line. */
const shownCharacters = 300;
/** Characters of an error that a trainer tells. */
const errorCharacters = 4000;

/** A line of the protocol, before anybody asks for a metric. */
export type Said =
  | { readonly type: 'object'; readonly fields: Readonly<Record<string, unknown>>; readonly text: string }
  | { readonly type: 'malformed'; readonly problem: string };

/** Reads one line; `metric` is the key whose value counts, `metrics` are further ones that it must have. */
export function parseLine(line: string, metric: string, metrics: readonly string[] = []): TrainMessage {
  const said = readLine(line);
  return said === null ? { type: 'log' } : interpret(said, metric, metrics);
}

/** A line of the protocol; null for one of the log. */
export function readLine(line: string): Said | null {
  const text = line.trim();
  if (!text.startsWith('{')) return null;
  const fields = parseJson(text);
  if (fields === undefined) return /^\{\s*"epoch"/.test(text) ? malformed(text, 'is not JSON') : null;
  return ['epoch', 'error', 'ready'].some((key) => key in fields) ? { type: 'object', fields, text } : null;
}

/** What a line of the protocol says to who asked for these metrics. */
export function interpret(
  said: Said,
  metric: string,
  metrics: readonly string[] = []
): Exclude<TrainMessage, { type: 'log' }> {
  if (said.type === 'malformed') return said;
  const { fields, text } = said;
  // An object that has an epoch is an epoch, even when the metric is called "error" or "ready".
  if ('epoch' in fields) return parseEpoch(fields, { metric, metrics }, text);
  if ('error' in fields) {
    const { error } = fields;
    const kind = failureKinds.find((one) => one === fields['kind']) ?? 'error';
    // What is no text may be nested too deeply to be written again.
    return { type: 'error', message: cut(typeof error === 'string' ? error : text, errorCharacters), kind };
  }
  return fields['ready'] === true ? { type: 'ready' } : malformed(text, '"ready" must be true');
}

function parseEpoch(
  parsed: Readonly<Record<string, unknown>>,
  { metric, metrics }: { readonly metric: string; readonly metrics: readonly string[] },
  text: string
): Exclude<TrainMessage, { type: 'log' }> {
  const { epoch, checkpoint = null, ...values } = parsed;
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch)) return malformed(text, '"epoch" must be an integer');
  if (checkpoint !== null && (typeof checkpoint !== 'string' || checkpoint === '')) {
    return malformed(text, '"checkpoint" must be a name inside checkpointDir');
  }
  const problem = (name: string): string | null => {
    if (!Object.hasOwn(parsed, name)) return `the metric "${name}" is missing`;
    return readValue(parsed[name]) === undefined ? `"${name}" must be a number` : null;
  };
  const wrong = problem(metric);
  if (wrong !== null) return malformed(text, wrong);
  const value = readValue(parsed[metric]) as number | NonFinite;
  // Of an epoch that diverged no other number counts.
  const names = typeof value === 'number' ? metrics : [];
  for (const name of names) {
    const also = problem(name);
    if (also !== null) return malformed(text, also);
  }
  const others = readOthers(values, metric);
  const named = names.map((name) => [name, others[name] ?? null] as const);
  return {
    ...{ type: 'epoch', epoch, value, others, checkpoint },
    ...(named.length > 0 ? { metrics: Object.fromEntries(named) } : {}),
  };
}

/** Numbers; what is anything else is for the log. */
function readOthers(values: Record<string, unknown>, metric: string): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, raw]) => {
      const value = readValue(raw);
      if (name === metric || value === undefined) return [];
      return [[name, typeof value === 'number' ? value : null]];
    })
  );
}

function malformed(text: string, problem: string): Extract<Said, { type: 'malformed' }> {
  return { type: 'malformed', problem: `${problem}: ${cut(text, shownCharacters)}` };
}

function cut(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters)}...`;
}

/** Marks a token that JSON does not know; no real string starts with it. */
const mark = '\u0000everband:';

/**
 * Finds the tokens between the strings. A string that never ends counts as one: a search that went on behind its first
 * quote would read the rest of the line again for every quote in it.
 */
const tokens = /"(?:[^"\\]|\\[^])*"?|-?\b(?:Infinity|NaN)\b/g;

/** JSON, and the tokens Python's json module writes: NaN, Infinity, -Infinity. Undefined when it is neither. */
function parseJson(text: string): Record<string, unknown> | undefined {
  const attempt = (source: string): Record<string, unknown> | undefined => {
    try {
      // What starts with a brace and parses is an object.
      return JSON.parse(source) as Record<string, unknown>;
    } catch {
      return undefined;
    }
  };
  return attempt(text) ?? attempt(text.replace(tokens, quoteToken));
}

function quoteToken(token: string): string {
  return token.startsWith('"') ? token : JSON.stringify(mark + token);
}

function readValue(value: unknown): number | NonFinite | undefined {
  if (value === null) return 'nan';
  // 1e999 is valid JSON and no finite number.
  if (typeof value === 'number') return classify(value);
  if (typeof value === 'string' && value.startsWith(mark)) return classify(Number(value.slice(mark.length)));
  return undefined;
}

/** A finite number as it is, any other by name. */
export function classify(value: number): number | NonFinite {
  if (Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}

/** The line a trainer writes for a finished epoch. */
export function formatEpoch(epoch: number, values: Readonly<Record<string, number>>, checkpoint?: string): string {
  const fields = Object.entries(values).map(([key, value]) => `${JSON.stringify(key)}:${formatNumber(value)}`);
  if (checkpoint !== undefined) fields.push(`"checkpoint":${JSON.stringify(checkpoint)}`);
  return `{"epoch":${epoch}${fields.map((field) => `,${field}`).join('')}}`;
}

function formatNumber(value: number): string {
  return Number.isFinite(value) ? JSON.stringify(value) : String(value);
}
