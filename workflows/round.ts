/** One Hyperband round: the core decides, this carries out. */
import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  allHandlersFinished,
  condition,
  continueAsNew,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { PredictionAnswer } from '../core/predictor.js';
import type { Proposal } from '../core/propose.js';
import { runRound, type RoundEffects, type RoundInput, type RoundResult } from '../core/round.js';
import type { SegmentOutcome, Trial } from '../core/trial.js';
import type { RecordActivities } from './activity-types.js';
import { ControlTree, controlSignal, type Control } from './control.js';
import { handleTrialMessages } from './handlers.js';
import { workflowIds } from './messages.js';
import { eventsPerSegment, historyBudget, historyFull, localPolicy } from './policies.js';
import { Asker } from './predict.js';
import { everbandShard, segmentsOf, type ShardInput, type TrainTask } from './shard.js';
import { TrialPool } from './trial-pool.js';
import { roundDetails } from './web-ui.js';

export interface RoundWorkflowInput {
  readonly round: RoundInput;
  /** The contenders' configurations and seeds; empty for a round that proposes them itself. */
  readonly trials: readonly Trial[];
  readonly control: Control;
  /** A round that asks after every epoch: what its effects answered so far, in the order it asked. */
  readonly answered: readonly Answered[];
}

export interface RoundWorkflowResult extends RoundResult {
  /** What the round proposed. */
  readonly proposals: readonly Proposal[];
}

type Answered = SegmentOutcome | PredictionAnswer | Proposal;

const { recordRound, propose } = proxyLocalActivities<RecordActivities>(localPolicy);

export async function everbandRound(input: RoundWorkflowInput): Promise<RoundWorkflowResult> {
  const { round } = input;
  const { study, bracket, plan } = round;
  const often = study.predictor.type === 'fast';
  const asker = new Asker(study.name, `${bracket}-r${plan.index}-predict`, often);
  const pool = new TrialPool(study, input.control);
  const tree = new ControlTree(input.control, (control) => pool.apply(control));
  setHandler(controlSignal, (control) => tree.set(control));
  const shards = new ShardStarter(round, tree);
  handleTrialMessages(pool, () => ({ ...pool.progress(), shards: [...shards.open] }));

  const inline = often || worstCase(round) <= historyBudget;
  const byId = new Map(input.trials.map((trial) => [trial.id, trial]));
  const proposals: Proposal[] = [];
  const log = new EffectLog(input, tree);
  const once = <T extends Answered>(ask: () => Promise<T>): Promise<T> => (often ? log.once(ask) : ask());
  const effects: RoundEffects = {
    train: ({ id }, from, to) => {
      const trial = byId.get(id) as Trial;
      return once(() => (inline ? pool.train(trial, plan, from, to) : shards.train({ trial, from, to })));
    },
    predict: (request) => once(() => asker.predict(request)),
    async propose(first, count, observations) {
      const request = { bracket, offset: round.offset, first, count, observations };
      const proposal = await once(() => propose(study, request));
      proposals.push(proposal);
      for (const trial of proposal.trials) byId.set(trial.id, trial);
    },
  };
  setCurrentDetails(roundDetails(round, null));
  const result = await runRound(round, effects);
  setCurrentDetails(roundDetails(round, result.record));
  await recordRound(study.name, result);
  return { ...withoutCurves(result, study.predictor.type !== 'none'), proposals };
}

/**
 * What the effects of a round answered whose steps come one after the other. When the history is full the round goes on
 * in a new run, which takes the same way again with the answers it has.
 */
class EffectLog {
  private readonly answers: Answered[] = [];

  constructor(
    private readonly input: RoundWorkflowInput,
    private readonly tree: ControlTree
  ) {}

  async once<T extends Answered>(ask: () => Promise<T>): Promise<T> {
    const known = this.input.answered[this.answers.length] as T | undefined;
    if (known === undefined && historyFull(workflowInfo())) {
      await condition(allHandlersFinished);
      await continueAsNew<typeof everbandRound>({
        ...this.input,
        control: this.tree.current,
        answered: this.answers,
      });
    }
    const answer = known ?? (await ask());
    this.answers.push(answer);
    return answer;
  }
}

/** Events when every trial waits at the decision point and goes on. */
function worstCase({ plan, contenders, study }: RoundInput): number {
  const { from, to, decisionPoint } = plan;
  const legs =
    decisionPoint === null
      ? [{ from, to }]
      : [
          { from, to: decisionPoint },
          { from: decisionPoint, to },
        ];
  const segments = legs.reduce((sum, leg) => sum + segmentsOf(leg, study), 0);
  return segments * contenders.length * eventsPerSegment;
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
    private readonly round: RoundInput,
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
      const cost = segmentsOf(entry.task, this.round.study) * eventsPerSegment;
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
    const { study, bracket, plan } = this.round;
    const { name, objective, trainer, training, budgetUnit } = study;
    const workflowId = workflowIds.shard(name, bracket, plan.index, `s${this.started++}`);
    const { typedSearchAttributes } = workflowInfo();
    const start = (control: Control) => {
      const shard: ShardInput = {
        spec: { name, objective, trainer, training, budgetUnit },
        round: { index: plan.index, from: plan.from, to: plan.to },
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
        staticSummary: `${slice.length} trials of ${bracket} round ${plan.index}`,
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
