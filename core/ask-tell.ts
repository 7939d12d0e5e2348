/**
 * Ask and tell: a study for those who bring their own loop. It is the same machine as everywhere else
 * (core/engine/study-run.ts) whose training is left to whoever asks, so every decision is the same, too.
 */
import { assembleRecord } from './assemble.js';
import { cut, type Curve } from './curve.js';
import { defineStudy, type StudyInput } from './define-study.js';
import { configured, sourceOf } from './engine/exploits.js';
import { StudyRun, type Assignment } from './engine/study-run.js';
import type { PredictTask, TrainTask } from './engine/work.js';
import { Drawn } from './in-memory.js';
import { curveProblem, namedMetrics } from './metrics.js';
import { predict } from './predictors/predict.js';
import type { PredictionAnswer, PredictionRequest } from './predictors/request.js';
import type { StudyRecord } from './record.js';
import { refusals } from './refuse.js';
import { createSampler } from './sampler.js';
import type { Config, Study } from './study.js';
import type { NonFinite, SegmentOutcome, Source } from './trial.js';

/** Train trial `trial` from the end of epoch `from` (0: from the start) to the end of epoch `to`. */
export interface Job {
  readonly trial: string;
  /** What it trains with from here on; with population-based training another one than in earlier jobs. */
  readonly config: Config;
  /** 32-bit unsigned, the same for every job of the trial. */
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** Set when the trial starts from another trial's checkpoint instead of its own. */
  readonly source?: Source;
  /**
   * Set where the checkpoint to start from holds so many epochs more than `from` (negative: fewer), because the trial went
   * on from another one's.
   */
  readonly shift?: number;
}

/** The trial failed for good; the curve is that of the epochs before. */
export interface Failed extends Partial<Curve> {
  readonly failed: string;
}

/** What happened to a study; plain JSON, to be kept and given back to {@link createStudy}. */
export type AskTellEvent =
  /** Somebody asked when no job was ready. */
  | { readonly type: 'asked' }
  | { readonly type: 'told'; readonly trial: string; readonly from: number; readonly outcome: SegmentOutcome }
  | { readonly type: 'predicted'; readonly answer: PredictionAnswer }
  | { readonly type: 'stopped' };

export interface StudyOptions {
  /** Recorded configurations instead of a search space: one row a trial, drawn in a seeded order. */
  readonly table?: readonly Config[];
  /** The events of an earlier run of this study, in order. */
  readonly events?: readonly AskTellEvent[];
  /** Another predictor than the embedded ones. @default those of core/predictors */
  readonly predict?: (request: PredictionRequest) => PredictionAnswer | Promise<PredictionAnswer>;
}

/**
 * A study that answers `ask` and takes `tell`. With `events` it first goes through those again.
 * @throws RangeError where {@link defineStudy} does, or when the events are not this study's
 */
export function createStudy(input: StudyInput, options: StudyOptions = {}): AskTell {
  return new AskTell(defineStudy(input), options);
}

export class AskTell {
  /** The record of the whole study, once it has ended. */
  readonly record: Promise<StudyRecord>;
  private readonly log: AskTellEvent[] = [];
  private readonly run: StudyRun;
  private readonly drawn: Drawn;
  private readonly queue: Assignment<TrainTask>[] = [];
  private readonly asked = new Map<string, Assignment<TrainTask>>();
  /** Questions whose answers are not there yet, first asked first answered. */
  private readonly questions: Assignment<PredictTask>[] = [];
  private waiting: (() => void)[] = [];
  /** What is told is taken in one after the other: the order of telling alone decides. */
  private turn: Promise<unknown>;
  private finish: (record: StudyRecord) => void = () => undefined;
  private fail: (error: unknown) => void = () => undefined;
  private over = false;

  constructor(
    readonly study: Study,
    private readonly options: StudyOptions
  ) {
    // Recorded configurations are refused where recorded curves are.
    const [refused] = options.table ? refusals({ ...study, trainer: { type: 'replay' } }) : [];
    if (refused) throw new RangeError(`options.table: ${refused.rule}`);
    const sampler = createSampler(study, options.table ?? null);
    this.run = new StudyRun(study);
    this.drawn = new Drawn((request) => sampler.propose(request));
    this.record = new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
    // Whoever awaits it hears of a failure; nobody has to.
    this.record.catch(() => undefined);
    for (const event of options.events ?? []) this.replay(event);
    this.turn = this.settle();
    this.turn.catch(() => undefined);
  }

  /** Everything that happened so far, in order. */
  get events(): readonly AskTellEvent[] {
    return this.log;
  }

  /** Jobs that are there to be asked for; an ask may bring more. */
  get ready(): number {
    return this.queue.length;
  }

  /**
   * The next job; null once the study has ended. Every ask is a free place. Where every job is taken it waits until a
   * result that is told brings another, so ask again only after telling, or in a loop of its own for each worker.
   * @throws Error what the sampler or the predictor threw
   */
  async ask(): Promise<Job | null> {
    for (;;) {
      await this.turn;
      if (this.queue.length === 0 && !this.over) this.pull();
      const assignment = this.queue.shift();
      if (assignment) {
        const { group, task } = assignment;
        this.asked.set(keyOf(task.trial, task.from), assignment);
        const { config, seed } = configured(group, this.drawn.trial(task.trial));
        const source = sourceOf(group, task);
        const more = { ...(source ? { source } : {}), ...(group.shift ? { shift: group.shift } : {}) };
        return { trial: task.trial, config, seed, from: task.from, to: task.to, ...more };
      }
      if (this.over) return this.record.then(() => null);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /**
   * Takes in how a job ended: the metric after each epoch from `from + 1` to `to`, or up to one that is no finite number
   * (the trial diverged and ends there), or why it failed for good. Where the study names further metrics, they come with
   * it, as many numbers of each. Resolves when the decisions that follow are made.
   * @throws RangeError for a job that is not out, another number of values, or metrics that are missing
   */
  tell(job: Pick<Job, 'trial' | 'from'>, result: readonly number[] | Curve | Failed): Promise<void> {
    return this.inTurn(() => {
      const assignment = this.asked.get(keyOf(job.trial, job.from));
      if (!assignment) throw new RangeError(`no job of trial ${job.trial} from epoch ${job.from} is out`);
      this.take(assignment, outcomeOf(assignment.task, result, namedMetrics(this.study)));
    });
  }

  /** Ends the study: the record says `stopped`, with jobs that are out as unfinished. */
  stop(): Promise<void> {
    return this.inTurn(() => this.end());
  }

  private take(assignment: Assignment<TrainTask>, outcome: SegmentOutcome): void {
    const { trial, from } = assignment.task;
    this.asked.delete(keyOf(trial, from));
    this.log.push({ type: 'told', trial, from, outcome });
    this.run.tell(assignment, outcome);
    this.advance(0);
  }

  private end(): void {
    this.log.push({ type: 'stopped' });
    this.run.stop('stopped');
    for (let open = this.open(); open.length > 0; open = this.open()) {
      for (const assignment of open) this.run.tell(assignment, { outcome: 'unfinished', values: [] });
      this.advance(0);
    }
  }

  /** Every job that is out or ready; none of them is any more. */
  private open(): Assignment<TrainTask>[] {
    const open = [...this.asked.values(), ...this.queue.splice(0)];
    this.asked.clear();
    return open;
  }

  /** Somebody asks and no job is ready: there is a free place. */
  private pull(): void {
    if (this.questions.length > 0) return;
    this.log.push({ type: 'asked' });
    this.advance(1);
    // An ask that brought nothing is no event.
    if (this.queue.length === 0 && this.log.at(-1)?.type === 'asked' && !this.over) this.log.pop();
  }

  /** Takes in what the machine hands out. */
  private advance(free: number): void {
    for (let places = free; ; places = 0) {
      const fresh = this.run.next(places);
      if (fresh.length === 0) break;
      for (const { group, task } of fresh) {
        if (task.type === 'propose') this.run.tell({ group, task }, this.drawn.propose(task));
        else if (task.type === 'train') this.queue.push({ group, task });
        else this.questions.push({ group, task });
      }
    }
    const { ended } = this.run;
    if (ended !== null && !this.over) {
      this.over = true;
      this.finish(assembleRecord(this.study, this.run.material(this.drawn.proposals), ended));
    }
  }

  private replay(event: AskTellEvent): void {
    switch (event.type) {
      case 'asked':
        return this.pull();
      case 'stopped':
        return this.end();
      case 'predicted': {
        const question = this.questions.shift();
        if (!question) throw new RangeError('this study asks no predictor at that point');
        return this.answer(question, event.answer);
      }
      case 'told': {
        const at = this.queue.findIndex(({ task }) => task.trial === event.trial && task.from === event.from);
        const [assignment] = at === -1 ? [] : this.queue.splice(at, 1);
        if (!assignment) {
          throw new RangeError(`this study never asks for trial ${event.trial} from epoch ${event.from} at that point`);
        }
        return this.take(assignment, event.outcome);
      }
    }
  }

  private answer(question: Assignment<PredictTask>, answer: PredictionAnswer): void {
    this.log.push({ type: 'predicted', answer });
    this.run.tell(question, answer);
    this.advance(0);
  }

  private inTurn(step: () => void): Promise<void> {
    const next = this.turn.then(step).then(() => this.settle());
    this.turn = next.catch(() => undefined);
    return next;
  }

  /** Answers questions until only results can move the study, and tells those who wait. */
  private async settle(): Promise<void> {
    try {
      for (let question = this.questions.shift(); question; question = this.questions.shift()) {
        this.answer(question, await (this.options.predict ?? predict)(this.run.request(question.task)));
      }
    } catch (error) {
      this.over = true;
      this.fail(error);
    }
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

function keyOf(trial: string, from: number): string {
  return `${trial}@${from}`;
}

function outcomeOf(
  { trial, from, to }: TrainTask,
  result: readonly number[] | Curve | Failed,
  names: readonly string[]
): SegmentOutcome {
  const failed = 'failed' in result ? result.failed : null;
  const told = Array.isArray(result) ? { values: result as readonly number[] } : (result as Partial<Curve>);
  const { values = [], metrics } = told;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  const fits = bad === -1 && failed === null ? values.length === to - from : values.length <= to - from;
  if (!fits) {
    throw new RangeError(
      `trial ${trial} trains from epoch ${from} to ${to}: ${to - from} values, not ${values.length}`
    );
  }
  const known = {
    values: bad === -1 ? values : values.slice(0, bad),
    metrics: metrics && finite(metrics, values, bad),
  };
  const problem = curveProblem(known, names);
  if (problem !== null) throw new RangeError(`what is told of trial ${trial} ${problem}`);
  const curve = cut(known, 0);
  if (bad !== -1) return { outcome: 'diverged', ...curve, nonFinite: looks(values[bad] as number) };
  return failed === null ? { outcome: 'completed', ...curve } : { outcome: 'failed', ...curve, reason: failed };
}

/** The same with null for NaN and Infinity, without the epoch that diverged: there no other number counts. */
function finite(
  metrics: NonNullable<Curve['metrics']>,
  { length }: readonly number[],
  bad: number
): NonNullable<Curve['metrics']> {
  const known = (number: number | null) => (typeof number === 'number' && !Number.isFinite(number) ? null : number);
  const own = Object.entries(metrics).map(([name, numbers]) => {
    // Whatever is no list is refused afterwards.
    if (!Array.isArray(numbers)) return [name, numbers] as const;
    const all = (numbers as (number | null)[]).map(known);
    return [name, bad !== -1 && all.length === length ? all.slice(0, bad) : all] as const;
  });
  return Object.fromEntries(own);
}

function looks(value: number): NonFinite {
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}
