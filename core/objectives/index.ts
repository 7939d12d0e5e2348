/** Every objective there is: a new one is a file beside this one and a line here. */
import { filled, problemWith, type Option, type Refusal } from '../options.js';
import type { ObjectiveDefinition, Result } from './definition.js';
import { maximise } from './maximise.js';
import { minimise } from './minimise.js';

export const objectives = { minimise, maximise };

export type Objective = {
  [Name in keyof typeof objectives]: (typeof objectives)[Name] extends ObjectiveDefinition<infer Settings>
    ? Settings
    : never;
}[keyof typeof objectives];

type Definition = ObjectiveDefinition<Objective> & { readonly options: Readonly<Record<string, Option>> };

export function objectiveOf({ mode }: Pick<Objective, 'mode'>): Definition {
  return objectives[mode] as unknown as Definition;
}

/** What an objective makes of results. */
export interface ObjectiveMode {
  /** The loss of a metric value. */
  loss(value: number): number;
  /** The metric value of a loss. */
  value(loss: number): number;
  /** Negative where `a` is the better of two results of one budget, 0 where neither is. */
  compare(a: Result, b: Result): number;
  /** Whether a result has reached a target, a value of the metric. */
  reached(result: Result, target: number): boolean;
}

export function modeOf(objective: Objective): ObjectiveMode {
  const definition = objectiveOf(objective);
  const { loss, value } = definition;
  return {
    loss,
    value,
    compare: (a, b) => definition.compare?.(objective, a, b) ?? a.loss - b.loss,
    reached: (result, target) => result.loss <= loss(target) && (definition.counts?.(objective, result) ?? true),
  };
}

/** An objective with its defaults; whatever is wrong with it is named. */
export function objectiveWith(given: Partial<Objective>): {
  readonly objective: Objective;
  readonly refusals: readonly Refusal[];
} {
  const { mode = 'minimise', metric = 'loss', ...own } = given;
  if (!Object.hasOwn(objectives, mode)) {
    const rule = `must be one of ${Object.keys(objectives).join(', ')}`;
    return { objective: { metric, mode } as Objective, refusals: [{ path: 'objective.mode', value: mode, rule }] };
  }
  const { options } = objectiveOf({ mode });
  const whole = filled(options, { type: mode, ...own });
  delete whole['type'];
  const refusals = [
    ...Object.entries(options).map(([key, option]) => ({ key, rule: problemWith(option, whole[key]) })),
    ...Object.keys(own)
      .filter((key) => !Object.hasOwn(options, key))
      .map((key) => ({ key, rule: `is no option of the objective ${mode}` })),
  ].flatMap(({ key, rule }) => (rule === null ? [] : [{ path: `objective.${key}`, value: whole[key], rule }]));
  return { objective: { metric, mode, ...whole } as Objective, refusals };
}
