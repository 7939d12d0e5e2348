/** One Hyperband round: the core decides, this carries out. */
import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { runRound, type RoundInput, type RoundResult } from '../core/round.js';
import type { SegmentOutcome, Trial } from '../core/trial.js';
import type { PredictActivities, RecordActivities } from './activity-types.js';
import { ControlTree, controlSignal, type Control } from './control.js';
import { handleTrialMessages } from './handlers.js';
import { workflowIds } from './messages.js';
import { eventsPerSegment, historyBudget, localPolicy, predictPolicy } from './policies.js';
import { everbandShard, segmentsOf, type ShardInput, type TrainTask } from './shard.js';
import { TrialPool, type TrainingSpec } from './trial-pool.js';

export interface RoundWorkflowInput {
  readonly spec: TrainingSpec;
  readonly round: RoundInput;
  /** The contenders' configurations and seeds, in the same order. */
  readonly trials: readonly Trial[];
  readonly control: Control;
}

const { recordRound } = proxyLocalActivities<RecordActivities>(localPolicy);

export async function everbandRound(input: RoundWorkflowInput): Promise<RoundResult> {
  const { spec, round, trials } = input;
  const { predict } = proxyActivities<PredictActivities>({
    ...predictPolicy,
    activityId: `${round.bracket}-r${round.plan.index}-predict`,
  });
  const place = { bracket: round.bracket, round: round.plan.index, from: round.plan.from, to: round.plan.to };
  const pool = new TrialPool(spec, place, input.control);
  const tree = new ControlTree(input.control, (control) => pool.apply(control));
  setHandler(controlSignal, (control) => tree.set(control));
  const shards = new ShardStarter(input, tree);
  handleTrialMessages(pool, () => ({ ...pool.progress(), shards: [...shards.open] }));

  const byId = new Map(trials.map((trial) => [trial.id, trial]));
  const inline = worstCase(input) <= historyBudget;
  const result = await runRound(round, {
    train: (contender, from, to) => {
      const trial = byId.get(contender.id) as Trial;
      return inline ? pool.train(trial, from, to) : shards.train({ trial, from, to });
    },
    predict,
  });
  await recordRound(spec.name, result);
  return withoutCurves(result, round.predictor.type !== 'none');
}

/** Events when every trial waits at the decision point and goes on. */
function worstCase({ round, spec }: RoundWorkflowInput): number {
  const { from, to, decisionPoint } = round.plan;
  const legs =
    decisionPoint === null
      ? [{ from, to }]
      : [
          { from, to: decisionPoint },
          { from: decisionPoint, to },
        ];
  const segments = legs.reduce((sum, leg) => sum + segmentsOf(leg, spec), 0);
  return segments * round.contenders.length * eventsPerSegment;
}

/** Curves are in the record; only a predictor needs them again, and only of those that go on. */
function withoutCurves(result: RoundResult, predictor: boolean): RoundResult {
  const promoted = new Set(result.record.promoted);
  const keeps = (id: string) => predictor && promoted.has(id);
  return {
    ...result,
    outcomes: result.outcomes.map((outcome) => ({ ...outcome, values: keeps(outcome.id) ? outcome.values : [] })),
  };
}

/** Collects the training a round asks for in one breath and hands it to as few shards as the history budget allows. */
class ShardStarter {
  readonly open = new Set<string>();
  private batch: { task: TrainTask; resolve: (outcome: SegmentOutcome) => void; reject: (error: unknown) => void }[] =
    [];
  private started = 0;

  constructor(
    private readonly input: RoundWorkflowInput,
    private readonly tree: ControlTree
  ) {}

  train(task: TrainTask): Promise<SegmentOutcome> {
    if (this.batch.length === 0) void Promise.resolve().then(() => this.flush());
    return new Promise((resolve, reject) => this.batch.push({ task, resolve, reject }));
  }

  private async flush(): Promise<void> {
    const batch = this.batch;
    this.batch = [];
    const slices: (typeof batch)[] = [];
    let events = Infinity;
    for (const entry of batch) {
      const cost = segmentsOf(entry.task, this.input.spec) * eventsPerSegment;
      if (events + cost > historyBudget) {
        slices.push([]);
        events = 0;
      }
      slices.at(-1)?.push(entry);
      events += cost;
    }
    const atOnce = Math.min(slices.length, this.tree.current.parallelism);
    const queue = [...slices];
    const lane = async () => {
      for (let slice = queue.shift(); slice; slice = queue.shift()) await this.run(slice, 1 / atOnce);
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
  }

  private async run(slice: typeof this.batch, share: number): Promise<void> {
    const { spec, round } = this.input;
    const workflowId = workflowIds.shard(spec.name, round.bracket, round.plan.index, `s${this.started++}`);
    const { typedSearchAttributes } = workflowInfo();
    const start = (control: Control) => {
      const shard: ShardInput = {
        spec,
        bracket: round.bracket,
        round: round.plan,
        tasks: slice.map(({ task }) => task),
        control,
        before: [],
      };
      return startChild(everbandShard, {
        workflowId,
        args: [shard],
        typedSearchAttributes,
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        staticSummary: `${slice.length} trials of ${round.bracket} round ${round.plan.index}`,
      });
    };
    this.open.add(workflowId);
    try {
      const outcomes = await this.tree.run(share, start);
      slice.forEach(({ resolve }, i) => resolve(outcomes[i] as SegmentOutcome));
    } catch (error) {
      for (const { reject } of slice) reject(error);
    } finally {
      this.open.delete(workflowId);
    }
  }
}
