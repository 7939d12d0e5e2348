/** Collects the training that a round asks for in one breath, and hands it to as few shards as the limits allow. */
import { workflowInfo } from '@temporalio/workflow';
import type { Group } from '../core/engine/work.js';
import type { Study } from '../core/study.js';
import { namedMetrics } from '../core/metrics.js';
import type { SegmentOutcome } from '../core/trial.js';
import { startGroup } from './children.js';
import type { Control, ControlTree } from './control.js';
import { messageBytes, workflowIds, type SealedIdentity } from './messages.js';
import { eventsPerSegment, historyBudget } from './policies.js';
import { everbandShard, type ShardInput } from './shard.js';
import type { TaskBudget } from './task-budget.js';
import { trainingSpec, type TrainingJob, type TrainingSpec } from './trial-pool.js';

/** Bytes of a number in JSON, about. */
const bytesPerValue = 20;

/** Activities a task takes. */
export function segmentsOf(task: { from: number; to: number }, spec: Pick<TrainingSpec, 'training'>): number {
  return Math.ceil((task.to - task.from) / (spec.training.segmentEpochs ?? Math.max(1, task.to - task.from)));
}

interface Entry {
  readonly job: TrainingJob;
  readonly resolve: (outcome: SegmentOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export class ShardStarter {
  /** Workflow ids of shards that run. */
  readonly open = new Set<string>();
  private batch: Entry[] = [];
  private started = 0;

  constructor(
    private readonly study: Study,
    private readonly identity: SealedIdentity,
    private readonly group: Group,
    private readonly tree: ControlTree,
    private readonly budget: TaskBudget,
    /** Called when a shard has ended. */
    private readonly ended: () => void
  ) {}

  train(job: TrainingJob): Promise<SegmentOutcome> {
    if (this.batch.length === 0) void Promise.resolve().then(() => this.flush());
    return new Promise((resolve, reject) => this.batch.push({ job, resolve, reject }));
  }

  private async flush(): Promise<void> {
    const { batch } = this;
    this.batch = [];
    const queue = this.slices(batch);
    const atOnce = Math.min(queue.length, Math.max(1, this.tree.current.parallelism));
    const lane = async () => {
      for (let slice = queue.shift(); slice; slice = queue.shift()) await this.run(slice);
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
  }

  /** Slices whose history and whose messages stay small. */
  private slices(batch: readonly Entry[]): Entry[][] {
    const slices: Entry[][] = [];
    const bytesPerEpoch = bytesPerValue * (1 + namedMetrics(this.study).length);
    let events = Infinity;
    let bytes = 0;
    for (const entry of batch) {
      const { from, to, trial } = entry.job;
      const cost = segmentsOf({ from, to }, this.study) * eventsPerSegment;
      const size = Math.max(JSON.stringify(trial).length, (to - from) * bytesPerEpoch);
      if (events + cost > historyBudget || bytes + size > messageBytes) {
        slices.push([]);
        events = 0;
        bytes = 0;
      }
      slices.at(-1)?.push(entry);
      events += cost;
      bytes += size;
    }
    return slices;
  }

  private async run(slice: readonly Entry[]): Promise<void> {
    const { study, group, identity, tree } = this;
    const workflowId = workflowIds.shard(study.name, group.bracket, group.round, `s${this.started++}`);
    const { typedSearchAttributes } = workflowInfo();
    const start = (control: Control) => {
      const shard: ShardInput = {
        spec: trainingSpec(study),
        identity,
        round: { bracket: group.bracket, round: group.round, from: group.from, to: group.to },
        jobs: slice.map(({ job }) => job),
        control,
        parallelism: study.parallelism,
        carried: null,
      };
      return startGroup(everbandShard, shard, {
        workflowId,
        typedSearchAttributes,
        staticSummary: `${slice.length} trials of ${group.bracket} round ${group.round}`,
      });
    };
    this.open.add(workflowId);
    try {
      await this.budget.spend(JSON.stringify(slice.map(({ job }) => job)).length);
      const portion = tree.open(workflowId);
      tree.balance();
      const outcomes = await tree.run(portion, start);
      slice.forEach(({ resolve }, i) => resolve(outcomes[i] as SegmentOutcome));
    } catch (error) {
      for (const { reject } of slice) reject(error);
    } finally {
      this.open.delete(workflowId);
      tree.balance();
      this.ended();
    }
  }
}
