/**
 * Explore (Jaderberg et al. 2017, "Population Based Training of Neural Networks"): a
 * configuration near another one. Each parameter is either drawn anew from the space or perturbed.
 */
import type { Stream } from './rng.js';
import type {
  ChoiceParameter,
  Config,
  FloatParameter,
  IntParameter,
  Json,
  Parameter,
  SearchSpace,
} from './settings.js';
import { active, draw, sorted, stepCount, valueAt } from './space.js';

export interface Exploration {
  /** Chance of a parameter to be drawn anew. */
  readonly resampleProbability: number;
  /** What a number is multiplied or divided by, with equal chances. */
  readonly factor: number;
}

/**
 * A configuration of `space` near `config`. Parameters take their random numbers in the order of their names, whether
 * active or not, so that neither the order of the space nor a condition shifts another's.
 */
export function explore(space: SearchSpace, config: Config, exploration: Exploration, random: Stream): Config {
  const moves = new Map<string, Move>();
  for (const name of Object.keys(space).sort()) {
    const again = random.uniform() < exploration.resampleProbability;
    moves.set(name, { again, u: random.uniform(), up: random.uniform() < 0.5 });
  }
  const explored: Record<string, Json> = {};
  const open = new Map(Object.entries(space));
  // A space read from a record has its names in order: a condition may stand before what it names.
  for (let before = Infinity; open.size < before;) {
    before = open.size;
    for (const [name, parameter] of open) {
      if (parameter.when && open.has(parameter.when.parameter)) continue;
      open.delete(name);
      if (!active(parameter.when, explored)) continue;
      explored[name] = moved(parameter, config[name], moves.get(name) as Move, exploration.factor);
    }
  }
  return explored;
}

/** What was drawn for one parameter. */
interface Move {
  readonly again: boolean;
  /** Where in [0, 1) it is drawn anew. */
  readonly u: number;
  readonly up: boolean;
}

/** `value` undefined: the parameter was not active before, and is drawn. */
function moved(parameter: Parameter, value: Json | undefined, { again, u, up }: Move, factor: number): Json {
  if (again || value === undefined) return draw(parameter, u);
  switch (parameter.type) {
    case 'fixed':
      return parameter.value;
    case 'choice':
      return neighbour(parameter, value, up) ?? draw(parameter, u);
    case 'int':
    case 'float':
      return typeof value === 'number' ? perturbed(parameter, value, up, factor) : draw(parameter, u);
  }
}

/** The value beside it in the list, at an end the only one; undefined for a value that is not in the list. */
function neighbour({ values }: ChoiceParameter, value: Json, up: boolean): Json | undefined {
  const text = JSON.stringify(sorted(value));
  const at = values.findIndex((one) => JSON.stringify(sorted(one)) === text);
  if (at === -1 || values.length === 1) return values[at];
  return values[at + (up ? 1 : -1)] ?? values[at + (up ? -1 : 1)];
}

/** Times or by `factor`, inside the bounds; on a grid of steps at least to the next one, or small ones never moved. */
function perturbed(parameter: FloatParameter | IntParameter, value: number, up: boolean, factor: number): number {
  const { low, high, step } = parameter;
  const target = up ? value * factor : value / factor;
  if (step === undefined) return Math.min(Math.max(target, low), high);
  const last = stepCount(low, high, step) - 1;
  const stepOf = (x: number) => Math.min(Math.max(Math.round((x - low) / step), 0), last);
  const [from, to] = [stepOf(value), stepOf(target)];
  if (to !== from) return valueAt(low, high, step, to);
  const direction = target > value || (target === value && up) ? 1 : -1;
  return valueAt(low, high, step, Math.min(Math.max(from + direction, 0), last));
}
