/**
 * A virtual cluster: workers that take segments of training from one queue, first come first served, on a virtual
 * clock. What trains is a recorded curve, what decides is the core; here is only how long everything takes.
 */
import { runInMemory } from '../core/in-memory.js';
import { log } from '../core/math.js';
import type { StudyRecord } from '../core/record.js';
import { stream } from '../core/rng.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome, Trial } from '../core/trial.js';
import type { CurveTable } from '../trainers/replay.js';
import { Clock } from './clock.js';
import { epochsOf, replay } from './curves.js';
import { secondsPerEpoch, type EpochSeconds } from './durations.js';

export interface ClusterSettings {
  readonly workers: number;
  /** @default one second */
  readonly epochSeconds: EpochSeconds;
  /** `share` of the workers, chosen by the study's seed, take `factor` times as long. */
  readonly stragglers?: { readonly share: number; readonly factor: number } | undefined;
  /**
   * A worker is lost inside an epoch: with a probability per epoch, or after a time drawn from an exponential
   * distribution with that mean. Its segment goes to the end of the queue, behind its last finished epoch.
   */
  readonly failures?: { readonly perEpoch: number } | { readonly meanSeconds: number } | undefined;
  /** Seconds until a lost worker is noticed; then it is there again. @default 15, a heartbeat timeout */
  readonly detectionSeconds?: number | undefined;
  /** Seconds a predictor takes for an answer, beside the workers. @default 0 */
  readonly predictorSeconds?: number | undefined;
}

export interface ClusterRun {
  readonly record: StudyRecord;
  /** Seconds from the start to the end. */
  readonly makespan: number;
  /** Seconds that workers trained, lost epochs included. */
  readonly busySeconds: number;
  /** `busySeconds` as a share of all seconds of all workers. */
  readonly busy: number;
  readonly failures: number;
}

/** A trial whose epochs take longer than workers live never ends; this many losses without an epoch tell. */
const maxLosses = 1000;

/** ASHA keeps every worker busy; the other schedulers ask for as much as a round has, whatever there is. */
export async function runOnCluster(study: Study, table: CurveTable, settings: ClusterSettings): Promise<ClusterRun> {
  const clock = new Clock();
  const cluster = new Cluster(clock, study.seed, settings);
  const effects = replay(study, table);
  const record = await clock.run(
    runInMemory(
      { ...study, parallelism: settings.workers },
      {
        propose: (request) => effects.propose(request),
        train: (trial, from, to) => cluster.train(trial, from, effects.train(trial, from, to)),
        predict: (request) =>
          new Promise((resolve, reject) => {
            clock.after(settings.predictorSeconds ?? 0, () => {
              Promise.resolve(effects.predict(request)).then(resolve, reject);
            });
          }),
      }
    )
  );
  const { busySeconds, failures } = cluster;
  const offered = settings.workers * clock.now;
  return { record, makespan: clock.now, busySeconds, busy: offered > 0 ? busySeconds / offered : 0, failures };
}

/** A segment on its way; `done` of its epochs are trained. */
interface Segment {
  readonly trial: Trial;
  readonly from: number;
  readonly outcome: SegmentOutcome;
  readonly epochs: number;
  done: number;
  /** Workers lost since the last finished epoch. */
  losses: number;
  resolve(outcome: SegmentOutcome): void;
  reject(error: unknown): void;
}

class Cluster {
  busySeconds = 0;
  failures = 0;
  private readonly waiting: Segment[] = [];
  private head = 0;
  /** Factor on every epoch, by worker. */
  private readonly slowness: readonly number[];
  /** Free workers, the one that has waited longest first. */
  private readonly free: number[];

  constructor(
    private readonly clock: Clock,
    private readonly seed: number,
    private readonly settings: ClusterSettings
  ) {
    const { workers, stragglers } = settings;
    if (!(Number.isInteger(workers) && workers >= 1)) throw new RangeError(`${workers} workers: 1 or more`);
    const slow = new Set(
      stream(seed, 'stragglers')
        .permutation(workers)
        .slice(0, Math.round(workers * (stragglers?.share ?? 0)))
    );
    this.slowness = Array.from({ length: workers }, (_, worker) => (slow.has(worker) ? (stragglers?.factor ?? 1) : 1));
    this.free = this.slowness.map((_, worker) => worker);
  }

  train(trial: Trial, from: number, outcome: SegmentOutcome): Promise<SegmentOutcome> {
    return new Promise((resolve, reject) => {
      this.enqueue({ trial, from, outcome, epochs: epochsOf(outcome), done: 0, losses: 0, resolve, reject });
    });
  }

  private enqueue(segment: Segment): void {
    this.waiting.push(segment);
    this.dispatch();
  }

  private dispatch(): void {
    while (this.free.length > 0 && this.head < this.waiting.length) {
      const worker = this.free.shift() as number;
      const segment = this.waiting[this.head++] as Segment;
      if (this.head === this.waiting.length) this.waiting.length = this.head = 0;
      try {
        this.work(worker, segment);
      } catch (error) {
        segment.reject(error);
      }
    }
  }

  private work(worker: number, segment: Segment): void {
    const { clock, seed, settings } = this;
    const { trial, from, epochs, done, losses } = segment;
    const seconds = secondsPerEpoch(trial, settings.epochSeconds, seed) * (this.slowness[worker] as number);
    const left = epochs - done;
    const lost = this.lostAfter(`${trial.globalIndex} ${from + done} ${losses}`, left, seconds);
    const worked = lost ?? left * seconds;
    this.busySeconds += worked;
    if (lost === null) {
      clock.after(worked, () => {
        this.free.push(worker);
        segment.resolve(segment.outcome);
        this.dispatch();
      });
      return;
    }
    this.failures++;
    const finished = Math.min(Math.floor(lost / seconds), left - 1);
    segment.done += finished;
    segment.losses = finished > 0 ? 1 : losses + 1;
    if (segment.losses > maxLosses)
      throw new RangeError(`trial ${trial.id} lost ${maxLosses} workers in epoch ${from + done + 1}: it never ends`);
    clock.after(worked + (settings.detectionSeconds ?? 15), () => {
      this.free.push(worker);
      this.enqueue(segment);
    });
  }

  /** Seconds of training until the worker is lost; null when it gets through `epochs`. */
  private lostAfter(attempt: string, epochs: number, seconds: number): number | null {
    const { failures } = this.settings;
    if (!failures) return null;
    const random = stream(this.seed, 'worker lost', attempt);
    if ('meanSeconds' in failures) {
      const after = -failures.meanSeconds * log(1 - random.uniform());
      return after < epochs * seconds ? after : null;
    }
    for (let epoch = 0; epoch < epochs; epoch++) {
      if (random.uniform() < failures.perEpoch) return (epoch + random.uniform()) * seconds;
    }
    return null;
  }
}
