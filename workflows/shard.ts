/**
 * A slice of a round's trials, so that no history outgrows its budget. A trial that alone needs more than a history
 * holds goes on in a new run of its shard.
 */
import { continueAsNew, setHandler } from '@temporalio/workflow';
import type { SegmentOutcome, Trial } from '../core/trial.js';
import { controlSignal, type Control } from './control.js';
import { handleTrialMessages } from './handlers.js';
import { eventsPerSegment, historyBudget } from './policies.js';
import { TrialPool, type RoundSpan, type TrainingSpec } from './trial-pool.js';

export interface TrainTask {
  readonly trial: Trial;
  readonly from: number;
  readonly to: number;
}

export interface ShardInput {
  readonly spec: TrainingSpec;
  readonly round: RoundSpan;
  readonly tasks: readonly TrainTask[];
  readonly control: Control;
  /** Values an earlier run of this shard brought in; only a shard of one task has any. */
  readonly before: readonly number[];
}

/** Activities a task takes. */
export function segmentsOf(task: { from: number; to: number }, spec: Pick<TrainingSpec, 'training'>): number {
  return Math.ceil((task.to - task.from) / (spec.training.segmentEpochs ?? Math.max(1, task.to - task.from)));
}

export async function everbandShard(input: ShardInput): Promise<SegmentOutcome[]> {
  const { spec, round, tasks, before } = input;
  let control = input.control;
  const pool = new TrialPool(spec, control);
  setHandler(controlSignal, (next) => {
    control = next;
    pool.apply(next);
  });
  handleTrialMessages(pool, () => pool.progress());

  const [only] = tasks;
  const most = Math.floor(historyBudget / eventsPerSegment);
  if (only && tasks.length === 1 && segmentsOf({ from: only.from + before.length, to: only.to }, spec) > most) {
    const start = only.from + before.length;
    const outcome = await pool.train(only.trial, round, start, start + most * (spec.training.segmentEpochs ?? 1));
    const values = [...before, ...outcome.values];
    if (outcome.outcome !== 'completed') return [{ ...outcome, values }];
    return continueAsNew<typeof everbandShard>({ ...input, control, before: values });
  }
  const outcomes = await Promise.all(
    tasks.map((task) => pool.train(task.trial, round, task.from + before.length, task.to))
  );
  return outcomes.map((outcome) => ({ ...outcome, values: [...before, ...outcome.values] }));
}
