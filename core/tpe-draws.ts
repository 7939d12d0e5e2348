/** How one trial draws its configuration with TPE: from a search space, or among the unused rows of a table. */
import { randomDraws, rowsByKey, shuffled, type DrawGround, type DrawTrial, type Earlier } from './draws.js';
import type { Observation } from './engine/memory.js';
import { modeOf, type Objective } from './objectives/index.js';
import { stream, type Stream } from './rng.js';
import type { TpeSampler } from './samplers/tpe.js';
import type { Config } from './settings.js';
import { candidatesOf, fitTpe, promise, type TpeModel } from './tpe.js';
import { spaceCube, tableCube, type PartialPoint, type Point, type UnitCube } from './unit-cube.js';

/**
 * The candidate with the largest l / g that no earlier trial has. At random, as the sampler `random` does: a share of
 * the trials, those before there is a model, and those whose candidates were all had before.
 */
export function tpeSpaceDraws(ground: DrawGround, settings: TpeSampler): DrawTrial {
  const cube = spaceCube(ground.space);
  const modelOf = models(settings, cube, ground.objective);
  const atRandom = randomDraws(ground);
  return (index, earlier, observations) => {
    const random = stream(ground.seed, 'tpe', index);
    const model = modelOf(earlier, observations, random);
    if (!model) return atRandom(index, earlier, observations);
    // Judged where they would be trained: a step's results lie in mid-cell, and so must the candidates.
    const ranked = candidatesOf(model, settings, random)
      .map(cube.snap)
      .map((point) => ({ point, promise: promise(model, point) }))
      .sort((a, b) => b.promise - a.promise);
    for (const [avoided, { point }] of ranked.entries()) {
      const config = cube.decode(point);
      if (!earlier.has(config)) return { config, avoided, kept: false };
    }
    return atRandom(index, earlier, observations);
  };
}

/** The unused row with the largest l / g, the first on a tie; at random, the next unused one of the seeded order. */
export function tpeTableDraws(
  { seed, objective }: DrawGround,
  settings: TpeSampler,
  table: readonly Config[]
): DrawTrial {
  const cube = tableCube(table);
  const modelOf = models(settings, cube, objective);
  const at = shuffled(seed, table.length);
  const rowOf = rowsByKey(table);
  // A table has no inactive parameters.
  const points = table.map((row) => cube.encode(row) as Point);
  return (index, earlier, observations) => {
    const passStart = index - (index % table.length);
    const used = new Set<number>();
    for (let trial = passStart; trial < index; trial++) used.add(rowOf.get(earlier.key(trial)) as number);
    const model = modelOf(earlier, observations, stream(seed, 'tpe', index));
    let row = -1;
    if (model) {
      let most = -Infinity;
      points.forEach((point, one) => {
        if (used.has(one)) return;
        const value = promise(model, point);
        if (value > most) [row, most] = [one, value];
      });
    } else {
      for (let k = 0; row === -1 || used.has(row); k++) row = at(passStart + ((index + k) % table.length));
    }
    const config = table[row] as Config;
    return { config, avoided: 0, kept: earlier.has(config) };
  };
}

/** The model of a trial; null when it draws at random. The order of draws is fixed: that share first, then the fit. */
function models(settings: TpeSampler, cube: UnitCube, objective: Objective) {
  const { compare } = modeOf(objective);
  const encoded = new Map<string, PartialPoint>();
  function pointOf(earlier: Earlier, trial: number): PartialPoint {
    const key = earlier.key(trial);
    const point = encoded.get(key) ?? cube.encode(earlier.config(trial));
    encoded.set(key, point);
    return point;
  }
  return (earlier: Earlier, observations: readonly Observation[], random: Stream): TpeModel | null => {
    if (random.uniform() < settings.randomFraction) return null;
    const results = observations.map((one) => ({ ...one, point: pointOf(earlier, one.trial) }));
    return fitTpe(cube.levels, results, settings, random, compare);
  };
}
