/** A slice of a round's trials, so that no history outgrows its budget. */
import { allHandlersFinished, condition, continueAsNew, setHandler } from '@temporalio/workflow';
import type { SegmentOutcome } from '../core/trial.js';
import type { PoolState } from './carried.js';
import { onceSaved } from './children.js';
import { controlSignal, Settling, type Control } from './control.js';
import { FirstTrials, tellStudy } from './first-trials.js';
import { handleTrialMessages } from './handlers.js';
import type { SealedIdentity } from './messages.js';
import { begun, controlOf, requireControl, requireCurve, requireSpec, signalled } from './parse.js';
import { TrialPool, type RoundSpan, type TrainingJob, type TrainingSpec } from './trial-pool.js';

export interface ShardInput {
  readonly spec: TrainingSpec;
  readonly identity: SealedIdentity;
  readonly round: RoundSpan;
  readonly jobs: readonly TrainingJob[];
  readonly control: Control;
  /** Of the study; absent: of an earlier version. */
  readonly parallelism?: number;
  /** What an earlier run of this shard came to; null at the start. */
  readonly carried: {
    /** One per job: how it ended, or what it has trained so far. */
    readonly outcomes: readonly SegmentOutcome[];
    readonly pool: PoolState;
  } | null;
}

export async function everbandShard(input: ShardInput): Promise<readonly SegmentOutcome[]> {
  const whole = begun(input, ['spec', 'identity', 'round', 'jobs', 'control'], (given: ShardInput) => {
    requireSpec(given.spec);
    requireControl(given.control);
    for (const job of given.jobs) TrialPool.check(given.spec, given.round, job);
    for (const outcome of given.carried?.outcomes ?? []) requireCurve(outcome);
    return given;
  });
  return trainShard(whole);
}

async function trainShard(input: ShardInput): Promise<readonly SegmentOutcome[]> {
  const { spec, identity, round, jobs, carried } = input;
  let { control } = input;
  const { parallelism } = input;
  const begins = round.from === 0 && parallelism !== undefined;
  const pool = new TrialPool(spec, identity, control, carried?.pool, {
    given: () => settling.look(),
    firstTrials: begins ? new FirstTrials(parallelism, tellStudy(spec.name)) : undefined,
    refused: tellStudy(spec.name, true),
  });
  const settling = new Settling(control, () => pool.busy);
  setHandler(
    controlSignal,
    signalled('control', controlOf, (next) => {
      control = next;
      pool.apply(next);
      settling.take(next);
    })
  );
  settling.look();
  handleTrialMessages(pool, () => pool.progress());
  const training = jobs.map((job, i) => {
    const before = carried?.outcomes[i];
    if (before && before.outcome !== 'unfinished') return before;
    return pool.train(job, round, before);
  });
  let outcomes: SegmentOutcome[];
  try {
    outcomes = await Promise.all(training);
  } catch (error) {
    throw await onceSaved(error, training);
  }
  await condition(allHandlersFinished);
  if (!pool.suspended) return outcomes;
  return continueAsNew<typeof everbandShard>({ ...input, control, carried: { outcomes, pool: pool.state } });
}
