/**
 * Trains trials through activities, at most `parallelism` at once: segments, trainer failures counted and retried,
 * parked trials, pause, stop. Never throws for a trial: how it ended is a value.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  patched,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import { configured, sourceOf } from '../core/engine/exploits.js';
import { cut, joined, noEpochs, type Curve } from '../core/curve.js';
import type { Group, TrainTask } from '../core/engine/work.js';
import { Failures, reasonWithKind } from '../core/failures.js';
import { curveProblem, namedMetrics, onlyNamed } from '../core/metrics.js';
import { failureKinds, type FailureKind } from '../core/settings.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome, Trial } from '../core/trial.js';
import type { FailedTrial, RecoverActivities } from './activity-types.js';
import type { Parking, PoolState } from './carried.js';
import type { Control } from './control.js';
import type { FirstTrials } from './first-trials.js';
import { historyFull, historyOverflows, mostRefusals, refusedSeconds, restorePolicy, trainPolicy } from './policies.js';
import { TaskBudget } from './task-budget.js';
import type {
  SealedIdentity,
  ParkedTrial,
  Progress,
  SegmentSource,
  TrainSegmentInput,
  TrainSegmentResult,
} from './messages.js';
import { failureTypes } from './messages.js';

/** What a pool needs of a study. */
export interface TrainingSpec extends Pick<Study, 'name' | 'objective' | 'trainer' | 'training' | 'budgetUnit'> {
  /** Further metrics that the study names; absent: none. */
  readonly metrics?: readonly string[];
}

export function trainingSpec(study: Study): TrainingSpec {
  const { name, objective, trainer, training, budgetUnit } = study;
  const metrics = namedMetrics(study);
  return { name, objective, trainer, training, budgetUnit, ...(metrics.length > 0 ? { metrics } : {}) };
}

/** The round that epochs belong to. */
export type RoundSpan = Pick<Group, 'bracket' | 'round' | 'from' | 'to'>;

/** A trial on its way from one budget to another, with the configuration that it has there. */
export interface TrainingJob extends Pick<TrainTask, 'from' | 'to'> {
  readonly trial: Trial;
  /** Set when it starts from another trial's checkpoint. */
  readonly source?: SegmentSource;
  /** Whether others may start from its checkpoint at `to`. */
  readonly hold?: boolean;
  /** How many epochs more than its own count its checkpoints hold; absent: none. */
  readonly shift?: number;
}

/** How a trial of a group trains there. */
export function jobOf(group: Group, task: TrainTask, trial: Trial): TrainingJob {
  const { from, to } = task;
  const source = sourceOf(group, task);
  return {
    ...{ from, to, trial: configured(group, trial) },
    ...(source ? { source } : {}),
    ...(group.holds && to === group.to ? { hold: true } : {}),
    ...(group.shift ? { shift: group.shift } : {}),
  };
}

interface PoolOptions {
  /** Told of what failed and of what trained, where a study may turn out unable to run at all. */
  readonly firstTrials?: FirstTrials | undefined;
  /** Told why no worker may train what the study asks for; absent: it counts as a failure. */
  readonly refused?: (cause: string) => void;
  /** Called when a trial has failed and its slot is free. */
  readonly onFree?: () => void;
  /** Called whenever a slot has been given back. */
  readonly given?: () => void;
  /** Whether it is a late retry: what fails there is no decision of the study, which a recovery would need. */
  readonly late?: boolean;
  readonly budget?: TaskBudget;
}

/** What an operator says of a parked trial. */
type Verdict = Again | { readonly again: false };
interface Again {
  readonly again: true;
  readonly reset: boolean;
  readonly queue?: string | undefined;
}

interface Parked {
  readonly reason: string;
  readonly kind: FailureKind | undefined;
  readonly attempts: number;
  expires: number | null;
  verdict: Verdict | null;
  /** Resolves once what was said of it is done, and kept. */
  readonly done: Promise<void>;
}

type AttemptEnd =
  | TrainSegmentResult
  | { readonly outcome: 'interrupted' }
  | { readonly outcome: 'refused'; readonly reason: string }
  | (Curve & { readonly outcome: 'error'; readonly kind: FailureKind; readonly reason: string });

const { noteFailed } = proxyActivities<RecoverActivities>(restorePolicy);

export class TrialPool {
  private readonly waiting: (() => void)[] = [];
  private readonly running = new Map<string, CancellationScope>();
  private readonly parked = new Map<string, Parked>();
  private readonly interrupted = new Set<CancellationScope>();
  private taken = 0;
  private done = 0;

  /** Whether everything that trained here came back unfinished, to go on in another run of the workflow. */
  suspended = false;
  /** Trials that failed and wait, parked or for their next attempt: they take no slot. */
  failing = 0;
  /** Trials that are parked over two runs of the workflow and in neither right now, by id. */
  private readonly moving: Record<string, Parking>;
  private readonly resets: Record<string, number>;
  private readonly queues: Record<string, string>;
  private readonly budget: TaskBudget;
  private cancelled = false;

  constructor(
    private readonly spec: TrainingSpec,
    private readonly identity: SealedIdentity,
    private control: Control,
    before: PoolState = { parked: {}, resets: {} },
    private readonly options: PoolOptions = {}
  ) {
    this.budget = options.budget ?? new TaskBudget();
    this.moving = { ...before.parked };
    this.resets = { ...before.resets };
    this.queues = { ...before.queues };
    // Whoever waits for a place learns of it too, where there is none to come.
    CancellationScope.current().cancelRequested.catch(() => {
      this.cancelled = true;
      this.admit();
    });
  }

  /** @throws Error for what could not be trained, whoever asked for it */
  static check(spec: TrainingSpec, round: RoundSpan, { trial, from, to }: TrainingJob): void {
    const counts = [from, to, round.round, trial.index].every((one) => Number.isSafeInteger(one) && one >= 0);
    if (!counts || !trial.id.startsWith(trial.bracket)) throw new RangeError('has a trial that is none');
    trainPolicy(spec, to - from);
  }

  /** For the next run, once everything is suspended. */
  get state(): PoolState {
    const { moving, resets, queues } = this;
    return { parked: moving, resets, ...(Object.keys(queues).length > 0 ? { queues } : {}) };
  }

  apply(control: Control): void {
    // What fails from here on fails anew.
    if (control.paused) this.options.firstTrials?.forget();
    this.control = control;
    // Whoever pauses often makes a history grow with every trial that trains.
    if (historyOverflows(workflowInfo())) this.suspended = true;
    if (control.paused || this.ending) {
      for (const scope of this.running.values()) {
        this.interrupted.add(scope);
        scope.cancel();
      }
    }
    this.admit();
  }

  /** Everything that trains saves itself and comes back unfinished: the workflow goes on in a new run, or ends. */
  suspend(): void {
    this.suspended = true;
    this.apply(this.control);
  }

  /** Slots that are taken. */
  get busy(): number {
    return this.taken;
  }

  private get ending(): boolean {
    return this.suspended || this.control.stopped;
  }

  progress(): Progress {
    const parked = [...this.parked]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([trial, { reason, kind, attempts, expires }]): ParkedTrial => {
        const until = expires === null ? null : new Date(expires).toISOString();
        return { trial, reason, ...(kind ? { kind } : {}), attempts, expires: until };
      });
    for (const [trial, { reason, kind, attempts }] of Object.entries(this.moving)) {
      parked.push({ trial, reason, ...(kind ? { kind } : {}), attempts, expires: null });
    }
    return { running: [...this.running.keys()], queued: this.waiting.length, parked, done: this.done, shards: [] };
  }

  /** Throws what an update validator says of a trial that is not parked here. */
  checkParked(trial: string): void {
    if (this.parked.has(trial)) return;
    if (Object.hasOwn(this.moving, trial)) {
      throw ApplicationFailure.nonRetryable(`trial ${trial} moves to another run, ask again`, failureTypes.moving);
    }
    const parked = [...this.parked.keys()].join(', ') || 'none';
    throw ApplicationFailure.nonRetryable(`trial ${trial} is not parked here (parked: ${parked})`, 'NotParked');
  }

  /** Resolves once that is done: a trial that fails for good is noted first. */
  async decide(trial: string, verdict: Verdict): Promise<void> {
    const parked = this.parked.get(trial);
    if (!parked) return;
    parked.verdict = verdict;
    await parked.done;
  }

  /** Trains a trial from one budget to another, which lie in `round`; `before`: what it has trained of that already. */
  async train(job: TrainingJob, round: RoundSpan, before: Curve = noEpochs): Promise<SegmentOutcome> {
    const { trial, from, to } = job;
    let known = cut(before, 0);
    const { resets, queues } = this;
    const { firstTrials } = this.options;
    const failures = new Failures(this.spec.training);
    let refusals = 0;
    /** The last epoch that was known when it last failed. */
    let failedAt = from;
    let parking = this.moving[trial.id];
    if (from + known.values.length > 0) firstTrials?.trained();
    await this.enter();
    try {
      while (from + known.values.length < to) {
        if (parking) {
          const { reason } = parking;
          const waiting = parking;
          parking = undefined;
          const outcome = { outcome: 'failed', ...joined(known, waiting), reason } as const;
          const place = { bracket: round.bracket, round: round.round, index: trial.index, trial: trial.id, from };
          const verdict = await this.away(() => this.park(trial.id, waiting, { ...place, outcome }));
          if (verdict === 'unfinished') return { outcome: 'unfinished', ...known };
          if (verdict === 'failed') return outcome;
          failures.forget();
          // New each time, over all rounds of the trial; the workflow's clock replays.
          if (verdict.reset) resets[trial.id] = Date.now();
          if (verdict.queue !== undefined) queues[trial.id] = verdict.queue;
        }
        if (this.ending) return { outcome: 'unfinished', ...known };
        if (this.control.paused) {
          await this.outside(() => condition(() => !this.control.paused || this.ending));
          continue;
        }
        const at = from + known.values.length;
        firstTrials?.began(trial.id);
        const end = await this.segment(job, round, at, this.segmentEnd(at, to), resets[trial.id]);
        if (end.outcome === 'interrupted') continue;
        if (end.outcome === 'refused') {
          // The fault of no trial: it keeps its place. Another worker may be the next to be asked, a few times.
          refusals++;
          if (refusals % mostRefusals === 0) this.options.refused?.(end.reason);
          const seconds = refusals % mostRefusals === 0 ? refusedSeconds : 1;
          const summary = `a worker may not train ${trial.id}`;
          await condition(() => this.control.paused || this.ending, seconds * 1000, { summary });
          continue;
        }
        if (end.outcome !== 'error' || end.values.length > 0) firstTrials?.trained();
        if (end.outcome === 'completed') {
          known = joined(known, end);
          delete resets[trial.id];
          if (from + known.values.length < to && !this.suspended && this.shouldLeave()) this.suspend();
        } else if (end.outcome === 'diverged') {
          return { ...end, ...joined(known, end) };
        } else {
          const reached = at + end.values.length;
          // Guarded, for a trial of an earlier version is parked here: so its history says.
          if (!failures.none && reached > failedAt && patched('failures-without-progress')) failures.forget();
          failedAt = reached;
          const { kind, reason } = end;
          const { count, parks, seconds, queue } = failures.add(kind);
          if (queue !== undefined) queues[trial.id] = queue;
          firstTrials?.failed(trial.id, kind, reason);
          if (!parks) {
            const summary = `${trial.id} has failed and is tried again`;
            if (seconds > 0) await this.away(() => condition(() => this.ending, seconds * 1000, { summary }));
            continue;
          }
          const milliseconds = this.spec.training.parkSeconds * 1000;
          parking = { reason: reasonWithKind(kind, reason), kind, attempts: count, milliseconds, ...cut(end, 0) };
        }
      }
      return { outcome: 'completed', ...known };
    } finally {
      this.done++;
      this.leave();
    }
  }

  /** Between two segments of a trial: where nothing else trains, a new run costs nothing. */
  private shouldLeave(): boolean {
    const alone = this.taken === 1 && this.waiting.length === 0 && this.failing === 0;
    return historyOverflows(workflowInfo()) || (alone && historyFull(workflowInfo()));
  }

  private segmentEnd(at: number, to: number): number {
    const { segmentEpochs } = this.spec.training;
    return segmentEpochs === undefined ? to : Math.min(at + segmentEpochs, to);
  }

  /** One activity; a pause or stop interrupts it, a cancelled workflow goes through. */
  private async segment(
    { trial, source, hold, shift = 0, from: begin, to: end }: TrainingJob,
    round: RoundSpan,
    from: number,
    to: number,
    reset: number | undefined
  ): Promise<AttemptEnd> {
    const { spec } = this;
    const whole = from === round.from && to === round.to;
    // Later segments go on from what the first one has trained; one that begins anew, from the source again.
    const start = from === begin || reset !== undefined ? source : undefined;
    const name = `${trial.bracket}-r${round.round}-${trial.id.slice(trial.bracket.length + 1)}`;
    const activity = spec.trainer.type === 'activity' ? spec.trainer.activity : 'trainSegment';
    const activities = proxyActivities<Record<string, (input: TrainSegmentInput) => Promise<TrainSegmentResult>>>({
      ...trainPolicy(spec, to - from, this.queues[trial.id]),
      activityId: whole ? name : `${name}-e${to}`,
      summary: `${trial.id} ${spec.budgetUnit} ${from} to ${to}`,
    });
    const older = shift === 0 && (!start || start.epoch === from);
    const { metrics = [] } = spec;
    const version =
      metrics.length > 0
        ? ({ schemaVersion: 4, shift, metrics } as const)
        : older
          ? ({ schemaVersion: 2 } as const)
          : ({ schemaVersion: 3, shift } as const);
    const input: TrainSegmentInput = {
      ...version,
      study: spec.name,
      identity: this.identity,
      trial,
      metric: spec.objective.metric,
      from,
      to,
      trainer: spec.trainer,
      training: {
        maxLosses: spec.training.maxLosses,
        epochTimeoutSeconds: spec.training.epochTimeoutSeconds,
        graceSeconds: spec.training.graceSeconds,
      },
      ...(start ? { source: start } : {}),
      ...(hold && to === end ? { hold } : {}),
      ...(reset === undefined ? {} : { reset }),
    };
    const turn = this.budget.spend(JSON.stringify(input).length);
    if (turn !== null) await turn;
    if (turn !== null && (this.ending || this.control.paused)) return { outcome: 'interrupted' };
    const scope = new CancellationScope();
    this.running.set(trial.id, scope);
    try {
      const result = await scope.run(() =>
        (activities[activity] as (input: TrainSegmentInput) => Promise<TrainSegmentResult>)(input)
      );
      const told = onlyNamed(result, metrics);
      const problem = curveProblem(told, metrics);
      if (problem === null) return told;
      return { outcome: 'error', kind: 'error', reason: `what its worker has reported ${problem}`, values: [] };
    } catch (error) {
      if (isCancellation(error)) {
        // By us, whatever the control says by now: a trainer takes its time to save itself.
        if (this.interrupted.has(scope)) return { outcome: 'interrupted' };
        throw error;
      }
      // Nobody's trial has failed: whoever made this study had no right to.
      if (failureType(error) === failureTypes.notSealed) throw error;
      if (failureType(error) === failureTypes.notAllowed && this.options.refused) {
        return { outcome: 'refused', reason: (causeOf(error) as Error).message };
      }
      return { outcome: 'error', kind: kindOf(error), reason: reasonOf(error), ...curveIn(error, metrics) };
    } finally {
      this.running.delete(trial.id);
      this.interrupted.delete(scope);
    }
  }

  /** Waits for an operator or the clock, which a pause stops. `failed`: what is noted of a trial that fails for good. */
  private async park(trial: string, parking: Parking, failed: FailedTrial): Promise<Again | 'failed' | 'unfinished'> {
    const { reason, kind, attempts, milliseconds } = parking;
    delete this.moving[trial];
    let resolve: () => void = () => undefined;
    const done = new Promise<void>((resolved) => (resolve = resolved));
    const parked: Parked = { reason, kind, attempts, expires: null, verdict: null, done };
    this.parked.set(trial, parked);
    try {
      const left = await this.waitParked(trial, parked, milliseconds).finally(() => this.parked.delete(trial));
      const { verdict } = parked;
      if (this.suspended && verdict === null && left > 0) {
        this.moving[trial] = { ...parking, milliseconds: left };
        return 'unfinished';
      }
      if (this.control.stopped) return 'unfinished';
      if (verdict?.again) return verdict;
      if (!this.options.late) await noteFailed(this.spec.name, this.identity, failed);
      return 'failed';
    } finally {
      resolve();
    }
  }

  /** Gives the milliseconds that were left when somebody decided. */
  private async waitParked(trial: string, parked: Parked, milliseconds: number): Promise<number> {
    let left = milliseconds;
    while (left > 0 && parked.verdict === null && !this.ending) {
      if (this.control.paused) {
        parked.expires = null;
        await condition(() => parked.verdict !== null || !this.control.paused || this.ending);
        continue;
      }
      const since = Date.now();
      parked.expires = since + left;
      await condition(() => parked.verdict !== null || this.control.paused || this.ending, left, {
        summary: `${trial} is parked`,
      });
      left -= Date.now() - since;
    }
    return left;
  }

  /** Gives the slot away while a trial that failed waits: others may start in its place. */
  private async away<T>(wait: () => Promise<T>): Promise<T> {
    return this.outside(async () => {
      this.failing++;
      try {
        const waited = wait();
        this.options.onFree?.();
        return await waited;
      } finally {
        // From here on it waits for a slot like any other.
        this.failing--;
      }
    });
  }

  /** Gives the slot away while `wait` lasts. */
  private async outside<T>(wait: () => Promise<T>): Promise<T> {
    this.leave();
    try {
      return await wait();
    } finally {
      await this.enter();
    }
  }

  private async enter(): Promise<void> {
    if (this.cancelled || (this.taken < this.control.parallelism && this.waiting.length === 0)) {
      this.taken++;
      return;
    }
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private leave(): void {
    this.taken--;
    this.admit();
    this.options.given?.();
  }

  private admit(): void {
    const open = this.ending || this.cancelled;
    while (this.waiting.length > 0 && (open || this.taken < this.control.parallelism)) {
      this.taken++;
      this.waiting.shift()?.();
    }
  }
}

function reasonOf(error: unknown): string {
  const failure = trainerFailure(error);
  if (failure) return failure.message;
  const cause = causeOf(error);
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}

/** Of which kind a trainer's failure is: the third detail, which an older worker or somebody else's may not have. */
function kindOf(error: unknown): FailureKind {
  const detail: unknown = trainerFailure(error)?.details?.[2];
  const kind = (detail as { readonly kind?: unknown } | null | undefined)?.kind;
  return failureKinds.find((one) => one === kind) ?? 'error';
}

/** What a trainer's failure says of the epochs before it; anything else would be no curve. */
function curveIn(error: unknown, names: readonly string[]): Curve {
  const [values, metrics] = trainerFailure(error)?.details ?? [];
  if (!Array.isArray(values)) return noEpochs;
  const curve = onlyNamed({ values, metrics } as unknown as Curve, names);
  return curveProblem(curve, names) === null ? curve : noEpochs;
}

/** What the trainer itself reported; null for anything else. */
function trainerFailure(error: unknown): ApplicationFailure | null {
  const cause = causeOf(error);
  return cause instanceof ApplicationFailure && cause.type === failureTypes.trialFailed ? cause : null;
}

function failureType(error: unknown): string | null {
  const cause = causeOf(error);
  return cause instanceof ApplicationFailure ? (cause.type ?? null) : null;
}

function causeOf(error: unknown): unknown {
  return error instanceof ActivityFailure ? error.cause : error;
}
