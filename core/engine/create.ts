/** The state machine of a study's scheduler. */
import { samplerOf } from '../samplers/index.js';
import { schedulerOf } from '../schedulers/index.js';
import type { Json } from '../settings.js';
import type { Study } from '../study.js';
import type { Scheduler } from './scheduler.js';

/** `state`: what another machine of the same study came to; null at the start. */
export function createScheduler(study: Study, state: Json | null): Scheduler {
  const { scheduler, sampler, seed, objective, space, pruner, limits } = study;
  return schedulerOf(scheduler).create(
    {
      settings: scheduler,
      study: { seed, objective, space, pruner, limits },
      wave: samplerOf(sampler).wave(sampler),
    },
    state
  );
}
