/** Nobody is stopped: every trial trains to its rung. */
import type { PrunerDefinition } from '../engine/pruner.js';

export interface NoPruner {
  readonly type: 'none';
}

export const none: PrunerDefinition<NoPruner> = {
  options: {},
  describe: () => 'no pruner',
  decisionPoint: () => null,
  points: () => [],
  predictor: () => null,
  *run(round) {
    yield* round.open(() => round.group.to);
    return null;
  },
};
