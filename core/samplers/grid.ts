/** Every combination once, in a seeded order, then again reshuffled. */
import { gridDraws } from '../draws.js';
import { gridOf } from '../space.js';
import type { SamplerDefinition } from './definition.js';

export interface GridSampler {
  readonly type: 'grid';
  /** Points per continuous dimension. @default 5 */
  readonly pointsPerDimension: number;
}

export const grid: SamplerDefinition<GridSampler> = {
  options: {
    pointsPerDimension: { kind: 'whole', min: 2, default: 5, says: 'How many points a continuous dimension has.' },
  },
  wave: () => null,
  refuseSpace({ pointsPerDimension }, space) {
    try {
      gridOf(space, pointsPerDimension, 1_000_000);
      return null;
    } catch {
      return 'the grid has more than a million points';
    }
  },
  draws: (ground, settings) => gridDraws(ground, settings.pointsPerDimension),
};
