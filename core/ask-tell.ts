/**
 * Ask and tell: a study for those who bring their own loop. It is the study run in memory (core/in-memory.ts) whose
 * training is left to whoever asks, so every decision is the same as everywhere else.
 */
import { defineStudy, type StudySettings } from './define-study.js';
import { runInMemory } from './in-memory.js';
import type { PredictionAnswer, PredictionRequest } from './predictor.js';
import { predict } from './predictors/predict.js';
import type { StudyRecord } from './record.js';
import { createSampler } from './sampler.js';
import type { Config, Study } from './study.js';
import type { NonFinite, SegmentOutcome } from './trial.js';

/** Train trial `trial` from the end of epoch `from` (0: from the start) to the end of epoch `to`. */
export interface Job {
  readonly trial: string;
  readonly config: Config;
  /** 32-bit unsigned, the same for every job of the trial. */
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** The trial failed for good; `values` are those of the epochs before. */
export interface Failed {
  readonly failed: string;
  readonly values?: readonly number[];
}

/** A result as it was told; plain JSON, to be kept and given back to {@link createStudy}. */
export interface Told {
  readonly trial: string;
  readonly from: number;
  readonly outcome: SegmentOutcome;
}

export interface StudyOptions {
  /** Recorded configurations instead of a search space: one row a trial, drawn in a seeded order. */
  readonly table?: readonly Config[];
  /** Results told to an earlier run of this study, in the order they were told. */
  readonly told?: readonly Told[];
  /** Another predictor than the embedded ones. @default the models of core/predictors */
  readonly predict?: (request: PredictionRequest) => PredictionAnswer | Promise<PredictionAnswer>;
}

/**
 * A study that answers `ask` and takes `tell`. With `told` it first goes through those results again.
 * @throws RangeError where {@link defineStudy} does
 */
export function createStudy(settings: StudySettings, options: StudyOptions = {}): AskTell {
  return new AskTell(defineStudy(settings), options);
}

interface Flight {
  readonly job: Job;
  readonly resolve: (outcome: SegmentOutcome) => void;
}

/**
 * Turns without a call of an effect after which the run waits for nothing but results. With 14 every algorithm's way
 * from a result to the next call is covered, with 10 not; there is no other sign that a run has come to rest.
 */
const quietTurns = 64;

export class AskTell {
  /** The record of the whole study, once it has ended. */
  readonly record: Promise<StudyRecord>;
  private readonly log: Told[] = [];
  private readonly queue: Flight[] = [];
  private readonly asked = new Map<string, Flight>();
  private readonly predictions = new Set<Promise<unknown>>();
  private waiting: (() => void)[] = [];
  /** Rejects when the results given to begin with are not this study's. */
  private readonly opened: Promise<void>;
  /** Results are taken in one after the other: the order of telling alone decides. */
  private turn: Promise<unknown>;
  private calls = 0;
  private ended = false;
  private stopped = false;

  constructor(
    readonly study: Study,
    options: StudyOptions
  ) {
    const sampler = createSampler(study, options.table ?? null);
    this.record = runInMemory(study, {
      propose: (request) => sampler.propose(request),
      train: ({ id, config, seed }, from, to) => this.train({ trial: id, config, seed, from, to }),
      predict: (request) => this.predict((options.predict ?? predict)(request)),
    });
    const end = () => {
      this.ended = true;
      this.wake();
    };
    this.record.then(end, end);
    this.opened = this.settle().then(() => this.replay(options.told ?? []));
    this.turn = this.opened.catch(() => undefined);
  }

  /** Everything told so far, in order. */
  get told(): readonly Told[] {
    return this.log;
  }

  /** Jobs that `ask` gives before anything more is told. */
  get ready(): number {
    return this.queue.length;
  }

  /**
   * The next job; null once the study has ended. Where every job is taken it waits until a result that is told brings
   * another, so ask again only after telling, or in a loop of its own for each worker.
   * @throws RangeError when `told` are not this study's results; Error what the sampler or the predictor threw
   */
  async ask(): Promise<Job | null> {
    await this.opened;
    for (;;) {
      await this.turn;
      const flight = this.queue.shift();
      if (flight) {
        this.asked.set(keyOf(flight.job.trial, flight.job.from), flight);
        return flight.job;
      }
      if (this.ended) return this.record.then(() => null);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /**
   * Takes in how a job ended: the metric after each epoch from `from + 1` to `to`, or up to one that is no finite number
   * (the trial diverged and ends there), or why it failed for good. Resolves when the decisions that follow are made.
   * @throws RangeError for a job that is not out, or another number of values
   */
  tell(job: Pick<Job, 'trial' | 'from'>, result: readonly number[] | Failed): Promise<void> {
    return this.inTurn(async () => {
      const key = keyOf(job.trial, job.from);
      const flight = this.asked.get(key);
      if (!flight) throw new RangeError(`no job of trial ${job.trial} from epoch ${job.from} is out`);
      const outcome = outcomeOf(flight.job, result);
      this.asked.delete(key);
      await this.deliver(flight, outcome);
    });
  }

  /** Ends the study: the record says `stopped`, with jobs that are out as unfinished. */
  stop(): Promise<void> {
    return this.inTurn(async () => {
      this.stopped = true;
      const open = [...this.asked.values(), ...this.queue.splice(0)];
      this.asked.clear();
      for (const flight of open) flight.resolve(unfinished);
      await this.settle();
    });
  }

  private train(job: Job): SegmentOutcome | Promise<SegmentOutcome> {
    this.calls++;
    if (this.stopped) return unfinished;
    return new Promise((resolve) => {
      this.queue.push({ job, resolve });
      this.wake();
    });
  }

  private predict(answer: PredictionAnswer | Promise<PredictionAnswer>): PredictionAnswer | Promise<PredictionAnswer> {
    this.calls++;
    if (!(answer instanceof Promise)) return answer;
    const done: Promise<unknown> = answer.then(
      () => this.predictions.delete(done),
      () => this.predictions.delete(done)
    );
    this.predictions.add(done);
    return answer;
  }

  private async replay(told: readonly Told[]): Promise<void> {
    for (const { trial, from, outcome } of told) {
      const at = this.queue.findIndex(({ job }) => job.trial === trial && job.from === from);
      const [flight] = at === -1 ? [] : this.queue.splice(at, 1);
      if (!flight) throw new RangeError(`this study never asks for trial ${trial} from epoch ${from} at that point`);
      await this.deliver(flight, outcome);
    }
  }

  private async deliver({ job, resolve }: Flight, outcome: SegmentOutcome): Promise<void> {
    this.log.push({ trial: job.trial, from: job.from, outcome });
    resolve(outcome);
    await this.settle();
  }

  private inTurn(step: () => Promise<void>): Promise<void> {
    const next = Promise.all([this.opened, this.turn]).then(step);
    this.turn = next.catch(() => undefined);
    return next;
  }

  /** Waits until the run has taken in everything and only results can move it. */
  private async settle(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns; quiet++) {
      const { calls } = this;
      await Promise.all(this.predictions);
      if (calls !== this.calls) quiet = -1;
    }
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

const unfinished: SegmentOutcome = { outcome: 'unfinished', values: [] };

function keyOf(trial: string, from: number): string {
  return `${trial}@${from}`;
}

function outcomeOf({ trial, from, to }: Job, result: readonly number[] | Failed): SegmentOutcome {
  const failed = 'failed' in result ? result.failed : null;
  const values = 'failed' in result ? (result.values ?? []) : result;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  const fits = bad === -1 && failed === null ? values.length === to - from : values.length <= to - from;
  if (!fits) {
    throw new RangeError(
      `trial ${trial} trains from epoch ${from} to ${to}: ${to - from} values, not ${values.length}`
    );
  }
  if (bad !== -1) {
    return { outcome: 'diverged', values: values.slice(0, bad), nonFinite: looks(values[bad] as number) };
  }
  return failed === null
    ? { outcome: 'completed', values: [...values] }
    : { outcome: 'failed', values: [...values], reason: failed };
}

function looks(value: number): NonFinite {
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}
