/** Independent draws, one stream a trial. */
import { randomDraws, tableDraws } from '../draws.js';
import type { SamplerDefinition } from './definition.js';

export interface RandomSampler {
  readonly type: 'random';
}

export const random: SamplerDefinition<RandomSampler> = {
  options: {},
  wave: () => null,
  draws: (ground) => randomDraws(ground),
  tableDraws: (ground, _, table) => tableDraws(ground, table),
};
