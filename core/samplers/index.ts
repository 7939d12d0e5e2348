/** Every sampler there is: a new one is a file beside this one and a line here. */
import type { SamplerDefinition } from './definition.js';
import { grid, type GridSampler } from './grid.js';
import { random, type RandomSampler } from './random.js';
import { sobol, type SobolSampler } from './sobol.js';
import { tpe, type TpeSampler } from './tpe.js';

export const samplers = { random, sobol, grid, tpe };

export type { GridSampler, RandomSampler, SobolSampler, TpeSampler };
export type SamplerSettings = {
  [Name in keyof typeof samplers]: (typeof samplers)[Name] extends SamplerDefinition<infer Settings> ? Settings : never;
}[keyof typeof samplers];

export function samplerOf({ type }: Pick<SamplerSettings, 'type'>): SamplerDefinition<SamplerSettings> {
  return samplers[type] as unknown as SamplerDefinition<SamplerSettings>;
}
