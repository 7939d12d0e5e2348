/**
 * One round (rung) of one bracket. The algorithm asks its effects to train, to predict and to propose; who carries that
 * out (a workflow, the simulator, a test) changes nothing, for decisions are taken in trial order and never in order of
 * arrival.
 */
import { mostSeen, remember, rungOf, withObservations, withRung, type Memory } from './memory.js';
import { flip } from './objective.js';
import { decisionEpochs, type RoundPlan } from './plan.js';
import type { PredictionAnswer, PredictionRequest } from './predictor.js';
import type { Observation } from './propose.js';
import type { DecisionRecord, RoundRecord } from './record.js';
import { rank, Runner, type Contender, type RoundOutcome } from './runner.js';
import { medianRule } from './stopping/median.js';
import { fastRule } from './stopping/fast.js';
import { swiftRule } from './stopping/swift.js';
import type { Study } from './study.js';
import type { SegmentOutcome } from './trial.js';

export interface RoundInput {
  readonly bracket: string;
  readonly plan: RoundPlan;
  readonly study: Study;
  /** In trial order. */
  readonly contenders: readonly Contender[];
  /** n_next: places in the next round, max(floor(n_i / eta), 1) with n_i of the plan however many entered; 1 in the last. */
  readonly next: number;
  readonly memory: Memory;
  /** All decision points this rung ever has: once each has its model, no curve is kept any more. */
  readonly decisionPoints: readonly number[];
  /** Global index of the bracket's first trial. */
  readonly offset: number;
  /** W of a sampler that learns, in the round that proposes its trials; null: they are there. */
  readonly wave: number | null;
  /** Whether a sampler learns from the losses at rungs. */
  readonly observe: boolean;
}

/** What of a round goes into the record. */
export interface ClosedRound {
  readonly record: RoundRecord;
  /** In trial order. */
  readonly outcomes: readonly RoundOutcome[];
}

export interface RoundResult extends ClosedRound {
  readonly memory: Memory;
}

/** What a round asks for. All answer with metric values or losses exactly as stated. */
export interface RoundEffects {
  /** Trains a trial from one budget to another; values are metrics. */
  train(contender: Contender, from: number, to: number): Promise<SegmentOutcome>;
  predict(request: PredictionRequest): Promise<PredictionAnswer>;
  /** Draws the configurations of trials `first` ... `first + count - 1`; only when `wave` is set. */
  propose(first: number, count: number, observations: readonly Observation[]): Promise<void>;
}

/** A round as its stopping rule sees it. */
export class Round {
  /** In trial order. */
  readonly runners: readonly Runner[];
  memory: Memory;

  constructor(
    readonly input: RoundInput,
    private readonly effects: RoundEffects
  ) {
    this.memory = input.memory;
    this.runners = input.contenders.map((contender) => new Runner(contender, input.study.objective));
  }

  /** Trains a runner that is still in the race. */
  async train(runner: Runner, from: number, to: number): Promise<void> {
    runner.absorb(await this.effects.train(runner.contender, from, to));
  }

  predict(request: PredictionRequest): Promise<PredictionAnswer> {
    return this.effects.predict(request);
  }

  /** Trains all from the round's start, each to its own `target`; a sampler that learns proposes them in waves. */
  async open(target: (runner: Runner, position: number) => number): Promise<void> {
    const size = this.input.wave ?? this.runners.length;
    for (let first = 0; first < this.runners.length; first += size) {
      await this.proposed(first);
      const wave = this.runners.slice(first, first + size);
      await Promise.all(wave.map((runner, i) => this.train(runner, this.input.plan.from, target(runner, first + i))));
      if (!this.interrupted) continue;
      // The study was stopped: nobody draws or trains those behind.
      for (const runner of this.runners.slice(first + size)) runner.end = 'unfinished';
      return;
    }
  }

  /** Proposes the wave that begins at `position`, if one does, from the results of all waves before. */
  async proposed(position: number): Promise<void> {
    const { wave, memory } = this.input;
    if (wave === null || position % wave !== 0) return;
    const count = Math.min(wave, this.runners.length - position);
    const observations = [...memory.observations, ...this.observations(this.runners.slice(0, position))];
    await this.effects.propose(position, count, observations);
  }

  /** What `runners` add to the losses at this rung; those stopped before have none. */
  observations(runners: readonly Runner[]): Observation[] {
    const { plan, offset } = this.input;
    return runners.flatMap((runner): Observation[] => {
      const at = { trial: offset + runner.contender.index, budget: plan.to };
      if (runner.end === 'diverged' || runner.end === 'failed') return [{ ...at, loss: null }];
      const there = runner.end === 'rung' && plan.from + runner.values.length >= plan.to;
      return there ? [{ ...at, loss: runner.loss() }] : [];
    });
  }

  /** Adds the complete curves of `runners` to D[r_i]. */
  remember(runners: readonly Runner[]): void {
    const { plan, decisionPoints } = this.input;
    const curves = runners.filter((runner) => runner.end === 'rung').map((runner) => runner.curve());
    this.memory = withRung(this.memory, plan.to, remember(rungOf(this.memory, plan.to), curves, decisionPoints));
  }

  get interrupted(): boolean {
    return this.runners.some((runner) => runner.end === 'unfinished');
  }

  /** Metric of a loss. */
  metric(loss: number): number {
    return flip(this.input.study.objective, loss);
  }
}

/** Runs one round to its end. */
export async function runRound(input: RoundInput, effects: RoundEffects): Promise<RoundResult> {
  const round = new Round(input, effects);
  const decision = await decide(round);
  if (input.observe) {
    round.memory = withObservations(round.memory, round.observations(round.runners));
  }
  const ranking = rank(round.runners);
  const promoted =
    round.interrupted || input.plan.last
      ? []
      : ranking
          .slice(0, input.next)
          .sort((a, b) => a.contender.index - b.contender.index)
          .map((runner) => runner.id);
  const outcomes = round.runners.map((runner) => runner.outcome());
  const { bracket, plan } = input;
  return {
    record: {
      bracket,
      index: plan.index,
      from: plan.from,
      to: plan.to,
      trials: round.runners.map((runner) => runner.id),
      ranking: ranking.map((runner) => ({ trial: runner.id, value: runner.value() })),
      promoted,
      decision,
      epochs: outcomes.reduce((sum, outcome) => sum + outcome.epochs, 0),
    },
    outcomes,
    memory: round.memory,
  };
}

/** Trains the round as its stopping rule has it. */
async function decide(round: Round): Promise<DecisionRecord | null> {
  const { study, plan } = round.input;
  const { predictor } = study;
  switch (predictor.type) {
    case 'none':
      await round.open(() => plan.to);
      return null;
    case 'median': {
      const decision = await medianRule(round, predictor, plan.decisionPoint);
      noteSeen(round);
      return decision;
    }
    case 'swift':
      if (plan.decisionPoint !== null) return swiftRule(round, predictor, plan.decisionPoint);
      await round.open(() => plan.to);
      round.remember(round.runners);
      return null;
    case 'fast':
      return fastRule(round, predictor);
  }
}

/** The median rule's memory: what all trials of the round had at every decision point it passed. */
function noteSeen(round: Round): void {
  const { study, plan } = round.input;
  const seen: Record<string, readonly number[]> = { ...round.memory.seen };
  for (const epoch of decisionEpochs(study)) {
    if (epoch <= plan.from || epoch > plan.to) continue;
    const losses = round.runners
      .map((runner) => runner.values[epoch - plan.from - 1])
      .filter((value) => value !== undefined)
      .map((value) => flip(study.objective, value));
    seen[String(epoch)] = [...(seen[String(epoch)] ?? []), ...losses].slice(-mostSeen);
  }
  round.memory = { ...round.memory, seen };
}
