/**
 * Samplers. Trial t of a study is the same whatever happened around it: its draws come from streams named by its
 * identity, and draws that need memory (duplicates, grids, rows of a table) follow the global index.
 */
import type { Proposal, ProposalRequest } from './propose.js';
import { stream } from './rng.js';
import { configKey, drawConfig, gridOf } from './space.js';
import type { Config, GridSampler, Study } from './study.js';
import { trialId, type Trial } from './trial.js';

export interface Sampler {
  propose(request: ProposalRequest): Proposal;
}

interface Draw {
  readonly config: Config;
  readonly avoided: number;
  readonly kept: boolean;
}

/** Draws of one trial before a duplicate is accepted. */
const mostRedraws = 100;

/** `table`: recorded configurations, one row a trial; the space is not looked at then. */
export function createSampler(study: Study, table: readonly Config[] | null): Sampler {
  const draws: Draw[] = [];
  const seen = new Set<string>();
  const at = table ? fromList(table, 0) : study.sampler.type === 'grid' ? gridDraws(study.sampler) : randomDraws;

  function randomDraws(globalIndex: number): Draw {
    const random = stream(study.seed, 'config', globalIndex);
    let config = drawConfig(study.space, random);
    let avoided = 0;
    while (seen.has(configKey(config)) && avoided < mostRedraws) {
      config = drawConfig(study.space, random);
      avoided++;
    }
    const kept = seen.has(configKey(config));
    return { config, avoided: kept ? 0 : avoided, kept };
  }

  function gridDraws(grid: GridSampler) {
    return fromList(gridOf(study.space, grid.pointsPerDimension), study.tryFirst.length);
  }

  /** Every entry once in a seeded order, then again in another; the first `skipped` trials have theirs already. */
  function fromList(list: readonly Config[], skipped: number): (globalIndex: number) => Draw {
    if (list.length === 0) throw new RangeError('nothing to draw from');
    let pass = -1;
    let order: number[] = [];
    return (globalIndex) => {
      const position = globalIndex - skipped;
      const wanted = Math.floor(position / list.length);
      if (wanted !== pass) {
        pass = wanted;
        order = stream(study.seed, 'order', pass).permutation(list.length);
      }
      const config = list[order[position % list.length] as number] as Config;
      return { config, avoided: 0, kept: !table && seen.has(configKey(config)) };
    };
  }

  /** Draws in global order up to `count`; what was drawn before is remembered. */
  function drawUpTo(count: number): void {
    while (draws.length < count) {
      const index = draws.length;
      const given = study.tryFirst[index];
      const next = given ? { config: given, avoided: 0, kept: false } : at(index);
      draws.push(next);
      seen.add(configKey(next.config));
    }
  }

  return {
    propose({ bracket, offset, first = 0, count }) {
      drawUpTo(offset + first + count);
      const own = draws.slice(offset + first, offset + first + count);
      const trials = own.map(({ config }, i): Trial => {
        const index = first + i;
        return {
          id: trialId(bracket, index),
          bracket,
          index,
          globalIndex: offset + index,
          config,
          seed: stream(study.seed, 'trial', offset + index).uint32(),
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
