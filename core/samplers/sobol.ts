/** The points of one scrambled Sobol sequence, in global trial order. */
import { sobolDraws } from '../draws.js';
import { maxSobolDimensions } from '../sobol.js';
import type { SamplerDefinition } from './definition.js';

export interface SobolSampler {
  readonly type: 'sobol';
}

export const sobol: SamplerDefinition<SobolSampler> = {
  options: {},
  wave: () => null,
  refuseSpace(_, space) {
    const { length } = Object.keys(space);
    if (length <= maxSobolDimensions) return null;
    return `has ${maxSobolDimensions} dimensions, the space ${length}: take random`;
  },
  draws: (ground) => sobolDraws(ground),
};
