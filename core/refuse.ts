/** What the parts of a study refuse of each other, each by its own file. Study files and `defineStudy` both ask here. */
import type { Refusal } from './options.js';
import { predictorOf } from './predictors/index.js';
import { prunerOf } from './pruners/index.js';
import { samplerOf, type SamplerSettings } from './samplers/index.js';
import { schedulerOf, type SchedulerSettings } from './schedulers/index.js';
import type { Study } from './study.js';

/** Parts that are wrong by themselves are left out. */
export type Parts = { readonly [Key in 'scheduler' | 'sampler' | 'pruner' | 'limits']?: Study[Key] | undefined } & {
  readonly trainer?: { readonly type: string } | undefined;
};

/** Every combination that makes no sense, with the path of the key that is to be changed. */
export function refusals(parts: Parts): Refusal[] {
  return [...schedulerRefusals(parts), ...endRefusals(parts), ...predictorRefusalsOf(parts)];
}

function schedulerRefusals({ scheduler, sampler, pruner, limits, trainer }: Parts): readonly Refusal[] {
  if (!scheduler) return [];
  const combination = { settings: scheduler, pruner, sampler: sampler && seen(sampler, scheduler), limits, trainer };
  return schedulerOf(scheduler).refuse?.(combination) ?? [];
}

function seen(
  sampler: SamplerSettings,
  scheduler: SchedulerSettings
): { readonly name: string; readonly learns: boolean } {
  const { wave, nameWith } = samplerOf(sampler);
  const together = nameWith?.[scheduler.type];
  return { name: together ? `${sampler.type} (${together})` : sampler.type, learns: wave(sampler) !== null };
}

/** A study that runs until a limit needs one. */
function endRefusals({ scheduler, limits }: Parts): Refusal[] {
  const ends = limits && [limits.epochs, limits.deadlineSeconds, limits.target].some((limit) => limit !== undefined);
  if (!scheduler || ends !== false) return [];
  const rule = 'needs a limit: limits.epochs, limits.deadlineSeconds or limits.target';
  return Object.entries(scheduler)
    .filter(([, value]) => value === 'untilLimit')
    .map(([key, value]) => ({ path: `scheduler.${key}`, value, rule }));
}

/** What the predictor cannot be where it is asked. */
function predictorRefusalsOf({ pruner, scheduler }: Parts): Refusal[] {
  const predictor = pruner && prunerOf(pruner).predictor(pruner);
  if (!predictor) return [];
  const together = (scheduler && schedulerOf(scheduler).together?.(scheduler)) ?? false;
  const by = { onePerRound: prunerOf(pruner).onePerRound ?? false, together };
  const found = predictorOf(predictor).refuse?.(predictor, by) ?? [];
  return found.map((one) => ({ ...one, path: `pruner.predictor.${one.path}` }));
}
