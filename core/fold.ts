/**
 * Folds a study again from what was recorded of it: its scheduler is told what was drawn, reported and answered, and
 * decides anew. An audit compares what follows with a record; a recovery goes on from it.
 */
import { cut, type Curve } from './curve.js';
import { parseEntry } from './engine/log.js';
import { taskKey } from './engine/group-run.js';
import { StudyRun, type Assignment } from './engine/study-run.js';
import type { Answer, Group, PredictTask, ProposeTask, TrainTask } from './engine/work.js';
import type { Proposal } from './engine/propose.js';
import { elsewhereOf } from './predictors/index.js';
import { predict } from './predictors/predict.js';
import type { PredictionAnswer } from './predictors/request.js';
import { prunerOf } from './pruners/index.js';
import type { Study } from './study.js';
import type { SegmentOutcome } from './trial.js';

/** What was recorded. */
export interface Recorded {
  /** Trials as they were drawn; null where they were not. */
  proposal(task: ProposeTask): Proposal | null;
  /** What a trial reported on its way through a group; null where nothing says. */
  segment(group: Group, task: TrainTask): SegmentOutcome | null;
  /** What a predictor elsewhere answered about a group, in order. */
  answers(group: string): readonly PredictionAnswer[];
}

type Stop = 'stopped' | 'deadline';

export class Fold {
  readonly run: StudyRun;
  /** Tasks that were handed out and are not answered, by group and kind; of rounds every trial's. */
  private readonly out = new Map<string, Assignment>();
  private readonly answered = new Map<string, number>();

  constructor(
    private readonly study: Study,
    private readonly recorded: Recorded
  ) {
    this.run = new StudyRun(study);
  }

  /** Rounds in whatever order: what they decide does not depend on it. `stop`: who ended the study early. */
  rounds(stop: Stop | null): void {
    const { run } = this;
    const interrupted: Assignment[] = [];
    for (let assignments = run.next(Infinity); assignments.length > 0; assignments = run.next(Infinity)) {
      for (const assignment of assignments) {
        const answer = this.answer(assignment);
        if (answer === null) {
          this.out.set(`${assignment.group.id} ${taskKey(assignment.task)}`, assignment);
          continue;
        }
        const open = assignment.task.type === 'train' && (answer as SegmentOutcome).outcome === 'unfinished';
        if (open && stop) interrupted.push(assignment);
        else run.tell(assignment, answer);
      }
    }
    if (stop) run.stop(stop);
    for (let open = interrupted; open.length > 0; open = run.next(0)) {
      for (const assignment of open) this.tellKnown(assignment);
    }
  }

  /** Trials one by one: the log says what happened when. @throws RangeError where it does not follow */
  log(lines: readonly string[]): void {
    const { run } = this;
    for (const line of lines) {
      const { type, of, epoch } = parseEntry(line);
      const before = run.log.length;
      switch (type) {
        case 'start':
          this.hand(1);
          break;
        case 'predict':
        case 'train': {
          const key = `${of} ${type}`;
          const assignment = this.out.get(key);
          if (!assignment) throw new RangeError(`"${line}" answers what nobody asked`);
          const answer = type === 'train' ? this.trained(assignment, epoch ?? 0) : this.answer(assignment);
          if (answer === null) throw new RangeError(`what "${line}" told is not known any more`);
          this.out.delete(key);
          run.tell(assignment, answer);
          break;
        }
        case 'stop':
          run.stop(of as Stop);
          break;
        case 'close':
          throw new RangeError(`"${line}" closes a round, and this scheduler has none`);
      }
      const follows = run.log[before];
      if (follows !== line) throw new RangeError(`the record has "${line}" where "${follows ?? 'nothing'}" follows`);
      if (type !== 'start') this.hand(0);
    }
  }

  /**
   * After the log: tells what has ended and was not recorded, in trial order, and whatever follows from it, as long as
   * there is any. `parallelism`: how many trials are on their way at once; `ended`: what a trial came to, null where it
   * is on its way still.
   */
  settle(parallelism: number, ended: (group: Group, task: TrainTask) => SegmentOutcome | null): void {
    for (let more = true; more;) {
      more = false;
      this.hand(parallelism - this.run.width);
      const open = [...this.out].sort(([, a], [, b]) => (a.group.members[0] ?? 0) - (b.group.members[0] ?? 0));
      for (const [key, assignment] of open) {
        const { group, task } = assignment;
        const answer = task.type === 'train' ? ended(group, task) : this.answer(assignment);
        if (answer === null) continue;
        this.out.delete(key);
        this.run.tell(assignment, answer);
        more = true;
      }
    }
  }

  /** What was handed out and has no answer. */
  get open(): readonly Assignment[] {
    return [...this.out.values()];
  }

  private hand(free: number): void {
    const { run } = this;
    for (let fresh = run.next(Math.max(0, free)); fresh.length > 0; fresh = run.next(0)) {
      for (const assignment of fresh) {
        const { group, task } = assignment;
        const drawn = task.type === 'propose' ? this.answer(assignment) : null;
        if (drawn !== null) run.tell(assignment, drawn);
        else if (task.type !== 'propose') this.out.set(`${group.id} ${task.type}`, assignment);
      }
    }
  }

  private tellKnown(assignment: Assignment): void {
    const answer = this.answer(assignment);
    if (answer !== null) this.run.tell(assignment, answer);
  }

  private answer({ group, task }: Assignment): Answer | null {
    switch (task.type) {
      case 'propose':
        return this.recorded.proposal(task);
      case 'train':
        return this.recorded.segment(group, task);
      case 'predict':
        return this.prediction(group.id, task);
    }
  }

  private prediction(group: string, task: PredictTask): PredictionAnswer | null {
    const predictor = prunerOf(this.study.pruner).predictor(this.study.pruner);
    if (predictor === null || elsewhereOf(predictor) === null) return predict(this.run.request(task));
    const count = this.answered.get(group) ?? 0;
    const answer = this.recorded.answers(group)[count];
    if (!answer) return null;
    this.answered.set(group, count + 1);
    return answer;
  }

  /** What a trial reported up to the epoch that the log says. */
  private trained({ group, task }: Assignment, epoch: number): SegmentOutcome | null {
    const { from, to } = task as TrainTask;
    const whole = this.recorded.segment(group, task as TrainTask);
    // What a halted trial had trained beyond what was told is not in the record.
    if (whole?.outcome !== 'completed' || epoch >= to) return whole;
    return { outcome: 'unfinished', ...cut(whole, 0, epoch - from) };
  }
}

/** The part of what a trial came to between two epochs; null where it did not come so far and nothing says why. */
export function segmentOf(
  { from, to }: Pick<TrainTask, 'from' | 'to'>,
  /** The curve from epoch `base + 1`, and how it ended where it ends before `to`. */
  { base, curve, end }: { base: number; curve: Curve; end: SegmentOutcome | null }
): SegmentOutcome | null {
  const own = cut(curve, from - base, to - base);
  if (own.values.length === to - from) return { outcome: 'completed', ...own };
  return end && { ...end, ...own };
}
