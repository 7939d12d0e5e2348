/** One round: its pruner decides (core/engine/group-run.ts), this carries out. */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { configured } from '../core/engine/exploits.js';
import { configsDrawn, GroupRun } from '../core/engine/group-run.js';
import type { Memory } from '../core/engine/memory.js';
import { keptOf, roundShared } from '../core/engine/study-run.js';
import type { Answer, Closing, Group, PredictTask, ProposeTask, Task, TrainTask } from '../core/engine/work.js';
import { prunerOf } from '../core/pruners/index.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome, Trial } from '../core/trial.js';
import type { Stretch } from './activity-types.js';
import type { Digests } from './digests.js';
import type { PoolState } from './carried.js';
import { onceSaved } from './children.js';
import { ControlTree, controlSignal, handleSettled, Settling, type Control } from './control.js';
import { FirstTrials, tellStudy } from './first-trials.js';
import { handleTrialMessages } from './handlers.js';
import { Local } from './local.js';
import type { SealedIdentity, TrialAnswer } from './messages.js';
import { eventsPerSegment, historyBudget, historyFull } from './policies.js';
import { begun, controlOf, requireControl, requireCurve, requireGroup, requireSpec, signalled } from './parse.js';
import { Asker } from './predict.js';
import { fileNames } from './file-names.js';
import { drawTrials } from './proposals.js';
import { RecordFiles } from './record-files.js';
import { segmentsOf, ShardStarter } from './shards.js';
import { TaskBudget } from './task-budget.js';
import { jobOf, trainingSpec, TrialPool } from './trial-pool.js';
import { roundDetails } from './web-ui.js';

export interface RoundWorkflowInput {
  readonly study: Study;
  readonly identity: SealedIdentity;
  readonly group: Group;
  readonly memory: Memory;
  readonly control: Control;
  /** What an earlier run of this workflow came to; null at the start. */
  readonly carried: Carried | null;
}

interface Carried {
  /** Answers to the steps that are over, in the order of their tasks; those of proposals are in the record. */
  readonly told: readonly (Answer | null)[];
  /** How many trials of a round that draws them in waves were drawn; absent: all of them. */
  readonly drawn?: number;
  /** Of the step under way: how each of its trials ended, or what it has trained so far. */
  readonly outcomes: Outcomes;
  readonly digests: Digests;
  readonly pool: PoolState;
}

export interface RoundWorkflowResult {
  readonly closing: Closing;
  /** Of the files that the round wrote. */
  readonly digests: Digests;
}

/** By trial. */
type Outcomes = Readonly<Record<string, SegmentOutcome>>;

/** Trials whose configurations are looked up at once: as many of them come back as fit into a message. */
const recallBlock = 1000;

export async function everbandRound(input: RoundWorkflowInput): Promise<RoundWorkflowResult> {
  const wanted = ['study', 'identity', 'group', 'memory', 'control'];
  return begun(input, wanted, (whole: RoundWorkflowInput) => {
    requireSpec(whole.study);
    requireGroup(whole.group);
    requireControl(whole.control);
    for (const outcome of Object.values(whole.carried?.outcomes ?? {})) requireCurve(outcome);
    if (whole.carried && !Array.isArray(whole.carried.told)) throw new RangeError('takes along answers that are none');
    return new RoundRun(whole);
  }).run();
}

class RoundRun {
  private readonly local: Local;
  private readonly files: RecordFiles;
  private readonly pool: TrialPool;
  private readonly tree: ControlTree;
  private readonly shards: ShardStarter;
  private readonly asker: Asker;
  private readonly budget = new TaskBudget();
  private readonly machine: GroupRun;
  private readonly trials = new Map<string, Trial>();
  private readonly told: (Answer | null)[] = [];
  /** Trials that failed for good here before the study was recovered, by their outcome. */
  private readonly failed = new Map<string, SegmentOutcome>();
  /** Whether the steps of the round are many and small: it then trains here, and goes on in a new run between two. */
  private readonly stepwise: boolean;
  private readonly inline: boolean;

  constructor(private readonly input: RoundWorkflowInput) {
    const { study, group, memory, control, carried, identity } = input;
    const pruner = prunerOf(study.pruner);
    this.stepwise = pruner.onePerRound === true || (group.draws?.wave ?? null) !== null;
    this.inline = this.stepwise || worstCase(study, group) <= historyBudget;
    this.machine = new GroupRun(study, group, roundShared(memory));
    this.local = new Local(() => this.show());
    this.files = new RecordFiles(study.name, identity, this.local, carried?.digests);
    this.pool = new TrialPool(trainingSpec(study), identity, control, carried?.pool, {
      given: () => settling.look(),
      budget: this.budget,
      firstTrials: group.from === 0 ? new FirstTrials(study.parallelism, tellStudy(study.name)) : undefined,
      refused: tellStudy(study.name, true),
    });
    this.tree = new ControlTree(
      control,
      (next) => this.pool.apply(next),
      () => this.pool.busy
    );
    const settling = new Settling(control, () => this.tree.bound);
    setHandler(
      controlSignal,
      signalled('control', controlOf, (next) => {
        this.tree.set(next);
        settling.take(next);
      })
    );
    handleSettled((one) => {
      if (this.tree.settled(one)) this.tree.balance();
      settling.look();
    });
    settling.look();
    this.shards = new ShardStarter(study, identity, group, this.tree, this.budget, () => settling.look());
    this.asker = new Asker({ study, identity }, `${group.id}-predict`, pruner.onePerRound === true, this.local);
    handleTrialMessages(
      this.pool,
      () => {
        const { trouble } = this.local;
        return { ...this.pool.progress(), shards: [...this.shards.open], ...(trouble === null ? {} : { trouble }) };
      },
      (id) => this.answerOf(id)
    );
    this.show();
  }

  async run(): Promise<RoundWorkflowResult> {
    const { study, group, carried } = this.input;
    const { machine } = this;
    if (!group.draws || carried) await this.recall();
    if (this.input.identity.incarnation > 0) {
      const failed = await this.local.run((all) =>
        all.failedIn(study.name, this.input.identity, group.bracket, group.round)
      );
      for (const { trial, from, outcome } of failed) this.failed.set(`${trial} ${from}`, outcome);
    }
    const known = [...(carried?.told ?? [])];
    let outcomes: Outcomes = carried?.outcomes ?? {};
    while (!machine.closed) {
      const tasks = machine.next();
      const before = known.splice(0, tasks.length);
      const answers = before.length > 0 ? before : await this.step(tasks, outcomes);
      if (before.length === 0) outcomes = {};
      this.told.push(...answers);
      tasks.forEach((task, i) => machine.tell(task, answers[i] ?? nothingDrawn));
      if (!machine.closed && known.length === 0 && this.stepwise && historyFull(workflowInfo())) await this.goOn({});
    }
    const { closed } = machine;
    const gone = closed.outcomes.filter(({ end }) => end !== 'rung' && end !== 'unfinished').map(({ id }) => id);
    await this.files.write(fileNames.round(group.id), keptOf(group, closed), gone);
    this.show();
    await condition(allHandlersFinished);
    const configs = group.draws && group.holds ? configsDrawn(group, this.configs()) : {};
    return { closing: { ...closed.closing, ...configs }, digests: this.files.digests };
  }

  /** Carries out the tasks of one step; their answers come together. */
  private async step(tasks: readonly Task[], outcomes: Outcomes): Promise<(Answer | null)[]> {
    const answering = tasks.map((task): Promise<Answer | null> => {
      switch (task.type) {
        case 'propose':
          return this.propose(task);
        case 'train':
          return this.train(task, outcomes[task.trial] ?? null);
        case 'predict':
          return this.asker.predict(task, this.known(task));
      }
    });
    let answers: (Answer | null)[];
    try {
      answers = await Promise.all(answering);
    } catch (error) {
      throw await onceSaved(error, answering);
    }
    if (this.pool.suspended) {
      const left = tasks.map((task, i) => [(task as TrainTask).trial, answers[i] as SegmentOutcome] as const);
      return this.goOn(Object.fromEntries(left));
    }
    return answers;
  }

  private async propose(task: ProposeTask): Promise<null> {
    const { study, identity } = this.input;
    const { local, files, budget } = this;
    const { trials } = await drawTrials({ study, identity, local, files, budget }, task);
    for (const trial of trials) this.trials.set(trial.id, trial);
    return null;
  }

  private async train(task: TrainTask, before: SegmentOutcome | null): Promise<SegmentOutcome> {
    if (before && before.outcome !== 'unfinished') return before;
    const failed = this.failed.get(`${task.trial} ${task.from}`);
    if (failed) return failed;
    const trial = this.trials.get(task.trial);
    if (!trial) throw new RangeError(`trial ${task.trial} has no configuration`);
    const { group } = this.input;
    const job = jobOf(group, task, trial);
    return this.inline ? this.pool.train(job, group, before ?? undefined) : this.shards.train(job);
  }

  /** The losses that a question needs of this round's own trials: no other has them yet. */
  private known({ training, candidates }: PredictTask): Stretch[] {
    const wanted = new Set([...training, ...candidates]);
    const { from } = this.input.group;
    return this.machine.round.trials
      .filter(({ id }) => wanted.has(id))
      .map((trial) => ({ trial: trial.id, from, values: trial.outcome().values }));
  }

  private answerOf(id: string): TrialAnswer | null {
    const trial = this.trials.get(id);
    const run = this.machine.round.trials.find((one) => one.id === id);
    if (!trial || !run) return null;
    const { from, to } = this.input.group;
    const { values, end } = run.outcome();
    const { config } = configured(this.input.group, trial);
    return { id, config, from, to, values, end: this.machine.closed ? end : null };
  }

  /** What was drawn, by index. */
  private configs(): ReadonlyMap<number, Trial['config']> {
    return new Map([...this.trials.values()].map(({ index, config }) => [index, config]));
  }

  private async recall(): Promise<void> {
    const { study, group, identity, carried } = this.input;
    // Those of later waves are in no record yet.
    const members = group.members.slice(0, carried?.drawn);
    for (let first = 0; first < members.length;) {
      const indexes = members.slice(first, first + recallBlock);
      const trials = await this.local.run((all) => {
        if (first === 0 && !group.draws) return all.enterRound(study, identity, group, indexes);
        return all.recall(study, identity, group.bracket, indexes);
      });
      for (const trial of trials) this.trials.set(trial.id, trial);
      first += trials.length;
      await this.budget.spend(JSON.stringify(trials).length);
    }
  }

  private async goOn(outcomes: Outcomes): Promise<never> {
    await condition(allHandlersFinished);
    const told = this.told.map((answer) => (answer === null || 'trials' in answer ? null : answer));
    const { pool, files, tree } = this;
    const drawn = this.input.group.draws ? { drawn: this.trials.size } : {};
    return continueAsNew<typeof everbandRound>({
      ...this.input,
      control: tree.current,
      carried: { told, ...drawn, outcomes, digests: files.digests, pool: pool.state },
    });
  }

  private show(): void {
    const { study, group } = this.input;
    setCurrentDetails(roundDetails(study, group, this.machine.closed, this.local.trouble));
  }
}

/** The machine needs no configurations: the workflow has them. */
const nothingDrawn: Answer = { trials: [], duplicatesAvoided: 0, duplicatesKept: 0 };

/** Events when every trial waits at the decision point and goes on. */
function worstCase(study: Study, { from, to, decisionPoint, members }: Group): number {
  const legs =
    decisionPoint === null
      ? [{ from, to }]
      : [
          { from, to: decisionPoint },
          { from: decisionPoint, to },
        ];
  const segments = legs.reduce((sum, leg) => sum + segmentsOf(leg, study), 0);
  return segments * members.length * eventsPerSegment;
}
