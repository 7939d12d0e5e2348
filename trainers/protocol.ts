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

/** Characters of the longest line kept in one piece: a trainer that never ends its lines must not fill the memory. */
export const maxLine = 1 << 20;

const log: TrainMessage = { type: 'log' };

/** Reads one line; `metric` is the key whose value counts, `metrics` are further ones that it must have. */
export function parseLine(line: string, metric: string, metrics: readonly string[] = []): TrainMessage {
  const text = line.trim();
  if (!text.startsWith('{')) return log;
  const parsed = parseJson(text);
  if (parsed === undefined) {
    const problem = text.length >= maxLine ? `is longer than ${maxLine} characters` : 'is not JSON';
    return /^\{\s*"epoch"/.test(text) ? malformed(text, problem) : log;
  }
  // An object that has an epoch is an epoch, even when the metric is called "error" or "ready".
  if ('epoch' in parsed) return parseEpoch(parsed, { metric, metrics }, text);
  if ('error' in parsed) {
    const { error } = parsed;
    const kind = failureKinds.find((one) => one === parsed['kind']) ?? 'error';
    return { type: 'error', message: typeof error === 'string' ? error : JSON.stringify(error), kind };
  }
  if ('ready' in parsed) return parsed['ready'] === true ? { type: 'ready' } : malformed(text, '"ready" must be true');
  return log;
}

function parseEpoch(
  parsed: Record<string, unknown>,
  { metric, metrics }: { readonly metric: string; readonly metrics: readonly string[] },
  text: string
): TrainMessage {
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

function malformed(text: string, problem: string): TrainMessage {
  return { type: 'malformed', problem: `${problem}: ${text.slice(0, 300)}` };
}

/** Marks a token that JSON does not know; no real string starts with it. */
const mark = '\u0000everband:';

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
  return attempt(text) ?? attempt(text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:Infinity|NaN)\b/g, quoteToken));
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
