/**
 * Drives a study's scheduler: groups become round workflows, tasks of trials alone are carried out here. One driver for
 * every scheduler; which of the two there is, the scheduler says by what it hands out.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  getExternalWorkflowHandle,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { createScheduler } from '../core/engine/create.js';
import { configured } from '../core/engine/exploits.js';
import { keptOf } from '../core/engine/study-run.js';
import { lineOf, logEntry } from '../core/engine/log.js';
import type { KeptGroup } from '../core/engine/material.js';
import type { Scheduler } from '../core/engine/scheduler.js';
import type {
  Answer,
  Ended,
  Event,
  Group,
  PredictTask,
  ProposeTask,
  Task,
  TrainTask,
  Work,
} from '../core/engine/work.js';
import type { Study } from '../core/study.js';
import type { Proposal } from '../core/engine/propose.js';
import type { SegmentOutcome, Source, Trial } from '../core/trial.js';
import type { Stretch } from './activity-types.js';
import type { Digests } from './digests.js';
import type { DriverState } from './carried.js';
import {
  ControlTree,
  controlSignal,
  handleSettled,
  lateSignal,
  type Control,
  type LateTurn,
  type Portion,
} from './control.js';
import { onceSaved, startGroup } from './children.js';
import { FirstTrials, type Broken } from './first-trials.js';
import { everbandLate } from './late.js';
import type { Local } from './local.js';
import {
  failureTypes,
  workflowIds,
  type Progress,
  type RetryLate,
  type SealedIdentity,
  type TrialAnswer,
} from './messages.js';
import { historyFull, historyOverflows } from './policies.js';
import { lateTurnOf, signalled } from './parse.js';
import { Asker } from './predict.js';
import { fileNames } from './file-names.js';
import { drawTrials } from './proposals.js';
import { RecordFiles } from './record-files.js';
import { everbandRound } from './round.js';
import { TaskBudget } from './task-budget.js';
import { jobOf, trainingSpec, TrialPool } from './trial-pool.js';
import { searchAttributesOf } from './web-ui.js';

/** Groups of trials alone whose ends are written to the record in one marker. */
const recordBlock = 20;

export class Driver {
  readonly scheduler: Scheduler;
  readonly tree: ControlTree;
  private readonly files: RecordFiles;
  private readonly pool: TrialPool;
  private readonly asker: Asker;
  private readonly budget = new TaskBudget();
  /** Groups that are out, with how many of their tasks. */
  private readonly out = new Map<string, number>();
  /** Trials alone that an earlier run has noted as started. */
  private readonly carried: ReadonlySet<string>;
  private readonly blocks = new Map<string, Promise<Proposal>>();
  private readonly trials = new Map<string, Trial>();
  /** What trials alone have trained in this run of the workflow, in order. */
  private readonly stretches = new Map<string, Stretch[]>();
  /** How trials alone stand, by id. */
  private readonly latest = new Map<string, TrialAnswer>();
  /** Whether trials come to rungs one by one: their log is recorded here, rounds record themselves. */
  private alone: boolean;
  private log: string[] = [];
  private closed: KeptGroup[] = [];
  /** Checkpoints that are to be given up once what led to it is recorded. */
  private released: Source[] = [];
  private recorded: number;
  private writing: Promise<void> = Promise.resolve();
  /** Late retries beside the study, by trial; the portion is that of one that wants to train. */
  private readonly late = new Map<string, Portion | null>();
  /** Trials whose late retries were lost with the server. */
  readonly lateLost: Set<string>;
  /** Places that are kept free of trials that train here, for late retries. */
  private kept = 0;
  /** What has not come back yet. */
  private readonly begun = new Set<Promise<void>>();
  private answered = 0;
  private leaving = false;
  private resolve: (ended: Ended | null) => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly study: Study,
    private readonly identity: SealedIdentity,
    private readonly local: Local,
    control: Control,
    before: DriverState | null,
    /** Called when something has changed that a page shows. */
    private readonly changed: () => void,
    /** Called when the first trials alone say that the study cannot run. */
    broken: (one: Broken) => void
  ) {
    this.scheduler = createScheduler(study, before?.scheduler ?? null);
    this.files = new RecordFiles(study.name, identity, local, before?.digests);
    this.pool = new TrialPool(trainingSpec(study), identity, control, before?.pool, {
      onFree: () => this.inTurn(() => undefined),
      budget: this.budget,
      firstTrials: new FirstTrials(study.parallelism, (cause) => broken({ cause, refused: false })),
      refused: (cause) => broken({ cause, refused: true }),
    });
    this.tree = new ControlTree(
      control,
      () => {
        this.applyOwn();
        this.inTurn(() => (this.late.size > 0 ? this.applyOwn() : undefined));
      },
      () => this.pool.busy
    );
    this.asker = new Asker({ study, identity }, 'predict', false, local);
    this.carried = new Set(before?.open ?? []);
    this.recorded = before?.recorded ?? 0;
    this.lateLost = new Set(before?.lateLost);
    this.alone = this.recorded > 0;
    for (const { trial, wants } of before?.late ?? []) {
      this.late.set(trial, wants && this.openLate(trial, wants.turn, wants.placed));
    }
    setHandler(
      lateSignal,
      signalled('late', lateTurnOf, (turn) => this.inTurn(() => this.takeLate(turn)))
    );
    handleSettled((one) => this.inTurn(() => void this.tree.settled(one)));
  }

  /** Runs to the end of the study; null: the history is full, and the study has to go on in a new run. */
  async run(): Promise<Ended | null> {
    const ending = new Promise<Ended | null>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.inTurn(() => undefined);
    });
    let ended: Ended | null;
    try {
      ended = await ending;
    } catch (error) {
      throw await onceSaved(error, this.begun);
    }
    await this.flush();
    if (ended === null) await this.files.pack();
    return ended;
  }

  get state(): DriverState {
    return {
      scheduler: this.scheduler.state,
      open: [...this.out.keys()],
      recorded: this.recorded,
      digests: this.files.digests,
      pool: this.pool.state,
      ...(this.late.size > 0
        ? {
            late: [...this.late].map(([trial, portion]) => {
              return { trial, wants: portion && { turn: portion.turn, placed: portion.places > 0 } };
            }),
          }
        : {}),
      ...(this.lateLost.size > 0 ? { lateLost: [...this.lateLost] } : {}),
    };
  }

  /** Trials that are retried late right now. */
  get lateTrials(): readonly string[] {
    return [...this.late.keys()];
  }

  /** Starts a late retry beside the study. @throws ApplicationFailure that says why it cannot be */
  async retryLate(request: RetryLate): Promise<{ readonly goesOn: boolean }> {
    let failure: unknown = null;
    let goesOn = false;
    await new Promise<void>((resolve) => {
      this.inTurn(() =>
        this.startLate(request)
          .then((known) => (goesOn = known))
          .catch((error: unknown) => (failure = error))
          .then(() => resolve())
      );
    });
    if (failure instanceof ActivityFailure && failure.cause instanceof ApplicationFailure) throw failure.cause;
    if (failure !== null) throw failure;
    return { goesOn };
  }

  /** The study has ended: late retries go on by themselves, unless somebody has stopped it. */
  async letGo(): Promise<void> {
    const { stopped } = this.tree.current;
    const control = { paused: false, stopped, parallelism: 1 };
    await Promise.all(
      this.lateTrials.map((trial) => this.lateHandle(trial).signal(controlSignal, control).catch(gone))
    );
  }

  /** Gives whether it goes on with one that had lost its workflow. */
  private async startLate(request: RetryLate): Promise<boolean> {
    const { study } = this;
    const { trial } = request;
    if (this.late.has(trial)) throw refusal(`trial ${trial} is retried late right now`);
    await this.flush();
    const start = await this.local.run((all) => all.prepareLate(study.name, this.identity.seal, request, true));
    const { bracket } = start.trial;
    try {
      await startChild(everbandLate, {
        workflowId: workflowIds.late(study.name, trial),
        args: [{ study: study.name, request, start }],
        // It is not the study's to wait for: what it comes to changes nothing that was decided.
        parentClosePolicy: ParentClosePolicy.ABANDON,
        cancellationType: ChildWorkflowCancellationType.ABANDON,
        typedSearchAttributes: searchAttributesOf(study, { bracket, round: start.round }),
        memo: { study: workflowIds.study(study.name), trial },
        staticSummary: `${study.name} ${trial}: late retry from round ${start.round}`,
      });
    } catch (error) {
      if (error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError') {
        throw refusal(`trial ${trial} is retried late right now`);
      }
      throw error;
    }
    this.late.set(trial, null);
    this.lateLost.delete(trial);
    this.changed();
    return start.goesOn;
  }

  private takeLate({ trial, wants, ended, turn }: LateTurn): void {
    const portion = this.late.get(trial) ?? null;
    if (portion && (!wants || ended)) this.tree.close(portion);
    if (ended) this.late.delete(trial);
    else this.late.set(trial, wants ? (portion ?? this.openLate(trial, turn)) : null);
    // A run of its workflow that has gone on asks anew for the place that it has.
    if (portion) portion.turn = turn;
    this.balanceLate();
    this.changed();
  }

  private balanceLate(): void {
    this.tree.balance();
    if (this.tree.reserved !== this.kept) this.applyOwn();
  }

  /** What late retries leave is for the trials that train here. */
  private applyOwn(): void {
    const { current, reserved } = this.tree;
    this.kept = reserved;
    this.pool.apply({ ...current, parallelism: Math.max(0, current.parallelism - reserved) });
  }

  private openLate(trial: string, turn: number, placed = false): Portion {
    const child = this.lateHandle(trial);
    return this.tree.open(workflowIds.late(this.study.name, trial), { child, turn, placed });
  }

  private lateHandle(trial: string): ReturnType<typeof getExternalWorkflowHandle> {
    return getExternalWorkflowHandle(workflowIds.late(this.study.name, trial));
  }

  get digests(): Digests {
    return this.files.digests;
  }

  /** Ends the study early: what trains saves itself, and its best is kept. */
  stop(by: 'stopped' | 'deadline'): void {
    this.inTurn(() => {
      if (this.tree.current.stopped) return;
      this.log.push(logEntry.stop(by));
      this.scheduler.tell({ type: 'stopped', by });
      this.tree.set({ ...this.tree.current, stopped: true });
    });
  }

  progress(): Progress {
    return this.pool.progress();
  }

  /** How a trial stood on its last way to a rung, of those that this run of the workflow knows. */
  trial(id: string): TrialAnswer | null {
    return this.latest.get(id) ?? null;
  }

  get messages(): TrialPool {
    return this.pool;
  }

  /**
   * Takes one step after the other, and hands out what follows. In which activation a local activity comes back is not in
   * the history: a step that waits for one holds back all others, so that commands come in one order whenever it does.
   */
  private inTurn(step: () => void | Promise<void>): void {
    this.turn = this.turn
      .then(step)
      .then(() => this.handOutAll())
      .catch((error: unknown) => this.reject(error));
  }

  /** Hands out what there are places for, until nothing more comes. */
  private async handOutAll(): Promise<void> {
    // Looked at before anything is handed out: an activity that was scheduled and cancelled in one workflow task may
    // not replay. A run that has brought nothing yet has a reason to stay, however short the server wants it.
    const info = workflowInfo();
    if (!this.leaving && historyFull(info) && (this.answered > 0 || historyOverflows(info))) this.leave();
    if (this.late.size > 0) this.balanceLate();
    while (await this.handOut()) continue;
    const idle = [...this.out.values()].every((count) => count === 0);
    if (this.leaving ? idle : this.scheduler.ended !== null) this.resolve(this.scheduler.ended);
  }

  private async handOut(): Promise<boolean> {
    const { current, reserved } = this.tree;
    const free = this.leaving ? 0 : current.parallelism - reserved + this.pool.failing - this.out.size;
    const works = this.scheduler.next(Math.max(0, free)).filter((work) => this.isWanted(work));
    const portions = works.map((work) => {
      if (work.type !== 'group') return null;
      return this.tree.open(workflowIds.round(this.study.name, work.group.bracket, work.group.round));
    });
    if (works.some(({ type }) => type === 'group')) this.tree.balance();
    for (const work of works) {
      const { id } = work.group;
      this.alone ||= work.type === 'task';
      if (work.type === 'task' && !this.out.has(id) && !this.carried.has(id)) this.log.push(logEntry.start(id));
      this.out.set(id, (this.out.get(id) ?? 0) + 1);
    }
    if (works.some(({ group }) => group.recordFirst)) await this.flush();
    for (const [i, work] of works.entries()) {
      const portion = portions[i];
      if (work.type === 'group' && portion) this.watch(this.round(work, portion));
      else if (work.type === 'task') await this.start(work.group, work.task);
    }
    if (works.length > 0) this.changed();
    return works.length > 0;
  }

  /** Towards the end of a run, what is asked at a decision point is answered still; training is for the next run. */
  private isWanted(work: Work): boolean {
    return !this.leaving || (work.type === 'task' && work.task.type !== 'train');
  }

  /** Nothing more is handed out: trials alone are suspended, rounds come to their end. */
  private leave(): void {
    this.leaving = true;
    this.pool.suspend();
  }

  private async round(
    { group, memory }: Extract<Work, { type: 'group' }>,
    portion: ReturnType<ControlTree['open']>
  ): Promise<void> {
    const { study, identity } = this;
    const { bracket, round, members, from, to } = group;
    const { closing, digests } = await this.tree.run(portion, (control) =>
      startGroup(
        everbandRound,
        { study, identity, group, memory, control, carried: null },
        {
          workflowId: workflowIds.round(study.name, bracket, round),
          typedSearchAttributes: searchAttributesOf(study, { bracket, round }),
          staticSummary: `${study.name} ${bracket} round ${round}: ${members.length} trials, ${study.budgetUnit} ${from} to ${to}`,
        }
      )
    );
    this.inTurn(() => {
      this.files.take(digests);
      this.out.delete(group.id);
      this.tell({ type: 'closed', closing });
      this.tree.balance();
    });
  }

  /** The study ends with what goes wrong in it; one that is cancelled waits for it. */
  private watch(work: Promise<void>): void {
    this.begun.add(work);
    work
      .catch((error: unknown) => this.reject(error))
      .then(() => this.begun.delete(work))
      .catch(() => undefined);
  }

  /** Begins a task of a trial alone. What local activities answer is taken in at once, everything else in turn. */
  private async start(group: Group, task: Task): Promise<void> {
    const later = (answer: Promise<Answer>) => {
      this.watch(answer.then((given) => this.inTurn(() => this.take(group, task, given))));
    };
    switch (task.type) {
      case 'propose':
        return this.take(group, task, await this.propose(task));
      case 'train': {
        const trial = await this.trialOf(group, task);
        return later(this.pool.train(jobOf(group, task, trial), group));
      }
      case 'predict': {
        const asked = await this.asker.prepare(task, this.known(task));
        return typeof asked === 'function' ? later(asked()) : this.take(group, task, asked);
      }
    }
  }

  private take(group: Group, task: Task, answer: Answer): void {
    this.out.set(group.id, (this.out.get(group.id) ?? 1) - 1);
    const interrupted = task.type === 'train' && (answer as SegmentOutcome).outcome === 'unfinished';
    if (interrupted && this.pool.suspended && !this.tree.current.stopped) {
      // It goes on in the next run, from its checkpoint.
      this.leaving = true;
      return;
    }
    if (task.type === 'train') {
      const { values } = answer as SegmentOutcome;
      this.keepStretch(task.trial, { trial: task.trial, from: task.from, values });
    }
    const line = lineOf(group.id, task, answer);
    if (line !== null) this.log.push(line);
    this.tell({ type: 'answered', group: group.id, task, answer });
  }

  private tell(event: Event): void {
    if (event.type === 'closed' || (event.type === 'answered' && event.task.type === 'train')) this.answered++;
    const { closed, released = [] } = this.scheduler.tell(event);
    this.released.push(...released);
    if (closed) {
      this.out.delete(closed.group.id);
      this.closed.push(keptOf(closed.group, closed.result));
      const { from } = closed.group;
      for (const { id, values, end } of closed.result.outcomes) {
        // The whole way to the rung, of which an earlier run may have told the first part.
        this.keepStretch(id, { trial: id, from, values });
        const known = this.latest.get(id);
        if (known) this.latest.set(id, { ...known, values, end });
      }
      if (this.closed.length >= recordBlock) void this.flush();
    }
    if (this.scheduler.halted && !this.tree.current.stopped) {
      this.tree.set({ ...this.tree.current, stopped: true });
    }
    this.changed();
  }

  /** A block that several trials ask for is drawn once. */
  private propose(task: ProposeTask): Promise<Proposal> {
    const name = fileNames.proposal(task.bracket, task.first);
    const known = this.blocks.get(name);
    if (known) return known;
    const { study, identity, local, files, budget } = this;
    const drawn = drawTrials({ study, identity, local, files, budget }, task).then((proposal) => {
      for (const trial of proposal.trials) this.trials.set(trial.id, trial);
      return proposal;
    });
    this.blocks.set(name, drawn);
    return drawn;
  }

  private async trialOf(group: Group, task: TrainTask): Promise<Trial> {
    let trial = this.trials.get(task.trial);
    if (!trial) {
      // It was drawn in an earlier run.
      [trial] = await this.local.run((all) => all.recall(this.study, this.identity, group.bracket, [task.index]));
      if (!trial) throw new RangeError(`trial ${task.trial} has no configuration`);
      this.trials.set(trial.id, trial);
    }
    const { id, config } = configured(group, trial);
    this.latest.set(id, { id, config, from: group.from, to: group.to, values: [], end: null });
    return trial;
  }

  /** What was told in this run of the trials a question names: the rest is in parts that closed runs wrote. */
  private known({ training, candidates }: PredictTask): Stretch[] {
    return [...new Set([...training, ...candidates])].flatMap((trial) => this.stretches.get(trial) ?? []);
  }

  /** Keeps what a trial trained, in place of what is known of the same epochs. */
  private keepStretch(trial: string, stretch: Stretch): void {
    const own = this.stretches.get(trial) ?? [];
    this.stretches.set(trial, [...own.filter(({ from }) => from < stretch.from), stretch]);
  }

  /** Writes what is not written yet. */
  private flush(): Promise<void> {
    const { log, closed, released } = this;
    if (!this.alone || (log.length === 0 && closed.length === 0)) return this.writing;
    const name = fileNames.part(this.recorded);
    this.recorded += log.length;
    this.log = [];
    this.closed = [];
    this.released = [];
    const out = closed
      .flatMap((group) => group.outcomes)
      .filter(({ end }) => end !== 'rung' && end !== 'unfinished')
      .map(({ id }) => id);
    const write = () => this.files.write(name, { log, closed }, out, released);
    this.writing = this.writing.then(write);
    // Whoever awaits it hears of a failure; until then it must not count as unhandled, which fails every workflow task.
    this.writing.catch(() => undefined);
    return this.writing;
  }
}

function refusal(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, failureTypes.refused);
}

/** A late retry that has closed meanwhile has nothing left to control. */
function gone(): void {
  return undefined;
}
