/** What a decision point asks its model: trained once on D[r_i] and kept for later brackets. */
import { noteTrained, rungOf, withRung, type Memory } from '../memory.js';
import { decisionPointsOf } from '../plan.js';
import { trainingSet, type PredictionAnswer, type PredictionRequest, type TrainingSet } from '../predictor.js';
import { stream } from '../rng.js';
import type { Model, Study } from '../study.js';

export interface Question {
  readonly request: PredictionRequest;
  /** Curves the model is trained on. */
  readonly trainedOn: number;
  /** Whether no earlier question trained it. */
  readonly fresh: boolean;
}

/** Where a question belongs. */
export interface DecisionPoint {
  readonly study: Study;
  /** r_i. */
  readonly rung: number;
  /** Epochs known. */
  readonly p: number;
}

/** The question, or why there is none. `minCurves`: d. `sets`: training sets in use, so that a fitted model is found again. */
export function questionOf(
  memory: Memory,
  { study, rung, p }: DecisionPoint,
  { model, minCurves }: { readonly model: Model; readonly minCurves: number },
  candidates: readonly (readonly number[])[],
  options: { readonly uncertainty?: boolean; readonly sets?: Map<number, TrainingSet> } = {}
): Question | string {
  const { curves, trained, solved } = rungOf(memory, rung);
  const known = trained[String(p)];
  const trainedOn = known ?? curves.length;
  if (trainedOn < minCurves) return `${trainedOn} complete curves, ${minCurves} needed`;
  const training = options.sets?.get(p) ?? trainingSet(curves.slice(0, trainedOn), p);
  options.sets?.set(p, training);
  const before = solved[String(p)];
  const elsewhere = model.type === 'annealer' && model.solver === 'dwave';
  return {
    request: {
      model,
      // A model that draws is the same in every bracket.
      seed: stream(study.seed, 'model', rung, p).uint32(),
      epochs: p,
      training,
      candidates,
      ...(options.uncertainty ? { uncertainty: true } : {}),
      ...(before ? { solved: before } : {}),
      ...(elsewhere ? { qpuSecondsUsed: memory.qpuSeconds } : {}),
    },
    trainedOn,
    fresh: known === undefined,
  };
}

/** Notes that the question's model is trained on the curves it was asked with. */
export function noteAsked(memory: Memory, { study, rung, p }: DecisionPoint, trainedOn: number): Memory {
  const own = rungOf(memory, rung);
  if (own.trained[String(p)] !== undefined) return memory;
  return withRung(memory, rung, noteTrained(own, p, trainedOn, decisionPointsOf(study, rung)));
}

/** Takes back that a model is trained which could not be: more curves may teach one. */
export function noteUntrained(memory: Memory, { rung, p }: DecisionPoint): Memory {
  const own = rungOf(memory, rung);
  const trained = Object.fromEntries(Object.entries(own.trained).filter(([epoch]) => epoch !== String(p)));
  return withRung(memory, rung, { ...own, trained });
}

/** Keeps what a solver elsewhere found and what it cost. */
export function noteSolved(memory: Memory, { rung, p }: DecisionPoint, answer: PredictionAnswer): Memory {
  if (answer.outcome !== 'predicted' || !answer.solved) return memory;
  const own = rungOf(memory, rung);
  const spent = { ...memory, qpuSeconds: memory.qpuSeconds + answer.solved.qpuSeconds };
  return withRung(spent, rung, { ...own, solved: { ...own.solved, [p]: answer.solved } });
}
