/** Configurations as points of the unit cube, the space TPE's densities live in. */
import { log } from './math.js';
import { active, draw, inOrder, logIntAxis, sorted, stepCount, type NamedParameter } from './space.js';
import type { ChoiceParameter, Config, FloatParameter, IntParameter, Json, Parameter, SearchSpace } from './study.js';

/** Coordinates: a number of [0, 1], or for a categorical dimension the 0-based index of the value. */
export type Point = readonly number[];
/** Null: the parameter is inactive. */
export type PartialPoint = readonly (number | null)[];

export interface UnitCube {
  /** One per dimension: how many categories it has, 0 when it is a number. */
  readonly levels: readonly number[];
  encode(config: Config): PartialPoint;
}
export interface SpaceCube extends UnitCube {
  decode(point: Point): Config;
  /** The point whose numbers are where `encode` puts the value they decode to: steps and whole numbers in mid-cell. */
  snap(point: Point): Point;
}

type Free = FloatParameter | IntParameter | ChoiceParameter;

/** Just below 1: {@link draw} takes [0, 1). */
const below1 = 1 - 1.1102230246251565e-16;

/** Dimensions: the parameters that can take more than one value, {@link inOrder}. */
export function spaceCube(space: SearchSpace): SpaceCube {
  const all = inOrder(space);
  const free = all.filter((entry: NamedParameter): entry is readonly [string, Free] => isFree(entry[1]));
  const dimensionOf = new Map(free.map(([name], dimension) => [name, dimension]));
  const valueAt = (parameter: Parameter, coordinate: number): Json =>
    parameter.type === 'choice'
      ? (parameter.values[coordinate] as Json)
      : draw(parameter, Math.min(coordinate, below1));
  return {
    levels: free.map(([, parameter]) => (parameter.type === 'choice' ? parameter.values.length : 0)),
    encode: (config) =>
      free.map(([name, parameter]) =>
        Object.hasOwn(config, name) ? coordinateOf(parameter, config[name] as Json) : null
      ),
    decode(point) {
      const config: Record<string, Json> = {};
      for (const [name, parameter] of all) {
        if (!active(parameter.when, config)) continue;
        config[name] = valueAt(parameter, point[dimensionOf.get(name) ?? -1] ?? 0);
      }
      return config;
    },
    snap: (point) => free.map(([, one], i) => coordinateOf(one, valueAt(one, point[i] as number))),
  };
}

function isFree(parameter: Parameter): parameter is Free {
  if (parameter.type === 'fixed') return false;
  if (parameter.type === 'choice') return parameter.values.length > 1;
  return parameter.step === undefined
    ? parameter.low < parameter.high
    : stepCount(parameter.low, parameter.high, parameter.step) > 1;
}

/** The inverse of {@link draw}; in mid-cell for whole numbers and steps. */
function coordinateOf(parameter: Free, value: Json): number {
  if (parameter.type === 'choice') {
    const key = JSON.stringify(sorted(value));
    return parameter.values.findIndex((one) => JSON.stringify(sorted(one)) === key);
  }
  const { low, high, step } = parameter;
  const x = value as number;
  if (parameter.type === 'int' && parameter.log) {
    const [from, to] = logIntAxis(low, high, parameter.step);
    return (log(x) - from) / (to - from);
  }
  if (parameter.log) return clamp01((log(x) - log(low)) / (log(high) - log(low)));
  if (step === undefined) return clamp01((x - low) / (high - low));
  return (Math.round((x - low) / step) + 0.5) / stepCount(low, high, step);
}

/** A column whose positive values span more than this factor counts in its logarithm. */
const logSpan = 1000;

/**
 * Recorded configurations. Dimensions: the columns that vary and hold numbers throughout, except `row`; each is scaled
 * to [0, 1], in the logarithm where a column is positive and spans more than three decades (learning rates).
 */
export function tableCube(table: readonly Config[]): UnitCube {
  const dimensions = Object.keys(table[0] ?? {}).flatMap((name) => {
    const values = table.map((row) => row[name]);
    if (name === 'row' || !values.every((value) => typeof value === 'number' && Number.isFinite(value))) return [];
    const numbers = values as number[];
    // Not Math.min(...numbers): a table may have more rows than a call takes arguments.
    const low = numbers.reduce((a, b) => Math.min(a, b));
    const high = numbers.reduce((a, b) => Math.max(a, b));
    if (low === high) return [];
    const scale = low > 0 && high / low > logSpan ? log : (x: number) => x;
    const [from, to] = [scale(low), scale(high)];
    return [(config: Config) => clamp01((scale(config[name] as number) - from) / (to - from))];
  });
  return { levels: dimensions.map(() => 0), encode: (config) => dimensions.map((at) => at(config)) };
}

function clamp01(x: number): number {
  return Math.min(Math.max(x, 0), 1);
}
