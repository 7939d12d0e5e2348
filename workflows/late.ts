/**
 * A late retry: one trial trains again after its round or its study has closed, rung by rung, as far as it would have
 * gone. Beside a running study it asks that one for a place; after its end nobody has to be asked.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { cut, epochAt, noEpochs, type Curve, type EpochNumbers } from '../core/curve.js';
import { lateSpan, type LateRetry, type LateRung, type LateVerdict } from '../core/late.js';
import type { SegmentOutcome } from '../core/trial.js';
import type { LateStart } from './activity-types.js';
import type { PoolState } from './carried.js';
import { controlSignal, lateSignal, type Control } from './control.js';
import { Local } from './local.js';
import { queryNames, workflowIds, type RetryLate } from './messages.js';
import { begun, controlOf, requireCurve, signalled } from './parse.js';
import { historyFull, lateSeconds } from './policies.js';
import { trainingSpec, TrialPool } from './trial-pool.js';
import { lateDetails } from './web-ui.js';

export interface LateInput {
  /** Name of the study. */
  readonly study: string;
  readonly request: RetryLate;
  /** What the study found out that runs; null: it has ended, and `seal` is its seal. */
  readonly start: LateStart | null;
  readonly seal?: string;
  /** What an earlier run of this workflow came to; absent at the start. */
  readonly carried?: Carried;
}

/** With the curve of the way to the next rung. */
interface Carried extends Curve {
  readonly rungs: readonly LateRung[];
  readonly pool: PoolState;
  readonly control: Control;
  readonly beside: boolean;
  readonly turn: number;
}

const free: Control = { paused: false, stopped: false, parallelism: 1 };

export async function everbandLate(input: LateInput): Promise<LateRetry> {
  return begun(input, ['study', 'request'], (whole: LateInput) => {
    const { start } = whole;
    if (whole.carried) requireCurve(whole.carried);
    if (start) lateDetails(start, { ...start, rungs: [...start.rungs] }, null);
    return new LateRun(whole);
  }).run();
}

class LateRun {
  private readonly local = new Local(() => this.show());
  private start: LateStart | null = null;
  private pool: TrialPool | null = null;
  private rungs: readonly LateRung[];
  private control: Control;
  /** Whether a study runs that gives it its places. */
  private beside: boolean;
  /** Counts how often it has asked the study for a place. */
  private turn: number;

  constructor(private readonly input: LateInput) {
    const { start, carried } = input;
    this.rungs = carried?.rungs ?? [];
    this.beside = carried?.beside ?? start !== null;
    this.control = carried?.control ?? (this.beside ? { ...free, parallelism: 0 } : free);
    this.turn = carried?.turn ?? 0;
    setHandler(
      controlSignal,
      signalled('control', controlOf, (control) => this.take(control))
    );
    setHandler(defineQuery<LateRetry | null>(queryNames.late), () => this.start && this.retry);
  }

  async run(): Promise<LateRetry> {
    const { carried } = this.input;
    const start = this.input.start ?? (await this.prepare());
    const { study, identity, trial, reset, queue } = start;
    this.start = start;
    if (!carried) this.rungs = start.rungs;
    const before = carried?.pool ?? {
      parked: {},
      resets: reset === null ? {} : { [trial.id]: reset },
      ...(queue === null ? {} : { queues: { [trial.id]: queue } }),
    };
    // Nobody waits for it: a trial that fails here is not parked, it can be retried again.
    const spec = trainingSpec({ ...study, training: { ...study.training, parkSeconds: 0 } });
    const pool = new TrialPool(spec, identity, this.control, before, { late: true });
    this.pool = pool;
    if (!carried) await this.record();
    let curve = cut(carried ?? noEpochs, 0);
    for (;;) {
      const last = this.rungs.at(-1);
      if (last?.end === 'rung' && last.became === null) {
        const became = await this.verdict(start, last);
        this.rungs = [...this.rungs.slice(0, -1), { ...last, became }];
        await this.record();
        if (became !== 'promoted') break;
      }
      const round = last ? last.round + 1 : start.round;
      const span = lateSpan(study, trial.bracket, round);
      if (!span) break;
      const outcome = await this.train(start, { round, ...span }, curve);
      curve = noEpochs;
      this.rungs = [...this.rungs, rungOf({ round, ...span }, outcome)];
      await this.record();
      if (this.rungs.at(-1)?.end !== 'rung') break;
    }
    await this.tell(false, true);
    return this.retry;
  }

  private async prepare(): Promise<LateStart> {
    const { study, request, seal = '' } = this.input;
    try {
      return await this.local.run((all) => all.prepareLate(study, seal, request, false));
    } catch (error) {
      if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) throw error.cause;
      throw error;
    }
  }

  private async train(
    { trial }: LateStart,
    span: Pick<LateRung, 'round' | 'from' | 'to'>,
    curve: Curve
  ): Promise<SegmentOutcome> {
    const { from, to, round } = span;
    if (this.beside) {
      this.turn++;
      this.apply({ ...this.control, parallelism: 0 });
    }
    // Asked again in case the study has gone on in a new run, or has gone.
    for (let asked = 4; this.beside && this.control.parallelism === 0 && !this.control.stopped; asked++) {
      await this.tell(true);
      const placed = () => this.control.parallelism > 0 || this.control.stopped || !this.beside;
      if (historyFull(workflowInfo())) await this.goOn(curve);
      await condition(placed, lateSeconds(asked) * 1000, { summary: 'the study has no place for it' });
    }
    const outcome = await this.requirePool.train(
      { from, to, trial },
      { bracket: trial.bracket, round, from, to },
      curve
    );
    if (outcome.outcome === 'unfinished' && !this.control.stopped) await this.goOn(cut(outcome, 0));
    if (this.beside) this.apply({ ...this.control, parallelism: 0 });
    await this.tell(false);
    return outcome;
  }

  /** Waits until the others have come to the rung, while the study runs. */
  private async verdict({ study, identity, trial }: LateStart, rung: LateRung): Promise<LateVerdict> {
    const { round } = rung;
    const came = epochAt(rung, rung.values.length - 1) as EpochNumbers;
    for (let asked = 0; ; asked++) {
      const became = await this.local.run((all) => all.lateVerdict(study.name, identity, trial, round, came));
      if (became !== null) return became;
      if (historyFull(workflowInfo())) await this.goOn(noEpochs);
      await sleep(lateSeconds(asked) * 1000, { summary: `round ${round} has not closed` });
    }
  }

  /** Tells the study whether it wants to train; a study that is not there any more has no places to give. */
  private async tell(wants: boolean, ended = false): Promise<void> {
    if (!this.beside) return;
    const { study, request } = this.input;
    try {
      await getExternalWorkflowHandle(workflowIds.study(study)).signal(lateSignal, {
        ...{ trial: request.trial, wants, ended, turn: this.turn },
      });
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.beside = false;
      this.apply({ ...free, stopped: this.control.stopped });
    }
  }

  private take(control: Control): void {
    // A place that was meant for what it has trained by now is none.
    const old = control.turn !== undefined && control.turn !== this.turn;
    this.apply(old ? { ...control, parallelism: this.control.parallelism } : control);
  }

  private apply(control: Control): void {
    this.control = control;
    this.pool?.apply(control);
  }

  private get requirePool(): TrialPool {
    return this.pool as TrialPool;
  }

  private get retry(): LateRetry {
    const { queue, reset } = this.start ?? { queue: null, reset: null };
    return { queue, reset, rungs: this.rungs };
  }

  private async record(): Promise<void> {
    const { study, request } = this.input;
    const { identity, number } = this.start as LateStart;
    this.show();
    const place = { study, trial: request.trial };
    await this.local.run((all) => all.recordLate({ identity, number }, place, this.retry));
  }

  private async goOn(curve: Curve): Promise<never> {
    // A cancellation that came with what led here holds: the next run would not hear of it.
    await condition(allHandlersFinished);
    const { rungs, control, beside, start, turn } = this;
    const carried = { rungs, ...curve, pool: this.requirePool.state, control, beside, turn };
    return continueAsNew<typeof everbandLate>({ ...this.input, start, carried });
  }

  private show(): void {
    if (this.start) setCurrentDetails(lateDetails(this.start, this.retry, this.local.trouble));
  }
}

function rungOf(span: Pick<LateRung, 'round' | 'from' | 'to'>, outcome: SegmentOutcome): LateRung {
  const end = outcome.outcome === 'completed' ? 'rung' : outcome.outcome;
  return {
    ...span,
    ...cut(outcome, 0),
    ...{ end, became: null },
    ...(outcome.outcome === 'diverged' ? { nonFinite: outcome.nonFinite } : {}),
    ...(outcome.outcome === 'failed' ? { reason: outcome.reason } : {}),
  };
}
