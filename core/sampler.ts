/**
 * Samplers. Trial t of a study is the same whatever happened around it: its draws come from streams named by its
 * identity, and draws that need memory (duplicates, Sobol points, grids, rows of a table) follow the global index. What a
 * sampler that learns proposes follows from the observations of the request and the configurations before as well.
 */
import type { Draw, DrawGround, DrawTrial, Earlier } from './draws.js';
import type { Observation } from './engine/memory.js';
import type { Proposal, ProposalRequest } from './engine/propose.js';
import { stream } from './rng.js';
import { samplerOf, type SamplerSettings } from './samplers/index.js';
import type { Config } from './settings.js';
import { configKey } from './space.js';
import { trialId, type Trial } from './trial.js';

/** What a sampler follows from. */
export interface SamplerGround extends DrawGround {
  readonly sampler: SamplerSettings;
}

export interface Proposer {
  propose(request: ProposalRequest): Proposal;
}

/**
 * `table`: recorded configurations, one row a trial; the space is not looked at then. `drawn`: the configurations of
 * the trials proposed so far, by global index from 0; only a sampler that learns needs them, every other draws them again.
 */
export function createSampler(
  study: SamplerGround,
  table: readonly Config[] | null,
  drawn: readonly Config[] = []
): Proposer {
  const draws: Draw[] = [];
  const keys: string[] = [];
  /** Global index of the first trial that has this configuration. */
  const firstWith = new Map<string, number>();
  const learns = samplerOf(study.sampler).wave(study.sampler) !== null;
  const drawTrial = drawsOf(study, table);
  const earlier: Earlier = {
    has: (config) => firstWith.has(configKey(config)),
    key: (trial) => keyOf(trial),
    config: (trial) => drawOf(trial).config,
  };

  function drawOf(trial: number): Draw {
    const draw = draws[trial];
    if (!draw) throw new RangeError(`trial ${trial} has no configuration yet`);
    return draw;
  }
  function keyOf(trial: number): string {
    drawOf(trial);
    return keys[trial] as string;
  }

  function remember(draw: Draw): void {
    const key = configKey(draw.config);
    if (!firstWith.has(key)) firstWith.set(key, draws.length);
    keys.push(key);
    draws.push(draw);
  }

  /** Draws in global order up to `count`; what was drawn before is remembered. */
  function drawUpTo(count: number, observations: readonly Observation[]): void {
    while (draws.length < count) {
      const index = draws.length;
      const given = study.tryFirst[index];
      remember(given ? { config: given, avoided: 0, kept: false } : drawTrial(index, earlier, observations));
    }
  }

  /** A trial asked for again is proposed again, from what the request says and the trials before it. */
  function forgetFrom(index: number): void {
    for (let i = index; i < keys.length; i++) {
      const key = keys[i] as string;
      if (firstWith.get(key) === i) firstWith.delete(key);
    }
    draws.length = Math.min(draws.length, index);
    keys.length = draws.length;
  }

  if (learns) for (const config of drawn) remember({ config, avoided: 0, kept: false });

  return {
    propose({ bracket, offset, first = 0, count, observations = [] }) {
      const start = offset + first;
      if (learns) {
        if (draws.length < start)
          throw new RangeError(`trial ${start} is drawn only after those before it: ${draws.length} are known`);
        forgetFrom(start);
      }
      drawUpTo(start + count, observations);
      const own = draws.slice(start, start + count);
      const trials = own.map(({ config }, k): Trial => {
        return {
          id: trialId(bracket, first + k),
          bracket,
          index: first + k,
          globalIndex: start + k,
          config,
          seed: stream(study.seed, 'trial', start + k).uint32(),
        };
      });
      return {
        trials,
        duplicatesAvoided: own.reduce((sum, draw) => sum + draw.avoided, 0),
        duplicatesKept: own.filter((draw) => draw.kept).length,
      };
    },
  };
}

function drawsOf(study: SamplerGround, table: readonly Config[] | null): DrawTrial {
  const { sampler } = study;
  const definition = samplerOf(sampler);
  if (!table) return definition.draws(study, sampler);
  if (!definition.tableDraws) throw new RangeError(`a table of recorded curves has no ${sampler.type}`);
  return definition.tableDraws(study, sampler, table);
}
