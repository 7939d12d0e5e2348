/** Every trial trains to R: random search, Sobol points or a grid without early stopping. */
import { Plan } from '../engine/plan.js';
import type { SchedulerDefinition } from '../engine/scheduler.js';
import { prunerOf } from '../pruners/index.js';
import { maxBudget, trials } from './options.js';
import { Rounds, topOf } from './rounds.js';

export interface FullScheduler {
  readonly type: 'full';
  readonly trials: number;
  readonly maxBudget: number;
}

export const full: SchedulerDefinition<FullScheduler> = {
  title: 'full training',
  step: 'round',
  options: { trials, maxBudget },
  shapes: (settings) => [{ s: 0, trials: settings.trials, rungs: [settings.maxBudget] }],
  kept: (_, entered) => entered,
  endlessly: (settings, epochs) => ({ ...settings, trials: Math.ceil(epochs / settings.maxBudget) + 1 }),
  refuse({ pruner }) {
    const rule = pruner && prunerOf(pruner).needsRungs;
    return rule ? [{ path: 'pruner', value: pruner.type, rule }] : [];
  },
  create(context, state) {
    const plan = new Plan({ definition: full, settings: context.settings, pruner: context.study.pruner });
    const places = (round: { readonly trials: number }) => round.trials;
    return new Rounds(
      {
        context,
        plan,
        together: false,
        places,
        promote: (closed) => topOf(closed, places(closed.round)),
        holds: false,
      },
      state
    );
  },
};
