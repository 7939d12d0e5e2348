/** What the parts of a study refuse of each other, each by its own file. Study files and `defineStudy` both ask here. */
import type { Refusal } from './options.js';
import { maxMetrics, metricNameRule, namedMetrics } from './metrics.js';
import { objectiveOf } from './objectives/index.js';
import { predictorOf } from './predictors/index.js';
import { prunerOf } from './pruners/index.js';
import { samplerOf, type SamplerSettings } from './samplers/index.js';
import { schedulerOf, type SchedulerSettings } from './schedulers/index.js';
import type { Study } from './study.js';

/** Parts that are wrong by themselves are left out. */
export type Parts = {
  readonly [Key in 'scheduler' | 'sampler' | 'pruner' | 'limits' | 'objective']?: Study[Key] | undefined;
} & {
  readonly trainer?: { readonly type: string } | undefined;
};

/** Every combination that makes no sense, with the path of the key that is to be changed. */
export function refusals(parts: Parts): Refusal[] {
  return [
    ...schedulerRefusals(parts),
    ...endRefusals(parts),
    ...predictorRefusalsOf(parts),
    ...objectiveRefusals(parts),
  ];
}

function schedulerRefusals(parts: Parts): readonly Refusal[] {
  const { scheduler, sampler, pruner, limits, trainer } = parts;
  if (!scheduler) return [];
  const combination = {
    ...{ settings: scheduler, pruner, sampler: sampler && seen(sampler, scheduler), limits, trainer },
    metrics: metricsOf(parts),
  };
  return schedulerOf(scheduler).refuse?.(combination) ?? [];
}

function metricsOf({ objective, pruner }: Parts): readonly string[] | undefined {
  return objective && pruner && namedMetrics({ objective, pruner });
}

const sameMetric = "is the objective's own metric: name another one beside it";

/** What an objective that looks at more than one metric cannot be together with. */
function objectiveRefusals(parts: Parts): Refusal[] {
  const { objective, pruner, trainer } = parts;
  const refused: Refusal[] = [];
  if (objective && pruner && objectiveOf(objective).compare && prunerOf(pruner).compares !== undefined) {
    const rule = `must be none: the objective ${objective.mode} compares trials by more than their losses, by which alone the pruner stops them`;
    refused.push({ path: 'pruner', value: pruner.type, rule });
  }
  const names = metricsOf(parts) ?? [];
  const own = objective ? (objectiveOf(objective).metrics?.(objective) ?? []) : [];
  const byPruner = pruner ? (prunerOf(pruner).metrics?.(pruner) ?? []) : [];
  for (const [path, name] of [
    ...own.map((one) => ['objective', one] as const),
    ...byPruner.map((one) => ['pruner', one] as const),
  ]) {
    const rule = path === 'objective' && name === objective?.metric ? sameMetric : metricNameRule(name);
    if (rule !== null) refused.push({ path, value: name, rule });
  }
  if (names.length > maxMetrics) {
    const rule = `at most ${maxMetrics} further metrics are kept`;
    refused.push({ path: 'objective', value: names.length, rule });
  }
  if (trainer?.type === 'replay' && names.length > 0) {
    const rule = `recorded curves have one metric, and objective and pruner name others: ${names.join(', ')}`;
    refused.push({ path: 'trainer', value: trainer.type, rule });
  }
  return refused;
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
