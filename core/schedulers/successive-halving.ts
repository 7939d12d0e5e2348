/** One bracket of successive halving (Jamieson and Talwalkar 2016): `trials` configurations from `minBudget` up to R. */
import { geometricRungs, Plan } from '../engine/plan.js';
import type { SchedulerDefinition } from '../engine/scheduler.js';
import { eta, maxBudget, minBudget, trials, withoutRungs } from './options.js';
import { Rounds, topOf } from './rounds.js';

export interface SuccessiveHalvingScheduler {
  readonly type: 'successiveHalving';
  readonly trials: number;
  readonly maxBudget: number;
  readonly minBudget: number;
  readonly eta: number;
}

export const successiveHalving: SchedulerDefinition<SuccessiveHalvingScheduler> = {
  title: 'successive halving',
  step: 'round',
  options: { trials, maxBudget, minBudget, eta },
  shapes(settings) {
    const rungs = geometricRungs(settings);
    return [{ s: rungs.length - 1, trials: settings.trials, rungs }];
  },
  kept: (settings, entered) => Math.max(Math.floor(entered / settings.eta), 1),
  refuse: ({ settings }) => withoutRungs(settings),
  create(context, state) {
    const { settings } = context;
    const places = (round: { readonly trials: number }) => successiveHalving.kept(settings, round.trials);
    const plan = new Plan({ definition: successiveHalving, settings, pruner: context.study.pruner });
    const promote: ConstructorParameters<typeof Rounds>[0]['promote'] = (closed) => topOf(closed, places(closed.round));
    return new Rounds({ context, plan, together: false, places, promote, holds: false }, state);
  },
};
