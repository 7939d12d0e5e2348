/** How one trial draws its configuration without learning from results: at random, by Sobol, from a grid or a table. */
import type { Observation } from './engine/memory.js';
import type { Objective } from './objectives/index.js';
import { stream } from './rng.js';
import { sobolSequence } from './sobol.js';
import { configAt, configKey, drawConfig, gridOf, inOrder } from './space.js';
import type { Config, SearchSpace } from './settings.js';

/** What draws follow from, beside a sampler's own settings. */
export interface DrawGround {
  /** 32-bit unsigned. */
  readonly seed: number;
  readonly space: SearchSpace;
  readonly objective: Objective;
  /** Configurations the first trials take. */
  readonly tryFirst: readonly Config[];
}

export interface Draw {
  readonly config: Config;
  /** Draws thrown away because an earlier trial had that configuration. */
  readonly avoided: number;
  /** An earlier trial has this configuration, too. */
  readonly kept: boolean;
}

/** The trials with smaller global indices. */
export interface Earlier {
  has(config: Config): boolean;
  /** `configKey` of a trial's configuration. A trial that has none yet is a RangeError, here and below. */
  key(trial: number): string;
  config(trial: number): Config;
}

/** Draws the trial with this global index. */
export type DrawTrial = (index: number, earlier: Earlier, observations: readonly Observation[]) => Draw;

/** Draws of one trial before a duplicate is accepted. */
const maxRedraws = 100;

/** Independent draws; a duplicate is drawn again from the trial's own stream. */
export function randomDraws({ seed, space }: DrawGround): DrawTrial {
  const parameters = inOrder(space);
  return (index, earlier) => {
    const random = stream(seed, 'config', index);
    let config = drawConfig(parameters, random);
    let avoided = 0;
    while (earlier.has(config) && avoided < maxRedraws) {
      config = drawConfig(parameters, random);
      avoided++;
    }
    const kept = earlier.has(config);
    return { config, avoided: kept ? 0 : avoided, kept };
  };
}

/**
 * One scrambled sequence, a coordinate per parameter in their order, its point 0 for the first trial after the given
 * ones. Where a point's configuration is taken (a space of few values), the trial draws at random instead, so that the
 * points of the others stay theirs.
 */
export function sobolDraws(ground: DrawGround): DrawTrial {
  const { seed, space, tryFirst } = ground;
  const parameters = inOrder(space);
  const sequence = sobolSequence(parameters.length, seed);
  const redraw = randomDraws(ground);
  return (index, earlier, observations) => {
    const point = sequence(index - tryFirst.length);
    let next = 0;
    const config = configAt(parameters, () => point[next++] as number);
    if (!earlier.has(config)) return { config, avoided: 0, kept: false };
    const other = redraw(index, earlier, observations);
    return other.kept ? { config, avoided: 0, kept: true } : { ...other, avoided: other.avoided + 1 };
  };
}

/** Every point of the grid once, then again; the given trials come before. */
export function gridDraws({ seed, space, tryFirst }: DrawGround, pointsPerDimension: number): DrawTrial {
  const points = gridOf(space, pointsPerDimension);
  const at = shuffled(seed, points.length);
  return (index, earlier) => {
    const config = points[at(index - tryFirst.length)] as Config;
    return { config, avoided: 0, kept: earlier.has(config) };
  };
}

/** Every row of a table once, then again. Equal rows are different trials: their column `row` differs. */
export function tableDraws({ seed }: DrawGround, table: readonly Config[]): DrawTrial {
  const at = shuffled(seed, table.length);
  return (index, earlier) => {
    const config = table[at(index)] as Config;
    return { config, avoided: 0, kept: earlier.has(config) };
  };
}

/** Position to entry of a list of `length`: each once in a seeded order, then again in another order. */
export function shuffled(seed: number, length: number): (position: number) => number {
  if (length === 0) throw new RangeError('nothing to draw from');
  let pass = -1;
  let order: number[] = [];
  return (position) => {
    const wanted = Math.floor(position / length);
    if (wanted !== pass) {
      pass = wanted;
      order = stream(seed, 'order', pass).permutation(length);
    }
    return order[position % length] as number;
  };
}

/** Index of every row of a table by the key of its configuration; rows differ in their column `row` at least. */
export function rowsByKey(table: readonly Config[]): ReadonlyMap<string, number> {
  return new Map(table.map((row, index) => [configKey(row), index]));
}
