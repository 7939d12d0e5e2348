/**
 * A group as its pruner sees it: a whole round of trials, or one trial alone. A pruner is a generator of steps. A step
 * is a list of tasks that are carried out at once; their answers come back together and in the order of the tasks, so
 * that nothing depends on the order of arrival.
 */
import { modeOf, type Objective } from '../objectives/index.js';
import { elsewhereOf, type PredictorSettings } from '../predictors/index.js';
import type { PredictionAnswer } from '../predictors/request.js';
import { stream } from '../rng.js';
import { trialId } from '../trial.js';
import type { Decision } from './decision.js';
import { noteTrained, remember, rungOf, withRung, withSeen, type Memory, type Observation } from './memory.js';
import { TrialRun } from './trial-run.js';
import type { Answer, Group, PredictTask, Task, TrainTask } from './work.js';

export type Steps<T> = Generator<readonly Task[], T, readonly Answer[]>;

/** Most trials drawn in one proposal: it travels in one message. */
const proposalBlock = 1000;

/** What a group shares with others: a round has a memory of its own, a trial alone that of its study. */
export interface Shared {
  memory: Memory;
  /**
   * The q-quantile of the losses at the rung, of `complete` members and of trials outside the group; null when there are
   * none.
   */
  quantile(q: number, complete: readonly number[]): number | null;
}

export interface Ground {
  readonly seed: number;
  readonly objective: Objective;
}

export interface Asked {
  readonly answer: PredictionAnswer;
  /** Curves the predictor was trained on; 0 when nothing was predicted. */
  readonly trainedOn: number;
  /** Whether this question trained it. */
  readonly fresh: boolean;
}

/** What a pruner has settled of a group before the rest of its training. */
export interface Settled {
  readonly decision: Decision;
  /** Whether the curves of those who go on enter D[r_i]. */
  readonly teaches: boolean;
}

export class Round {
  /** In trial order. */
  readonly trials: readonly TrialRun[];
  /** Set once nothing but training is left. */
  settled: Settled | null = null;

  constructor(
    private readonly ground: Ground,
    readonly group: Group,
    readonly shared: Shared
  ) {
    const mode = modeOf(ground.objective);
    this.trials = group.members.map((index) => new TrialRun(trialId(group.bracket, index), index, mode));
  }

  get memory(): Memory {
    return this.shared.memory;
  }

  /** Trains trials that are still in the race, each up to its own budget. */
  *train(legs: readonly (readonly [trial: TrialRun, to: number])[]): Steps<void> {
    if (legs.length === 0) return;
    const { from, exploits } = this.group;
    const tasks = legs.map(([trial, to]): TrainTask => {
      const at = from + trial.losses.length;
      const exploit = at === from ? exploits.find((one) => one.trial === trial.index) : undefined;
      return { type: 'train', trial: trial.id, index: trial.index, from: at, to, ...(exploit && { exploit }) };
    });
    const outcomes = (yield tasks) as readonly Answer<TrainTask>[];
    legs.forEach(([trial], i) => trial.absorb(outcomes[i] as Answer<TrainTask>));
  }

  /** Trains all from the group's start, each to its own `target`; a sampler that learns proposes them in waves. */
  *open(target: (trial: TrialRun, position: number) => number): Steps<void> {
    const size = this.group.draws?.wave ?? this.trials.length;
    for (let first = 0; first < this.trials.length; first += size) {
      yield* this.propose(first);
      const wave = this.trials.slice(first, first + size);
      yield* this.train(wave.map((trial, i) => [trial, target(trial, first + i)]));
      if (!this.interrupted) continue;
      // The study was stopped: nobody draws or trains those behind.
      for (const trial of this.trials.slice(first + size)) trial.end = 'unfinished';
      return;
    }
  }

  /** Proposes the wave that begins at `position`, if one does, from the results of all waves before. */
  *propose(position: number): Steps<void> {
    const { draws, bracket, offset } = this.group;
    if (!draws || position % (draws.wave ?? this.trials.length) !== 0) return;
    const width = Math.min(draws.wave ?? Infinity, this.trials.length - position);
    const { first: start, count: all } = draws.block ?? { first: this.trials[position]?.index ?? 0, count: width };
    const learnt =
      draws.wave === null
        ? {}
        : { observations: [...this.memory.observations, ...this.observations(this.trials.slice(0, position))] };
    const tasks: Task[] = [];
    for (let done = 0; done < all; done += proposalBlock) {
      const count = Math.min(proposalBlock, all - done);
      tasks.push({ type: 'propose', bracket, offset, first: start + done, count, ...learnt });
    }
    yield tasks;
  }

  /** Nothing is left to decide: trains those who go on to the rung. */
  *conclude(goOn: readonly TrialRun[], settled: Settled): Steps<Decision> {
    this.settled = settled;
    yield* this.train(goOn.map((trial) => [trial, this.group.to]));
    if (settled.teaches) this.remember(goOn);
    return settled.decision;
  }

  /** What `trials` add to the losses at this rung; those stopped before have none. */
  observations(trials: readonly TrialRun[]): Observation[] {
    const { from, to, offset } = this.group;
    return trials.flatMap((trial): Observation[] => {
      const at = { trial: offset + trial.index, budget: to };
      if (trial.end === 'diverged' || trial.end === 'failed') return [{ ...at, loss: null }];
      const there = trial.end === 'rung' && from + trial.losses.length >= to;
      return there ? [{ ...at, ...trial.result() }] : [];
    });
  }

  /** Adds the complete curves of `trials` to D[r_i]. */
  remember(trials: readonly TrialRun[]): void {
    const { to, points } = this.group;
    const complete = trials.filter(({ end }) => end === 'rung').map(({ id }) => id);
    this.shared.memory = withRung(this.memory, to, remember(rungOf(this.memory, to), complete, points));
  }

  /** Notes losses at a decision point, in trial order, for those who come there later. */
  noteSeen(epoch: number, losses: readonly number[]): void {
    this.shared.memory = withSeen(this.memory, epoch, losses);
  }

  /**
   * Asks the predictor of the decision point at epoch `p`, which is trained once on D[r_i] and kept for later brackets.
   * `minCurves`: d.
   */
  *ask(
    rule: { readonly predictor: PredictorSettings; readonly minCurves: number },
    p: number,
    candidates: readonly TrialRun[],
    uncertainty = false
  ): Steps<Asked> {
    const { to: rung, points } = this.group;
    const impossible = (reason: string): Asked => {
      return { answer: { outcome: 'impossible', reason }, trainedOn: 0, fresh: false };
    };
    const { curves, trained, solved } = rungOf(this.memory, rung);
    const known = trained[String(p)];
    const trainedOn = known ?? curves.length;
    if (trainedOn < rule.minCurves) return impossible(`${trainedOn} complete curves, ${rule.minCurves} needed`);
    const before = solved[String(p)];
    const task: PredictTask = {
      type: 'predict',
      predictor: rule.predictor,
      // A predictor that draws is the same in every bracket.
      seed: stream(this.ground.seed, 'model', rung, p).uint32(),
      rung,
      epochs: p,
      training: curves.slice(0, trainedOn),
      candidates: candidates.map(({ id }) => id),
      uncertainty,
      ...(before ? { solved: before } : {}),
      ...(elsewhereOf(rule.predictor) ? { qpuSecondsUsed: this.memory.qpuSeconds } : {}),
    };
    // Noted before the answer: a question that another trial asks meanwhile uses the same predictor.
    if (known === undefined) {
      this.shared.memory = withRung(this.memory, rung, noteTrained(rungOf(this.memory, rung), p, trainedOn, points));
    }
    const [answer] = (yield [task]) as readonly PredictionAnswer[];
    const reason = whyNone(answer as PredictionAnswer, uncertainty);
    if (reason !== null) {
      if (known === undefined) this.forgetTrained(rung, p);
      return impossible(reason);
    }
    this.noteSolved(rung, p, answer as PredictionAnswer);
    return { answer: answer as PredictionAnswer, trainedOn, fresh: known === undefined };
  }

  get interrupted(): boolean {
    return this.trials.some((trial) => trial.end === 'unfinished');
  }

  /** Takes back that a predictor is trained which could not be: more curves may teach one. */
  private forgetTrained(rung: number, p: number): void {
    const own = rungOf(this.memory, rung);
    const trained = Object.fromEntries(Object.entries(own.trained).filter(([epoch]) => epoch !== String(p)));
    this.shared.memory = withRung(this.memory, rung, { ...own, trained });
  }

  /** Keeps what a solver elsewhere found and what it cost. */
  private noteSolved(rung: number, p: number, answer: PredictionAnswer): void {
    if (answer.outcome !== 'predicted' || !answer.solved) return;
    const own = rungOf(this.memory, rung);
    this.shared.memory = withRung(
      { ...this.memory, qpuSeconds: this.memory.qpuSeconds + answer.solved.qpuSeconds },
      rung,
      { ...own, solved: { ...own.solved, [p]: answer.solved } }
    );
  }
}

/** Why an answer is none; null when it is one. */
function whyNone(answer: PredictionAnswer, uncertainty: boolean): string | null {
  if (answer.outcome === 'impossible') return answer.reason;
  if (!answer.losses.every(Number.isFinite)) return 'the predictor predicted a value that is no number';
  return uncertainty && !Number.isFinite(answer.deviation) ? 'the predictor has no uncertainty' : null;
}
