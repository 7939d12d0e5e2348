/**
 * What a scheduler, sampler, pruner or predictor may be told in a study file, said once by its own file: the schema of
 * study files, the defaults of `defineStudy` and the reference in the docs are made from it.
 */

interface Described {
  /** What it is, in a whole sentence. */
  readonly says: string;
}
/** A whole number of at least `min` (1 unless said); `or`: a word that may stand instead. */
interface WholeOption extends Described {
  readonly kind: 'whole';
  readonly min?: number;
  readonly max?: number;
  readonly or?: string;
  readonly default?: number | string;
  /** Another default where another option has this value. */
  readonly defaultWhere?: { readonly option: string; readonly is: string; readonly default: number };
}
/** A finite number between bounds: `above` and `below` exclude theirs, `min` and `max` include them. */
interface NumberOption extends Described {
  readonly kind: 'number';
  readonly above?: number;
  readonly below?: number;
  readonly min?: number;
  readonly max?: number;
  readonly default?: number;
  /** Whether it may be left out although it has no default. */
  readonly optional?: true;
}
/** One of some words. */
interface WordOption extends Described {
  readonly kind: 'word';
  readonly of: readonly string[];
  readonly default?: string | null;
  /** Whether null may stand instead: none of them. */
  readonly orNull?: true;
}
/** Any text but the empty one, such as the name of a task queue. */
interface TextOption extends Described {
  readonly kind: 'text';
  readonly default?: string;
}
/** Any JSON value. */
interface JsonOption extends Described {
  readonly kind: 'json';
  readonly default: null;
}
/** A predictor with options of its own. */
interface PredictorOption extends Described {
  readonly kind: 'predictor';
  readonly default: string;
}
export type Option = WholeOption | NumberOption | WordOption | TextOption | JsonOption | PredictorOption;

/** An option for every key of the settings but `type`. */
export type Options<Settings> = { readonly [Key in Exclude<keyof Settings, 'type'>]-?: Option };

/** Why settings make no sense: the key, the value seen and what would be right. */
export interface Refusal {
  readonly path: string;
  readonly value: unknown;
  readonly rule: string;
}

/** What is wrong with a value, as the end of a sentence ("must be ..."); null when it is right. */
export function problemOf(option: Option, value: unknown): string | null {
  switch (option.kind) {
    case 'whole': {
      const { min = 1, max = Infinity, or } = option;
      if (or !== undefined && value === or) return null;
      const range = max === Infinity ? `${min} or more` : `${min} to ${max}`;
      const right = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
      return right ? null : `must be a whole number of ${range}${or === undefined ? '' : `, or "${or}"`}`;
    }
    case 'number': {
      const { above = -Infinity, below = Infinity, min = -Infinity, max = Infinity } = option;
      if (typeof value === 'number' && value > above && value < below && value >= min && value <= max) return null;
      const bounds = [
        ...(above === -Infinity ? [] : [`above ${above}`]),
        ...(min === -Infinity ? [] : [`at least ${min}`]),
        ...(below === Infinity ? [] : [`below ${below}`]),
        ...(max === Infinity ? [] : [`at most ${max}`]),
      ];
      return `must be a number${bounds.length === 0 ? '' : ` ${bounds.join(' and ')}`}`;
    }
    case 'word':
      if (option.orNull && value === null) return null;
      return option.of.includes(value as string) ? null : `must be one of ${option.of.join(', ')}`;
    case 'text':
      return typeof value === 'string' && value !== '' ? null : 'must be text';
    case 'json':
    case 'predictor':
      return null;
  }
}

/** The same, of an option that may be left out. */
export function problemWith(option: Option, value: unknown): string | null {
  return option.kind === 'number' && option.optional && value === undefined ? null : problemOf(option, value);
}

/** `given` with the default of every option that is left out, in the order in which the options are declared. */
export function filled(options: Readonly<Record<string, Option>>, given: object): Record<string, unknown> {
  const { type, ...known } = given as Record<string, unknown>;
  const all: Record<string, unknown> = { type };
  for (const [key, option] of Object.entries(options)) {
    const value = known[key] === undefined ? option.default : known[key];
    if (value !== undefined) all[key] = value;
  }
  for (const [key, option] of Object.entries(options)) {
    const where = 'defaultWhere' in option ? option.defaultWhere : undefined;
    if (known[key] === undefined && where && all[where.option] === where.is) all[key] = where.default;
  }
  return { ...all, ...without(known, options) };
}

/** What no option stands for. */
function without(known: Record<string, unknown>, options: Readonly<Record<string, Option>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(known).filter(([key]) => !Object.hasOwn(options, key)));
}
