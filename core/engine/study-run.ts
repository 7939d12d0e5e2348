/**
 * A whole study as a machine: what is to be done comes out, answers go in, nothing is awaited. Memory, simulator, ask
 * and tell and audit carry it out here; under Temporal the study's workflow drives the same scheduler, and each round's
 * workflow the same {@link GroupRun}.
 */
import { planOf, type Study } from '../study.js';
import { curveProblem, namedMetrics } from '../metrics.js';
import { modeOf } from '../objectives/index.js';
import type { PredictionRequest } from '../predictors/request.js';
import { createScheduler } from './create.js';
import { GroupRun } from './group-run.js';
import { lineOf, logEntry } from './log.js';
import { foldRounds, oneByOne, type KeptGroup, type Material } from './material.js';
import type { RoundPlan } from './plan.js';
import { interpolated } from '../quantile.js';
import type { Consequence, Scheduler, View } from './scheduler.js';
import type { Shared } from './round.js';
import { Curves } from './curves.js';
import type { Answer, Ended, Group, PredictTask, Task } from './work.js';
import type { Memory } from './memory.js';
import type { Proposal } from './propose.js';
import type { Json } from '../settings.js';
import type { SegmentOutcome } from '../trial.js';

/** A task and the group it belongs to. */
export interface Assignment<T extends Task = Task> {
  readonly group: Group;
  readonly task: T;
}

export class StudyRun {
  /** Everything that decided, in the order it happened. */
  readonly log: string[] = [];
  /** Closed groups in the order they closed. */
  readonly closed: KeptGroup[] = [];
  /** Group to who goes on after it. */
  readonly promotions = new Map<string, readonly number[]>();
  private readonly scheduler: Scheduler;
  private readonly rounds = new Map<string, GroupRun>();
  private readonly out = new Map<string, number>();
  private readonly curves: Curves;
  private readonly metrics: readonly string[];

  constructor(readonly study: Study) {
    this.scheduler = createScheduler(study, null);
    this.curves = new Curves(modeOf(study.objective));
    this.metrics = namedMetrics(study);
  }

  get ended(): Ended | null {
    return this.scheduler.ended;
  }

  /** Whether what trains has to end as soon as it is saved. */
  get halted(): boolean {
    return this.scheduler.halted;
  }

  get view(): View {
    return this.scheduler.view();
  }

  /** From which another machine goes on; what is out is handed out again there. */
  get state(): Json {
    return this.scheduler.state;
  }

  /** Groups that have tasks out. */
  get open(): readonly string[] {
    return [...this.out.keys()];
  }

  /** How many they are. */
  get width(): number {
    return this.out.size;
  }

  /** What is to be done now, when there are places for `free` more groups. */
  next(free: number): Assignment[] {
    const fresh: Assignment[] = [];
    const hand = (group: Group, tasks: readonly Task[]) => {
      for (const task of tasks) fresh.push({ group, task });
      this.out.set(group.id, (this.out.get(group.id) ?? 0) + tasks.length);
    };
    for (const work of this.scheduler.next(Math.max(0, free))) {
      if (work.type === 'group') {
        this.rounds.set(work.group.id, new GroupRun(this.study, work.group, roundShared(work.memory)));
      } else {
        if (!this.out.has(work.group.id)) this.log.push(logEntry.start(work.group.id));
        hand(work.group, [work.task]);
      }
    }
    for (const run of this.rounds.values()) {
      const tasks = run.next();
      if (tasks.length > 0) hand(run.group, tasks);
      if (run.closed) this.closeRound(run);
    }
    return fresh;
  }

  /** @throws RangeError for an answer to what is not out, or without the metrics that the study names */
  tell<T extends Task>({ group, task }: Assignment<T>, answer: Answer<T>): void {
    const round = this.rounds.get(group.id);
    if (task.type === 'train') {
      const outcome = answer as SegmentOutcome;
      const problem = curveProblem(outcome, this.metrics);
      if (problem !== null) throw new RangeError(`what trial ${task.trial} has reported ${problem}`);
      this.curves.add(task.trial, task.from, outcome.values);
    }
    if (round) {
      round.tell(task, answer as Answer);
      if (round.closed) this.closeRound(round);
    } else {
      const line = lineOf(group.id, task, answer as Answer);
      if (line !== null) this.log.push(line);
      const consequence = this.scheduler.tell({ type: 'answered', group: group.id, task, answer: answer as Answer });
      this.absorb(consequence);
      if (!consequence.closed) return;
      this.out.delete(group.id);
    }
  }

  /** What an operator did. */
  stop(by: 'stopped' | 'deadline'): void {
    this.log.push(logEntry.stop(by));
    this.scheduler.tell({ type: 'stopped', by });
  }

  /** A question with the losses of the trials it names. */
  request(task: PredictTask): PredictionRequest {
    return this.curves.request(task);
  }

  /** The round of the plan that a group belongs to. */
  roundOf(group: Group): RoundPlan {
    const bracket = planOf(this.study).first.find(({ id }) => group.bracket.endsWith(id));
    return bracket?.rounds[group.round] as RoundPlan;
  }

  /** What the record is put together from; rounds stand in the order of the plan, whichever closed first. */
  material(proposals: readonly Proposal[]): Material {
    const { study, closed, log, promotions, ended } = this;
    return {
      proposals,
      ...(oneByOne(study) ? { closed, log, promotions } : foldRounds(study, closed, ended, proposals)),
    };
  }

  private closeRound(run: GroupRun): void {
    const { group, closed } = run;
    if (!closed || !this.rounds.delete(group.id)) return;
    this.out.delete(group.id);
    this.log.push(logEntry.close(group.id));
    this.keep(group, closed);
    this.absorb(this.scheduler.tell({ type: 'closed', closing: closed.closing }));
  }

  private absorb({ promotion, closed }: Consequence): void {
    if (promotion) this.promotions.set(promotion.group, promotion.promoted);
    if (closed) this.keep(closed.group, closed.result);
  }

  private keep(group: Group, result: NonNullable<GroupRun['closed']>): void {
    this.closed.push(keptOf(group, result));
  }
}

/** What is kept of a closed group. */
export function keptOf(
  { id, bracket, round, members, from, to, exploits }: Group,
  { outcomes, decision, answers }: NonNullable<GroupRun['closed']>
): KeptGroup {
  return {
    ...{ id, bracket, round, members, from, to, outcomes, decision },
    ...(answers ? { answers } : {}),
    ...(exploits.length > 0 ? { exploits } : {}),
  };
}

/** A round has a memory of its own, and compares its members with each other alone. */
export function roundShared(memory: Memory): Shared {
  return {
    memory,
    quantile(q, complete) {
      if (complete.length === 0) return null;
      const sorted = [...complete].sort((a, b) => a - b);
      return interpolated((rank) => sorted[rank] as number, sorted.length, q);
    },
  };
}
