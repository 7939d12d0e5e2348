/** ASHA carried out: jobs started as slots free up, Swift-ASHA's and the median rule's questions half-way to a rung. */
import { Asha, mostTrials, type AshaJob, type AshaState, type Asked } from './asha.js';
import { mostSeen, remember, rungOf, withObservations, withRung } from './memory.js';
import { flip } from './objective.js';
import { decisionPointsOf, type RoundPlan } from './plan.js';
import type { PredictionAnswer, PredictionRequest } from './predictor.js';
import type { Observation } from './propose.js';
import { quantile } from './quantile.js';
import { Runner, type Contender, type RoundOutcome } from './runner.js';
import { noteAsked, noteSolved, noteUntrained, questionOf } from './stopping/question.js';
import type { Study, SwiftPredictor } from './study.js';
import { trialId, type SegmentOutcome } from './trial.js';

/** How one job ended. */
export interface AshaCompletion extends Asked {
  readonly rung: number;
  readonly outcome: RoundOutcome;
}

export interface AshaEffects {
  /** Jobs to run at once, now. */
  slots(): number;
  /** Draws the configuration of trial `index` from what is known when it starts. */
  propose(index: number, observations: readonly Observation[]): Promise<void>;
  train(contender: Contender, round: RoundPlan, from: number, to: number): Promise<SegmentOutcome>;
  predict(request: PredictionRequest): Promise<PredictionAnswer>;
  /** Called for everything that decides, in order: `17@9` trial 17 came to epoch 9, `17?9` it was answered about there. */
  happened(event: string): void;
  closed(completion: AshaCompletion): void;
  /** Ends all training as soon as it is saved: the study's target is reached. */
  halt(): void;
}

export interface AshaResult {
  readonly state: AshaState;
  /** Null when training was interrupted: `state` has jobs in flight and can go on. */
  readonly ended: 'finished' | 'epochLimit' | 'target' | null;
  /** What was interrupted and, when the study ends here, belongs into its record. */
  readonly unfinished: readonly AshaCompletion[];
}

/** The trials drawn together with trial `index`: 50 at once by a sampler that does not learn. */
export function ashaBlock(study: Study, index: number): { first: number; count: number } {
  const size = study.sampler.type === 'tpe' ? 1 : 50;
  const first = index - (index % size);
  return { first, count: Math.min(size, mostTrials(study) - first) };
}

/** A job on its way. */
interface Flight {
  readonly job: AshaJob;
  readonly round: RoundPlan;
  readonly runner: Runner;
  asked: Asked;
}

/** Every answer of an effect is taken in by one synchronous step, so that the order of events alone decides. */
export class AshaRun {
  private readonly asha: Asha;
  private ended: AshaResult['ended'] = 'finished';
  /** Before `run`, and towards the end, no job starts. */
  private closing = true;
  private readonly unfinished: AshaCompletion[] = [];
  private running = 0;
  private resolve: (result: AshaResult) => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;

  constructor(
    private readonly study: Study,
    private readonly effects: AshaEffects,
    state: AshaState | null
  ) {
    this.asha = new Asha(study, state);
  }

  /** Runs to the end; what `state` had in flight goes on first. */
  run(): Promise<AshaResult> {
    return new Promise<AshaResult>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.closing = false;
      for (const job of [...this.asha.inFlight]) this.start(job);
      this.fill();
    });
  }

  /** Gives free slots work; call it when `slots()` has grown, which may be before `run`. */
  fill(): void {
    while (!this.closing && this.running < this.effects.slots()) {
      const job = this.asha.next();
      if (job === null) break;
      if (job === 'epochLimit') {
        this.ended = 'epochLimit';
        this.closing = true;
        break;
      }
      this.start(job);
    }
    if (this.running > 0) return;
    const { unfinished } = this;
    const broken = unfinished.length > 0 && this.ended !== 'target';
    this.resolve({ state: this.asha.state, ended: broken ? null : this.ended, unfinished });
  }

  /** How the trial of this id stands; null for one that has not started. */
  trial(id: string): ({ id: string } & NonNullable<ReturnType<Asha['standing']>>) | null {
    const index = Number(/-t(\d+)$/.exec(id)?.[1] ?? NaN);
    const standing = trialId(this.asha.plan.id, index) === id ? this.asha.standing(index) : null;
    return standing && { id, ...standing };
  }

  private start(job: AshaJob): void {
    const { asha, effects, study } = this;
    this.running++;
    const round = asha.plan.rounds[job.rung] as RoundPlan;
    const id = trialId(asha.plan.id, job.trial);
    const runner = new Runner({ id, index: job.trial, values: asha.curves.get(job.trial) ?? [] }, study.objective);
    runner.values.push(...(job.passed?.values ?? []));
    const flight: Flight = { job, round, runner, asked: job.passed?.asked ?? {} };
    const p = job.passed ? null : this.decisionPoint(flight);
    const proposed = job.rung === 0 ? effects.propose(job.trial, asha.memory.observations) : Promise.resolve();
    proposed.then(() => this.train(flight, p ?? round.to)).catch((error: unknown) => this.reject(error));
  }

  /** A new trial is not asked about by a predictor: no rung below says yet what it is worth. */
  private decisionPoint({ job, round }: Flight): number | null {
    return job.rung === 0 && this.study.predictor.type === 'swift' ? null : round.decisionPoint;
  }

  private async train(flight: Flight, to: number): Promise<void> {
    const { job, round, runner } = flight;
    const outcome = await this.effects.train(runner.contender, round, round.from + runner.values.length, to);
    runner.absorb(outcome);
    if (runner.end === 'unfinished') return this.interrupt(flight);
    this.effects.happened(`${job.trial}@${round.from + runner.outcome().epochs}`);
    if (runner.end !== 'rung' || to === round.to) return this.close(flight);
    return this.question(flight, to);
  }

  /** At the decision point: who is worse than the threshold stops. */
  private question(flight: Flight, p: number): Promise<void> {
    const { predictor } = this.study;
    if (predictor.type === 'median') {
      const { memory } = this.asha;
      const earlier = memory.seen[String(p)] ?? [];
      const loss = flight.runner.loss();
      this.asha.memory = { ...memory, seen: { ...memory.seen, [p]: [...earlier, loss].slice(-mostSeen) } };
      const median = earlier.length < predictor.minTrials ? null : quantile(earlier, 0.5);
      return this.verdict(flight, p, { predicted: null, loss, threshold: median });
    }
    return predictor.type === 'swift' ? this.predict(flight, p, predictor) : this.train(flight, flight.round.to);
  }

  private async predict(flight: Flight, p: number, rule: SwiftPredictor): Promise<void> {
    const { job, round, runner } = flight;
    const { asha, study } = this;
    const threshold = asha.threshold(job.rung);
    const at = { study, rung: round.to, p };
    const question = threshold === null ? null : questionOf(asha.memory, at, rule, [runner.curve()]);
    if (threshold === null || question === null || typeof question === 'string') return this.goOn(flight);
    // Noted before the answer: a question asked meanwhile uses the same model.
    asha.memory = noteAsked(asha.memory, at, question.trainedOn);
    const answer = await this.effects.predict(question.request);
    this.effects.happened(`${job.trial}?${p}`);
    asha.memory = noteSolved(asha.memory, at, answer);
    const { fresh, trainedOn } = question;
    const predicted = answer.outcome === 'predicted' ? (answer.losses[0] as number) : NaN;
    if (answer.outcome === 'impossible' || !Number.isFinite(predicted)) {
      if (fresh) asha.memory = noteUntrained(asha.memory, at);
      const reason = answer.outcome === 'impossible' ? answer.reason : 'the model predicted a value that is no number';
      flight.asked = { error: reason };
      return this.goOn(flight);
    }
    const fallback = answer.fallback === undefined ? {} : { fallback: answer.fallback };
    const model = { trained: fresh, trainedOn, ...fallback };
    return this.verdict(flight, p, { predicted, loss: predicted, threshold, model });
  }

  private verdict(
    flight: Flight,
    p: number,
    said: {
      predicted: number | null;
      loss: number;
      threshold: number | null;
      model?: Omit<Asked, 'prediction'>;
    }
  ): Promise<void> {
    const { runner } = flight;
    const { predicted, loss, threshold, model } = said;
    if (threshold !== null) {
      const goesOn = !(loss > threshold);
      if (!goesOn) runner.end = 'stopped';
      const metric = (value: number) => flip(this.study.objective, value);
      const prediction = {
        trial: runner.id,
        epoch: p,
        predicted: predicted === null ? null : metric(predicted),
        threshold: metric(threshold),
        goesOn,
      };
      flight.asked = { prediction, ...model };
    }
    return runner.end === 'stopped' ? Promise.resolve(this.close(flight)) : this.goOn(flight);
  }

  /** Past the decision point, asked or not: a run that goes on from the state does not ask about it again. */
  private goOn(flight: Flight): Promise<void> {
    const { asked, job, round, runner } = flight;
    this.asha.pass(job, { values: [...runner.values], asked });
    return this.train(flight, round.to);
  }

  /** Stays in flight: the next run of the study asks for the same again. */
  private interrupt({ job, runner, asked }: Flight): void {
    this.unfinished.push({ rung: job.rung, outcome: runner.outcome(), ...asked });
    this.closing = true;
    this.running--;
    this.fill();
  }

  private close(flight: Flight): void {
    const { asha, effects, study } = this;
    const { job, round, runner, asked } = flight;
    const outcome = runner.outcome();
    const value = runner.end === 'rung' ? runner.value() : null;
    if (value !== null && study.predictor.type === 'swift') this.learn(flight);
    asha.tell(job, value, outcome.epochs);
    if (study.sampler.type === 'tpe' && runner.end !== 'stopped') {
      const loss = value === null ? null : flip(study.objective, value);
      asha.memory = withObservations(asha.memory, [{ trial: job.trial, budget: round.to, loss }]);
    }
    effects.closed({ rung: job.rung, outcome, ...asked });
    this.running--;
    const { target } = study.limits;
    if (value !== null && target !== undefined && flip(study.objective, value) <= flip(study.objective, target)) {
      this.ended = 'target';
      this.closing = true;
      if (this.running > 0) effects.halt();
    }
    this.fill();
  }

  /** Keeps what later questions need: the trial's own curve, and the rung's while its model is not trained. */
  private learn({ job, round, runner }: Flight): void {
    const { asha, study } = this;
    if (job.rung === asha.plan.rounds.length - 1) asha.curves.delete(job.trial);
    else asha.curves.set(job.trial, [...runner.contender.values, ...runner.values]);
    if (job.rung === 0) return;
    const rung = rungOf(asha.memory, round.to);
    const grown = remember(rung, [runner.curve()], decisionPointsOf(study, round.to));
    asha.memory = withRung(asha.memory, round.to, grown);
  }
}
