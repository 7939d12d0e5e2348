/** A study: checks its input, drives its scheduler, answers its operators. */
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  TemporalFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineUpdate,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Ended } from '../core/engine/work.js';
import type { StudyResult } from '../core/record.js';
import { maxParallelism, planOf, type Study } from '../core/study.js';
import type { RecoverActivities, RestoreActivities } from './activity-types.js';
import type { Recovery, StudyState } from './carried.js';
import type { Control } from './control.js';
import { Driver } from './driver.js';
import { brokenSignal, type Broken } from './first-trials.js';
import { handleTrialMessages } from './handlers.js';
import { Local } from './local.js';
import {
  causeMemo,
  failureTypes,
  hasEnded,
  phaseAtEnd,
  queryNames,
  updateNames,
  type RetryLate,
  type SetParallelism,
  type SealedIdentity,
  type SealedStudy,
  type StudyPhase,
  type StudyStatus,
} from './messages.js';
import { begun, brokenOf, retryLateOf, signalled } from './parse.js';
import { restorePolicy, troubleSeconds } from './policies.js';
import { lateAnswer, phaseAttribute, searchAttributesOf, studyDetails } from './web-ui.js';

const { restoreRecord, noteRun, recoverStudy, anyEpoch } = proxyActivities<RestoreActivities & RecoverActivities>(
  restorePolicy
);

/**
 * `input` is a sealed study (messages.ts); anything else fails at once with `InvalidStudy` or `NotSealed`. Or it names a
 * study that is to be taken up from its record; `NotRecoverable` says why it cannot be. `carried` comes from an earlier run.
 */
export async function everbandStudy(input: unknown, carried?: StudyState): Promise<StudyResult> {
  return new StudyWorkflow().run(input, carried);
}

class StudyWorkflow {
  private study: Study | null = null;
  private phase: StudyPhase = 'preparing';
  private result: StudyResult | null = null;
  private driver: Driver | null = null;
  private deadlinePassed = false;
  /** What the list of workflows shows. */
  private listed: { readonly phase: StudyPhase; readonly best: number | null } | null = null;
  private readonly local = new Local(() => this.show());
  private started = Date.now();
  private noting: Promise<void> = Promise.resolve();

  constructor() {
    setHandler(defineQuery<StudyStatus>(queryNames.status), () => this.status());
  }

  async run(input: unknown, carried?: StudyState): Promise<StudyResult> {
    try {
      return await this.toItsEnd(input, carried);
    } catch (error) {
      // Anything else goes on: in a new run, or in another attempt at the workflow task.
      if (error instanceof TemporalFailure) {
        this.endWithout(
          CancellationScope.current().consideredCancelled && isCancellation(error) ? 'cancelled' : 'failed'
        );
      }
      throw error;
    }
  }

  private async toItsEnd(input: unknown, carried: StudyState | undefined): Promise<StudyResult> {
    const { study, state } = await this.begin(input, carried);
    const identity = state?.identity ?? this.identityOf(input);
    this.study = study;
    this.started = state?.started ?? this.started;
    this.deadlinePassed = state?.deadlinePassed ?? false;
    const control = state?.control ?? { paused: false, stopped: false, parallelism: study.parallelism };
    // A cancelled study needs no pause.
    const broken = (one: Broken) => void this.pauseBroken(driver, identity, one).catch(() => undefined);
    const driver = begun(
      state ?? { driver: null, identity, control },
      ['driver', 'identity', 'control'],
      () => new Driver(study, identity, this.local, control, state?.driver ?? null, () => this.show(), broken)
    );
    this.driver = driver;
    handleTrialMessages(
      driver.messages,
      () => driver.progress(),
      (id) => driver.trial(id)
    );
    // Only now: an update that came before the run began is answered while its handler is set.
    this.handleOperators(driver, identity);
    this.watchDeadline(study, driver);
    this.enter(control.stopped ? 'stopping' : control.paused ? 'paused' : 'running');
    const { cause } = control;
    // Its workflow was lost, and with it what the server showed.
    if (control.paused && cause !== undefined && workflowInfo().memo?.[causeMemo] !== cause) noteCause(cause);
    setHandler(brokenSignal, signalled('broken', brokenOf, broken));
    const ended = await driver.run();
    if (ended === null) {
      await condition(allHandlersFinished);
      const { started, deadlinePassed } = this;
      const { tree, state } = driver;
      return continueAsNew<typeof everbandStudy>(study, {
        ...{ identity, started, deadlinePassed, driver: state, control: tree.current },
      });
    }
    this.result = await this.conclude(study, identity, ended, driver);
    await driver.letGo();
    this.enter(phaseAtEnd(ended));
    await condition(allHandlersFinished);
    return this.result;
  }

  private identityOf(input: unknown): SealedIdentity {
    const { seal } = (input ?? {}) as Partial<SealedStudy>;
    return { id: workflowInfo().firstExecutionRunId, incarnation: 0, seal: seal as string };
  }

  /** The study and what it came to before: nothing, in an earlier run, or before its workflows were lost. */
  private async begin(
    input: unknown,
    carried: StudyState | undefined
  ): Promise<{ readonly study: Study; readonly state?: StudyState }> {
    if (carried !== undefined) return { study: carriedStudy(input), state: carried };
    const name = recoveryOf(input);
    const identity = this.identityOf(input);
    try {
      if (name !== null) return await recoverStudy(name, identity.seal);
      const { study } = (input ?? {}) as Partial<SealedStudy>;
      return { study: await this.local.run((all) => all.prepareStudy(study, identity, this.started)) };
    } catch (error) {
      // The failure itself, not wrapped, so that the Web UI shows the broken rule first.
      if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) throw error.cause;
      throw error;
    }
  }

  /** The result comes out of a record whose every file is what the workflows wrote; what is not is brought back. */
  private async conclude(
    study: Study,
    identity: SealedIdentity,
    ended: Ended,
    { digests }: Driver
  ): Promise<StudyResult> {
    for (;;) {
      const written = await this.local.run((all) => all.recordStudy(study, identity, ended, digests));
      if (!('damaged' in written)) return written;
      const lost = await restoreRecord(study, identity, written.damaged);
      if (lost.length === 0) continue;
      this.local.say(
        `the record lacks ${lost.join(', ')}, which no workflow has any more: put back a copy, ` +
          `or end the study with \`everband delete ${study.name} --force\``
      );
      await sleep(troubleSeconds * 1000, { summary: 'a file of the record is missing' });
    }
  }

  private watchDeadline({ limits }: Study, driver: Driver): void {
    if (limits.deadlineSeconds === undefined || this.deadlinePassed) return;
    const left = this.started + limits.deadlineSeconds * 1000 - Date.now();
    void sleep(Math.max(1, left), { summary: 'deadline' }).then(
      () => {
        this.deadlinePassed = true;
        if (driver.tree.current.stopped || hasEnded(this.phase)) return;
        this.enter('stopping');
        driver.stop('deadline');
      },
      // A cancelled study cancels its timer; a rejection that nobody takes would fail every workflow task from here on.
      () => undefined
    );
  }

  private status(): StudyStatus {
    const { study, phase, driver, result, local } = this;
    const view = driver?.scheduler.view();
    const plan = study && planOf(study).table();
    return {
      study,
      phase,
      epochs: view?.epochs ?? 0,
      plannedEpochs: plan?.epochs ?? 0,
      plannedTrials: plan?.trials ?? 0,
      best: view?.best ?? null,
      brackets: view?.brackets ?? [],
      parallelism: driver?.tree.current.parallelism ?? study?.parallelism ?? 1,
      trouble: local.trouble,
      ...(phase === 'paused' && driver?.tree.current.cause !== undefined ? { cause: driver.tree.current.cause } : {}),
      ...(driver && driver.lateTrials.length > 0 ? { late: driver.lateTrials } : {}),
      ...(driver && driver.lateLost.size > 0 ? { lateLost: [...driver.lateLost] } : {}),
      result,
    };
  }

  private enter(phase: StudyPhase): void {
    this.phase = phase;
    this.show();
  }

  /** It comes to no result. Where the list shows no phase so far, the server need not know of such an attribute. */
  private endWithout(phase: 'cancelled' | 'failed'): void {
    this.enter(phase);
    const listed = phaseAttribute(phase);
    const known = workflowInfo().typedSearchAttributes.get(listed.key) !== undefined;
    if (!this.study && known) upsertSearchAttributes([listed]);
  }

  private show(): void {
    const { study, phase } = this;
    if (!study) return;
    const status = this.status();
    const best = status.best?.value ?? null;
    if (phase !== this.listed?.phase || best !== this.listed.best) {
      upsertSearchAttributes(searchAttributesOf(study, { phase, best }));
      this.listed = { phase, best };
    }
    setCurrentDetails(studyDetails(study, status));
  }

  /** Its first trials all fail in the same way: an operator has to look before any more of them are spent. */
  private async pauseBroken(driver: Driver, identity: SealedIdentity, { cause, refused }: Broken): Promise<void> {
    const { study } = this;
    const { tree, scheduler } = driver;
    const runs = () => {
      return this.phase === 'running' && !tree.current.stopped && (refused || scheduler.view().epochs === 0);
    };
    // Whoever told it knows of its own trials alone.
    if (!study || !runs() || (!refused && (await anyEpoch(study.name, identity))) || !runs()) return;
    tree.set({ ...tree.current, paused: true, cause });
    noteCause(cause);
    this.enter('paused');
    log.warn(`study ${study.name} is paused: ${cause}. \`everband resume ${study.name}\` goes on`);
    await this.note(driver, identity);
  }

  /** Kept one after the other: a recovery begins with what operators have set. */
  private note({ tree }: Driver, identity: SealedIdentity): Promise<void> {
    this.noting = this.noting.then(async () => {
      if (this.study) await noteRun(this.study.name, identity, { started: this.started, control: tree.current });
    });
    return this.noting;
  }

  /** Updates of a live study; a refused one costs no event. */
  private handleOperators(driver: Driver, identity: SealedIdentity): void {
    const { tree } = driver;
    const set = (change: Partial<Control>) => tree.set({ ...tree.current, ...change });
    /** Kept before it is confirmed. */
    const noted = async (answer: string) => {
      await this.note(driver, identity);
      return answer;
    };
    const alive = () => {
      if (hasEnded(this.phase) || tree.current.stopped) throw refuse('the study has ended or is stopping');
    };
    setHandler(
      defineUpdate<string>(updateNames.pause),
      () => {
        set({ paused: true });
        this.enter('paused');
        return noted('paused: trainers save themselves and wait');
      },
      {
        validator: () => {
          alive();
          if (tree.current.paused) throw refuse('the study is paused already');
        },
      }
    );
    setHandler(
      defineUpdate<string>(updateNames.resume),
      () => {
        if (tree.current.cause !== undefined) noteCause(null);
        set({ paused: false, cause: undefined });
        this.enter('running');
        return noted('running again');
      },
      {
        validator: () => {
          alive();
          if (!tree.current.paused) throw refuse('the study is not paused');
        },
      }
    );
    setHandler(
      defineUpdate<string>(updateNames.stop),
      () => {
        this.enter('stopping');
        driver.stop('stopped');
        return noted('stopping: the best so far is kept');
      },
      { validator: alive }
    );
    setHandler(
      defineUpdate<string, [SetParallelism]>(updateNames.setParallelism),
      ({ parallelism }) => {
        set({ parallelism });
        return noted(`at most ${parallelism} trials train at once`);
      },
      {
        validator: (request) => {
          alive();
          const parallelism: unknown = request?.parallelism;
          const limit = maxParallelism(this.study as Study);
          const whole = typeof parallelism === 'number' && Number.isInteger(parallelism);
          if (whole && parallelism >= 1 && parallelism <= limit) return;
          throw refuse(`parallelism must be a whole number from 1 to ${limit}, not ${JSON.stringify(parallelism)}`);
        },
      }
    );
    setHandler(
      defineUpdate<string, [RetryLate]>(updateNames.retryLate),
      async (request) => {
        const late = retryLateOf(request);
        const { goesOn } = await driver.retryLate(late);
        return lateAnswer((this.study as Study).name, late.trial, goesOn);
      },
      {
        validator: (request) => {
          alive();
          const { trial } = retryLateOf(request);
          if (driver.lateTrials.includes(trial)) throw refuse(`trial ${trial} is retried late right now`);
        },
      }
    );
  }
}

/** The study of an earlier run: only a run that goes on with one was checked before. */
function carriedStudy(input: unknown): Study {
  const goesOn = workflowInfo().continuedFromExecutionRunId !== undefined;
  return begun(goesOn ? input : null, ['name', 'scheduler', 'trainer', 'training', 'limits'], (study: Study) => {
    planOf(study).table();
    return study;
  });
}

/** The name of the study that is to be taken up; null for a study that begins. */
function recoveryOf(input: unknown): string | null {
  const name = (input as Partial<Recovery> | null)?.recover;
  return typeof name === 'string' ? name : null;
}

/** What the server shows of a study that has paused by itself; null: it has not. */
function noteCause(cause: string | null): void {
  upsertMemo({ [causeMemo]: cause });
}

function refuse(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, failureTypes.refused);
}
