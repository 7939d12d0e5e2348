/** Short names of two parts together: what the field calls them (`nameWith`), in small letters. */
import { predictors } from './predictors/index.js';
import { samplers } from './samplers/index.js';

/** What a name is short for: a type, and what goes with it. */
export interface ShortName {
  readonly type: string;
  /** The type of what goes with it: the sampler of a scheduler, the predictor of a pruner. */
  readonly with: string;
  /** Why nothing else may go with it, and what to do. */
  readonly rule: string;
}

type ShortNames = Readonly<Record<string, ShortName>>;

/** `bohb` is hyperband with tpe. */
export const shortSchedulers = shortNames('scheduler', 'sampler', samplers);
/** `quantum-swift` is swift with the annealer. */
export const shortPruners = shortNames('pruner', 'predictor', predictors);

function shortNames(
  what: string,
  other: string,
  registry: Readonly<Record<string, { readonly nameWith?: Readonly<Record<string, string>> }>>
): ShortNames {
  const all = Object.entries(registry).flatMap(([name, { nameWith = {} }]) =>
    Object.entries(nameWith).map(([type, together]): [string, ShortName] => {
      const rule = `${together} is ${type} with the ${other} ${name}: leave the ${other} out, or choose the ${what} ${type}`;
      return [together.toLowerCase(), { type, with: name, rule }];
    })
  );
  return Object.fromEntries(all);
}

/** What a type is short for; undefined when it is none of the short names. */
export function shortName(names: ShortNames, type: unknown): ShortName | undefined {
  return typeof type === 'string' && Object.hasOwn(names, type) ? names[type] : undefined;
}
