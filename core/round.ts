/**
 * One round (rung) of one bracket, as Hyperband (Li et al. 2017) and Swift-Hyperband (García Amboage et al. 2023) run
 * it. The algorithm asks its effects to train and to predict; who carries that out (a workflow, the simulator, a test)
 * changes nothing, for decisions are taken in trial order and never in order of arrival.
 */
import { flip } from './objective.js';
import { quantile } from './quantile.js';
import type { PredictionAnswer, PredictionRequest } from './predictor.js';
import type { DecisionRecord, RoundRecord } from './record.js';
import type { Objective, Predictor, SwiftPredictor } from './study.js';
import type { NonFinite, SegmentOutcome } from './trial.js';
import type { RoundPlan } from './plan.js';

/** A trial as it enters a round. */
export interface Contender {
  readonly id: string;
  readonly index: number;
  /** Metric of the epochs so far; only filled when the study has a predictor. */
  readonly values: readonly number[];
}

/** D[r_i] and what has been learnt from it: the curves that reached rung r_i, ordered by bracket, then index. */
export interface RungMemory {
  /** |D[r_i]|. */
  readonly count: number;
  /** Losses; kept as long as a model is still to be trained on them. */
  readonly curves: readonly (readonly number[])[];
  /** Decision point to the number of curves its model was trained on: a prefix of `curves`, kept for later brackets. */
  readonly trained: Readonly<Record<string, number>>;
}
export const emptyMemory: RungMemory = { count: 0, curves: [], trained: {} };

export interface RoundInput {
  readonly bracket: string;
  readonly plan: RoundPlan;
  readonly objective: Objective;
  readonly predictor: Predictor;
  /** In trial order. */
  readonly contenders: readonly Contender[];
  /** Most trials to promote: max(floor(n_i / eta), 1) of those that entered; 0 in the last round. */
  readonly keep: number;
  /** n_next of the Swift rules. */
  readonly next: number;
  readonly memory: RungMemory;
  /** All decision points this rung ever has: once each has its model, no curve is kept any more. */
  readonly decisionPoints: readonly number[];
}

export type RoundEnd = 'rung' | 'stopped' | 'diverged' | 'failed' | 'unfinished';

/** What a round made of one trial. */
export interface RoundOutcome {
  readonly id: string;
  readonly index: number;
  readonly end: RoundEnd;
  /** Epochs trained in this round, the diverging one included. */
  readonly epochs: number;
  /** Metric at the last finite epoch of this round; null when there is none. */
  readonly value: number | null;
  /** Metric of this round's epochs. */
  readonly values: readonly number[];
  readonly nonFinite?: NonFinite;
  readonly reason?: string;
}

export interface RoundResult {
  readonly record: RoundRecord;
  /** In trial order. */
  readonly outcomes: readonly RoundOutcome[];
  readonly memory: RungMemory;
}

/** What a round asks for. Both answer with metric values or losses exactly as stated. */
export interface RoundEffects {
  /** Trains a trial from one budget to another; values are metrics. */
  train(contender: Contender, from: number, to: number): Promise<SegmentOutcome>;
  predict(request: PredictionRequest): Promise<PredictionAnswer>;
}

/** A trial's way through the round. */
interface Runner {
  readonly contender: Contender;
  readonly values: number[];
  end: RoundEnd;
  nonFinite?: NonFinite;
  reason?: string;
}

/** Runs one round to its end. */
export async function runRound(input: RoundInput, effects: RoundEffects): Promise<RoundResult> {
  const { plan, predictor } = input;
  const runners: Runner[] = input.contenders.map((contender) => ({ contender, values: [], end: 'rung' }));
  const trainTo = (runner: Runner, from: number, to: number) => train(effects, runner, from, to);

  let decision: DecisionRecord | null = null;
  let memory = input.memory;
  if (predictor.type !== 'swift' || plan.decisionPoint === null) {
    await Promise.all(runners.map((runner) => trainTo(runner, plan.from, plan.to)));
    if (predictor.type !== 'none') memory = remember(input, memory, runners);
  } else {
    [decision, memory] = await decide(input, predictor, plan.decisionPoint, runners, trainTo, effects);
  }

  const interrupted = runners.some((runner) => runner.end === 'unfinished');
  const ranking = rank(input, runners);
  const promoted = interrupted
    ? []
    : ranking
        .slice(0, input.keep)
        .sort((a, b) => a.contender.index - b.contender.index)
        .map((runner) => runner.contender.id);
  const outcomes = runners.map(outcomeOf);
  return {
    record: {
      bracket: input.bracket,
      index: plan.index,
      from: plan.from,
      to: plan.to,
      trials: runners.map((runner) => runner.contender.id),
      ranking: ranking.map((runner) => ({ trial: runner.contender.id, value: lastOf(runner.values) })),
      promoted,
      decision,
      epochs: outcomes.reduce((sum, outcome) => sum + outcome.epochs, 0),
    },
    outcomes,
    memory,
  };
}

/** Swift-Hyperband's round, steps 1 to 3. */
async function decide(
  input: RoundInput,
  swift: SwiftPredictor,
  p: number,
  runners: readonly Runner[],
  trainTo: (runner: Runner, from: number, to: number) => Promise<void>,
  effects: RoundEffects
): Promise<[DecisionRecord, RungMemory]> {
  const { plan } = input;
  // Step 1: the first m by index go on at once, the rest wait at p.
  const m = Math.min(
    runners.length,
    Math.max(Math.ceil(swift.completeShare * input.next), swift.minCurves - input.memory.count)
  );
  const sentOn = runners.slice(0, m);
  const held = runners.slice(m);
  await Promise.all([
    ...sentOn.map((runner) => trainTo(runner, plan.from, plan.to)),
    ...held.map((runner) => trainTo(runner, plan.from, p)),
  ]);
  const waiting = held.filter((runner) => runner.end === 'rung');
  const complete = sentOn.filter((runner) => runner.end === 'rung');

  // Step 2: the model for (r_i, p) is trained once on D[r_i], which now holds this round's complete curves.
  let memory = remember(input, input.memory, complete);
  const record = {
    epoch: p,
    sentOn: sentOn.map((runner) => runner.contender.id),
    threshold: null,
    trainedOn: 0,
    predictions: [],
  };
  const interrupted = runners.some((runner) => runner.end === 'unfinished');
  if (interrupted || waiting.length === 0) return [record, memory];

  const loss = (runner: Runner) => flip(input.objective, lastOf(runner.values));
  const losses = complete.map(loss);
  const trainedOn = memory.trained[String(p)] ?? memory.curves.length;
  const answer = await ask(input, swift, p, memory, trainedOn, waiting, losses.length, effects);
  if (answer.outcome === 'impossible') {
    await Promise.all(waiting.map((runner) => trainTo(runner, p, plan.to)));
    const predictions = waiting.map((runner) => ({ trial: runner.contender.id, predicted: null, goesOn: true }));
    const threshold = losses.length > 0 ? flip(input.objective, quantile(losses, 0.25)) : null;
    return [{ ...record, threshold, predictions, error: answer.reason }, memory];
  }
  memory = forgetNeedless(input, { ...memory, trained: { ...memory.trained, [p]: trainedOn } });

  // Step 3: who is predicted to end below the best quarter goes on; the best predicted fill up to n_next.
  const threshold = quantile(losses, 0.25);
  const asked = waiting.map((runner, i) => ({ runner, predicted: answer.losses[i] as number }));
  const goesOn = new Set(asked.filter(({ predicted }) => predicted < threshold).map(({ runner }) => runner));
  const byPrediction = [...asked].sort(
    (a, b) => a.predicted - b.predicted || a.runner.contender.index - b.runner.contender.index
  );
  for (const { runner } of byPrediction) {
    if (complete.length + goesOn.size >= input.next) break;
    goesOn.add(runner);
  }
  for (const { runner } of asked) if (!goesOn.has(runner)) runner.end = 'stopped';
  await Promise.all([...goesOn].map((runner) => trainTo(runner, p, plan.to)));
  const predictions = asked.map(({ runner, predicted }) => ({
    trial: runner.contender.id,
    predicted: flip(input.objective, predicted),
    goesOn: goesOn.has(runner),
  }));
  return [{ ...record, threshold: flip(input.objective, threshold), trainedOn, predictions }, memory];
}

async function ask(
  input: RoundInput,
  swift: SwiftPredictor,
  p: number,
  memory: RungMemory,
  trainedOn: number,
  waiting: readonly Runner[],
  complete: number,
  effects: RoundEffects
): Promise<PredictionAnswer> {
  if (complete === 0)
    return { outcome: 'impossible', reason: 'no trial of this round reached the rung to compare with' };
  if (trainedOn < swift.minCurves) {
    return { outcome: 'impossible', reason: `${trainedOn} complete curves, ${swift.minCurves} needed` };
  }
  const curves = memory.curves.slice(0, trainedOn);
  const answer = await effects.predict({
    model: swift.model,
    seed: 0,
    epochs: p,
    training: { curves: curves.map((curve) => curve.slice(0, p)), targets: curves.map(lastOf) },
    candidates: waiting.map((runner) => curveOf(input, runner)),
  });
  if (answer.outcome === 'predicted' && !answer.losses.every(Number.isFinite)) {
    return { outcome: 'impossible', reason: 'the model predicted a value that is no number' };
  }
  return answer;
}

async function train(effects: RoundEffects, runner: Runner, from: number, to: number): Promise<void> {
  const outcome = await effects.train(runner.contender, from, to);
  runner.values.push(...outcome.values);
  if (outcome.outcome === 'completed') return;
  runner.end = outcome.outcome;
  if (outcome.outcome === 'diverged') runner.nonFinite = outcome.nonFinite;
  if (outcome.outcome === 'failed') runner.reason = outcome.reason;
}

/** Losses from the first epoch on. */
function curveOf(input: RoundInput, runner: Runner): number[] {
  return [...runner.contender.values, ...runner.values].map((value) => flip(input.objective, value));
}

/** Adds the finite complete curves of `runners` to D[r_i]. */
function remember(input: RoundInput, memory: RungMemory, runners: readonly Runner[]): RungMemory {
  const complete = runners.filter((runner) => runner.end === 'rung');
  return forgetNeedless(input, {
    ...memory,
    count: memory.count + complete.length,
    curves: [...memory.curves, ...complete.map((runner) => curveOf(input, runner))],
  });
}

/** Cuts D[r_i] down to what a trained or still untrained model needs. */
function forgetNeedless(input: RoundInput, memory: RungMemory): RungMemory {
  const trained = input.decisionPoints.map((p) => memory.trained[String(p)]);
  if (trained.includes(undefined)) return memory;
  return { ...memory, curves: memory.curves.slice(0, Math.max(0, ...(trained as number[]))) };
}

/** Those with a loss at the rung, best first, ties by trial index. */
function rank(input: RoundInput, runners: readonly Runner[]): Runner[] {
  const loss = (runner: Runner) => flip(input.objective, lastOf(runner.values));
  return runners
    .filter((runner) => runner.end === 'rung')
    .sort((a, b) => loss(a) - loss(b) || a.contender.index - b.contender.index);
}

function outcomeOf(runner: Runner): RoundOutcome {
  const { contender, values, end, nonFinite, reason } = runner;
  return {
    id: contender.id,
    index: contender.index,
    end,
    epochs: values.length + (end === 'diverged' ? 1 : 0),
    value: values.at(-1) ?? null,
    values,
    ...(nonFinite === undefined ? {} : { nonFinite }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function lastOf(values: readonly number[]): number {
  const last = values.at(-1);
  if (last === undefined) throw new RangeError('a trial at its rung has no value');
  return last;
}
