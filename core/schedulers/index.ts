/** Every scheduler there is: a new one is a file beside this one and a line here. */
import type { SchedulerDefinition } from '../engine/scheduler.js';
import { asha, type AshaScheduler } from './asha.js';
import { full, type FullScheduler } from './full.js';
import { hyperband, type HyperbandScheduler } from './hyperband.js';
import { asyncPopulationBased, type AsyncPopulationBasedScheduler } from './async-population-based.js';
import { populationBased, type PopulationBasedScheduler } from './population-based.js';
import { successiveHalving, type SuccessiveHalvingScheduler } from './successive-halving.js';

export const schedulers = { hyperband, successiveHalving, full, asha, populationBased, asyncPopulationBased };

export type {
  AshaScheduler,
  AsyncPopulationBasedScheduler,
  FullScheduler,
  HyperbandScheduler,
  PopulationBasedScheduler,
  SuccessiveHalvingScheduler,
};
export type SchedulerSettings = {
  [Name in keyof typeof schedulers]: (typeof schedulers)[Name] extends SchedulerDefinition<infer Settings>
    ? Settings
    : never;
}[keyof typeof schedulers];

export function schedulerOf({ type }: Pick<SchedulerSettings, 'type'>): SchedulerDefinition<SchedulerSettings> {
  return schedulers[type] as unknown as SchedulerDefinition<SchedulerSettings>;
}
