/**
 * The study as it runs: every default filled in, every limit a number. A study file becomes this through the schema
 * in `study/`, and nothing below the client ever sees a half-filled study.
 */
import { Plan } from './engine/plan.js';
import type { Objective } from './objectives/index.js';
import type { PrunerSettings } from './pruners/index.js';
import type { SamplerSettings } from './samplers/index.js';
import { schedulerOf, type SchedulerSettings } from './schedulers/index.js';
import type { Config, Limits, SearchSpace, Trainer, TrainingPolicy } from './settings.js';

export type * from './settings.js';
export type { Objective } from './objectives/index.js';
export type * from './predictors/index.js';
export type { FastPruner, MedianPruner, NoPruner, PrunerSettings, SwiftPruner } from './pruners/index.js';
export type * from './samplers/index.js';
export type * from './schedulers/index.js';

export interface Study {
  readonly schemaVersion: 1;
  /** The study's id: letters, digits, `-`, `_`, `.`; at most 100. */
  readonly name: string;
  /** 32-bit unsigned. */
  readonly seed: number;
  readonly objective: Objective;
  readonly space: SearchSpace;
  readonly sampler: SamplerSettings;
  readonly scheduler: SchedulerSettings;
  /** What one unit of budget is called in the terminal and in the Web UI; it decides nothing and is not in the record. @default "epochs" */
  readonly budgetUnit: string;
  /** What stops trials that are not worth finishing. */
  readonly pruner: PrunerSettings;
  readonly trainer: Trainer;
  /** Most trials that train at once. @default 8, at most 10,000, or what the scheduler says */
  readonly parallelism: number;
  readonly training: TrainingPolicy;
  readonly limits: Limits;
  /** Configurations the first trials take, in this order. */
  readonly tryFirst: readonly Config[];
}

/** The plan of a study: its brackets, rounds, epochs and decision points. */
export function planOf({ scheduler, pruner }: Pick<Study, 'scheduler' | 'pruner'>): Plan<SchedulerSettings> {
  return new Plan({ definition: schedulerOf(scheduler), settings: scheduler, pruner });
}

/** Most trials of a study in flight. */
export function maxParallelism({ scheduler }: Pick<Study, 'scheduler'>): number {
  return schedulerOf(scheduler).maxParallelism ?? 10_000;
}
