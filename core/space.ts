/** The order of a search space; drawing from it, listing it as a grid, and checking a configuration against it. */
import { exp, log } from './math.js';
import type { Stream } from './rng.js';
import type { Condition, Config, Json, Parameter, SearchSpace } from './study.js';

/** A configuration as text: equal text, equal configuration. Key order does not matter. */
export function configKey(config: Config): string {
  let key = keys.get(config);
  if (key === undefined) keys.set(config, (key = JSON.stringify(sorted(config))));
  return key;
}
/** Kept, for the rows of a table are asked for again in every study that replays them. */
const keys = new WeakMap<Config, string>();

/** The value with the keys of every object in order. */
export function sorted(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((one: Json) => sorted(one));
  const entries = Object.entries(value as Record<string, Json>);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]));
}

export type NamedParameter = readonly [name: string, parameter: Parameter];

/**
 * The one order in which a search space is walked, whatever the order of its keys, which JSON does not have: of the
 * parameters that name no condition, or whose condition names one that is placed, the first by name (in code units).
 * A condition on what is no parameter of the space never holds and waits for nothing.
 *
 * @throws RangeError that names a circle of conditions
 */
export function inOrder(space: SearchSpace): NamedParameter[] {
  const waiting = Object.keys(space).sort();
  const placed = new Map<string, Parameter>();
  while (waiting.length > 0) {
    const next = waiting.findIndex((name) => {
      const on = conditionOf(space, name);
      return on === null || placed.has(on);
    });
    if (next === -1) throw new RangeError(circleRule(circlesOf(space)[0] as string[]));
    for (const name of waiting.splice(next, 1)) placed.set(name, space[name] as Parameter);
  }
  return [...placed];
}

/** A search space of which some parameters may not be known. */
type Conditions = Readonly<Record<string, Pick<Parameter, 'when'> | null>>;

/** The parameter of the space that a parameter's condition names. */
function conditionOf(space: Conditions, name: string): string | null {
  const on = space[name]?.when?.parameter;
  return on !== undefined && Object.hasOwn(space, on) ? on : null;
}

/** Every circle of conditions once, from its first name back to it: `['a', 'b', 'a']`. */
export function circlesOf(space: Conditions): string[][] {
  return Object.keys(space)
    .sort()
    .flatMap((first) => {
      const passed = new Set<string>();
      let at: string | null = first;
      // A chain that comes to a name before its first one belongs to the chain of that one, if it is a circle at all.
      while (at !== null && at >= first && !passed.has(at)) {
        passed.add(at);
        at = conditionOf(space, at);
      }
      return at === first ? [[...passed, first]] : [];
    });
}

export function circleRule(circle: readonly string[]): string {
  return `the conditions of ${circle.join(' -> ')} go in a circle: none of these parameters would ever be active`;
}

/** Whether a parameter with this condition is active, given the parameters before it. */
export function active(when: Condition | undefined, config: Config): boolean {
  if (!when) return true;
  if (!Object.hasOwn(config, when.parameter)) return false;
  const value = config[when.parameter] as Json;
  return when.in.some((one) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(value)));
}

/** One random configuration of parameters {@link inOrder}. */
export function drawConfig(parameters: readonly NamedParameter[], random: Stream): Config {
  return configAt(parameters, () => random.uniform());
}

/**
 * The configuration of parameters {@link inOrder}. Every one takes its coordinate of [0, 1) whether active or not, so
 * none shifts another's.
 */
export function configAt(parameters: readonly NamedParameter[], next: () => number): Config {
  const config: Record<string, Json> = {};
  for (const [name, parameter] of parameters) {
    const value = draw(parameter, next());
    if (active(parameter.when, config)) config[name] = value;
  }
  return config;
}

/** The value at `u` of [0, 1). */
export function draw(parameter: Parameter, u: number): Json {
  switch (parameter.type) {
    case 'fixed':
      return parameter.value;
    case 'choice':
      return parameter.values[Math.floor(u * parameter.values.length)] as Json;
    case 'int':
      return parameter.log ? logInt(parameter, u) : onStep(parameter.low, parameter.high, parameter.step, u);
    case 'float': {
      const { low, high, step } = parameter;
      if (parameter.log) {
        const value = clamp(exp(log(low) + u * (log(high) - log(low))), low, high);
        return step === undefined ? value : nearestStep(low, high, step, value);
      }
      return step === undefined ? clamp(low + u * (high - low), low, high) : onStep(low, high, step, u);
    }
  }
}

/** Uniform over low, low + step, ... */
function onStep(low: number, high: number, step: number, u: number): number {
  return valueAt(low, high, step, Math.floor(u * stepCount(low, high, step)));
}

/** How many values low, low + step, ... there are up to `high`. */
export function stepCount(low: number, high: number, step: number): number {
  return Math.floor((high - low) / step + 1e-9) + 1;
}

/** low + k * step up to `high`, free of the trailing digits a sum of decimals leaves; whole numbers are exact. */
export function valueAt(low: number, high: number, step: number, k: number): number {
  const value = low + k * step;
  if (Number.isInteger(low) && Number.isInteger(step)) return value;
  const short = Math.abs(value) < step * 1e-9 ? 0 : Number(value.toPrecision(12));
  return clamp(Math.abs(short - value) <= step * 1e-9 ? short : value, low, high);
}

function nearestStep(low: number, high: number, step: number, value: number): number {
  const k = Math.min(Math.round((value - low) / step), stepCount(low, high, step) - 1);
  return valueAt(low, high, step, k);
}

/** Each integer has the share of the logarithmic axis around it. */
function logInt({ low, high, step }: { low: number; high: number; step: number }, u: number): number {
  const [from, to] = logIntAxis(low, high, step);
  return nearestStep(low, high, step, clamp(Math.round(exp(from + u * (to - from))), low, high));
}

/** Ends of the logarithmic axis of whole numbers. */
export function logIntAxis(low: number, high: number, step: number): [from: number, to: number] {
  return [log(low - 0.5 * Math.min(1, step)), log(high + 0.5 * Math.min(1, step))];
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/**
 * Every combination once, inactive parameters left out. `points` per continuous dimension. A grid of more than `most`
 * combinations is a RangeError before it fills the memory.
 */
export function gridOf(space: SearchSpace, points: number, limit = Infinity): Config[] {
  let configs: Config[] = [{}];
  for (const [name, parameter] of inOrder(space)) {
    const own = gridLength(parameter, points);
    const taking = configs.reduce((sum, config) => sum + (active(parameter.when, config) ? own : 1), 0);
    if (taking > limit) throw new RangeError(`the grid has more than ${limit} combinations`);
    const values = gridValues(parameter, points);
    configs = configs.flatMap((config) =>
      active(parameter.when, config) ? values.map((value) => ({ ...config, [name]: value })) : [config]
    );
  }
  return configs;
}

/** At least as many as `gridValues` has. */
function gridLength(parameter: Parameter, points: number): number {
  if (parameter.type === 'fixed') return 1;
  if (parameter.type === 'choice') return parameter.values.length;
  const { low, high, step } = parameter;
  return step !== undefined && !(parameter.type === 'int' && parameter.log) ? stepCount(low, high, step) : points;
}

function gridValues(parameter: Parameter, points: number): readonly Json[] {
  switch (parameter.type) {
    case 'fixed':
      return [parameter.value];
    case 'choice':
      return [...new Map(parameter.values.map((value) => [JSON.stringify(sorted(value)), value])).values()];
    case 'int':
    case 'float': {
      const { low, high, step } = parameter;
      if (step !== undefined && !(parameter.type === 'int' && parameter.log)) {
        return Array.from({ length: stepCount(low, high, step) }, (_, k) => valueAt(low, high, step, k));
      }
      const at = (k: number) => (points === 1 ? 0.5 : k / (points - 1));
      const values = Array.from({ length: points }, (_, k) => {
        const u = at(k);
        if (parameter.type === 'int') {
          return nearestStep(low, high, parameter.step, exp(log(low) + u * (log(high) - log(low))));
        }
        return clamp(parameter.log ? exp(log(low) + u * (log(high) - log(low))) : low + u * (high - low), low, high);
      });
      return [...new Set(values)];
    }
  }
}

/** What is wrong with a configuration, a sentence each; empty when it lies in the space. */
export function checkConfig(space: SearchSpace, config: Config): string[] {
  const problems: string[] = [];
  const known: Record<string, Json> = {};
  for (const [name, parameter] of inOrder(space)) {
    const value = config[name];
    if (!active(parameter.when, known)) {
      if (value !== undefined) problems.push(`${name} is set but its condition does not hold`);
      continue;
    }
    if (value === undefined) problems.push(`${name} is missing`);
    else {
      const problem = checkValue(parameter, value);
      if (problem) problems.push(`${name} is ${JSON.stringify(value)}: ${problem}`);
      known[name] = value;
    }
  }
  for (const name of Object.keys(config)) {
    if (!Object.hasOwn(space, name)) problems.push(`${name} is no parameter of the space`);
  }
  return problems;
}

function checkValue(parameter: Parameter, value: Json): string | null {
  const same = (a: Json, b: Json) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
  switch (parameter.type) {
    case 'fixed':
      return same(parameter.value, value) ? null : `must be ${JSON.stringify(parameter.value)}`;
    case 'choice':
      return parameter.values.some((one) => same(one, value))
        ? null
        : `must be one of ${JSON.stringify(parameter.values)}`;
    case 'int':
    case 'float': {
      if (typeof value !== 'number') return 'must be a number';
      if (parameter.type === 'int' && !Number.isInteger(value)) return 'must be a whole number';
      const { low, high, step } = parameter;
      if (!(value >= low && value <= high)) return `must lie between ${low} and ${high}`;
      const offStep = step !== undefined && Math.abs(value - nearestStep(low, high, step, value)) > step * 1e-6;
      return offStep ? `must be ${low} plus a multiple of ${step}` : null;
    }
  }
}
