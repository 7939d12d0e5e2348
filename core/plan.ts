/**
 * The bracket table of a study, in integers: floating-point logarithms lose a bracket at R=243, eta=3 and
 * R=1000, eta=10. Hyperband: Li et al. 2017, algorithm 1.
 */
import { pow } from './math.js';
import type { HyperbandScheduler, Predictor, Scheduler, Study } from './study.js';

export interface RoundPlan {
  readonly index: number;
  /** n_i: trials that enter when none was lost before. */
  readonly trials: number;
  /** Budget they come with. */
  readonly from: number;
  /** r_i: the rung. */
  readonly to: number;
  /** p: the decision point inside the round; null when there is none. */
  readonly decisionPoint: number | null;
  readonly last: boolean;
}

export interface BracketPlan {
  readonly id: string;
  /** 1-based. */
  readonly iteration: number;
  readonly s: number;
  /** Global index of its first trial. */
  readonly offset: number;
  readonly trials: number;
  readonly rounds: readonly RoundPlan[];
}

export interface StudyPlan {
  readonly brackets: readonly BracketPlan[];
  readonly trials: number;
  /** Epochs with resume from checkpoints, nobody stopped early. */
  readonly epochs: number;
  /** Epochs if every rung trained again from the start. */
  readonly epochsFromScratch: number;
}

/** num / den to the nearest integer, halves to even, as the published code does (R=100, eta=2: 12.5 is 12). */
export function roundHalfEven(num: number, den: number): number {
  const floor = Math.floor(num / den);
  const twice = 2 * (num - floor * den);
  if (twice !== den) return twice < den ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Largest s with minBudget * eta^s <= maxBudget. */
export function largestBracket(scheduler: Pick<HyperbandScheduler, 'maxBudget' | 'eta' | 'minBudget'>): number {
  let s = 0;
  for (let budget = scheduler.minBudget * scheduler.eta; budget <= scheduler.maxBudget; budget *= scheduler.eta) s++;
  return s;
}

/** Trials that go on after a round of `entered`. */
export function kept(scheduler: Scheduler, entered: number): number {
  return scheduler.type === 'full' ? entered : Math.max(Math.floor(entered / scheduler.eta), 1);
}

interface Shape {
  readonly s: number;
  readonly trials: number;
  readonly rungs: readonly number[];
}

/** The brackets of one iteration, most aggressive first. */
function shapes(scheduler: Scheduler): Shape[] {
  switch (scheduler.type) {
    case 'full':
      return [{ s: 0, trials: scheduler.trials, rungs: [scheduler.maxBudget] }];
    case 'successiveHalving':
    case 'asha': {
      const rungs: number[] = [];
      for (let r = scheduler.minBudget; r < scheduler.maxBudget; r *= scheduler.eta) rungs.push(r);
      rungs.push(scheduler.maxBudget);
      const trials = scheduler.trials === 'untilLimit' ? pow(scheduler.eta, rungs.length - 1) : scheduler.trials;
      return [{ s: rungs.length - 1, trials, rungs }];
    }
    case 'hyperband': {
      const { maxBudget, eta, brackets, bracketFormula } = scheduler;
      const sMax = largestBracket(scheduler);
      const wanted = brackets === 'all' ? sMax + 1 : Math.min(brackets, sMax + 1);
      return Array.from({ length: wanted }, (_, k) => {
        const s = sMax - k;
        const width = pow(eta, s);
        const trials =
          bracketFormula === 'ceil'
            ? Math.floor(((sMax + 1) * width + s) / (s + 1))
            : Math.floor((sMax + 1) / (s + 1)) * width;
        const rungs = Array.from({ length: s + 1 }, (_, i) => roundHalfEven(maxBudget * pow(eta, i), width));
        return { s, trials, rungs };
      });
    }
  }
}

/** ceil(share * count) of a decimal share: 0.55 * 100 is 55, which floating point makes 55.00000000000001. */
export function ceilShare(share: number, count: number): number {
  return Math.ceil(share * count - 1e-9);
}

function decisionPoint(predictor: Predictor, from: number, to: number): number | null {
  if (predictor.type !== 'swift' && predictor.type !== 'median') return null;
  const p = from + Math.max(1, ceilShare(predictor.decisionPoint, to - from));
  return p < to ? p : null;
}

/** The brackets of iteration `iteration` (1-based), in the order they run. */
export function planIteration(scheduler: Scheduler, predictor: Predictor, iteration: number): BracketPlan[] {
  const all = shapes(scheduler);
  let offset = (iteration - 1) * all.reduce((sum, shape) => sum + shape.trials, 0);
  return all.map(({ s, trials, rungs }) => {
    let entering = trials;
    const rounds = rungs.map((to, index) => {
      const from = index === 0 ? 0 : (rungs[index - 1] ?? 0);
      const last = index === rungs.length - 1;
      const round = { index, trials: entering, from, to, decisionPoint: decisionPoint(predictor, from, to), last };
      entering = kept(scheduler, entering);
      return round;
    });
    const plan = { id: iteration === 1 ? `b${s}` : `i${iteration}-b${s}`, iteration, s, offset, trials, rounds };
    offset += trials;
    return plan;
  });
}

/** How many iterations a study runs at most; Infinity when only a limit ends it. */
export function iterationsOf(scheduler: Scheduler): number {
  if (scheduler.type !== 'hyperband') return 1;
  return scheduler.iterations === 'untilLimit' ? Infinity : scheduler.iterations;
}

/** The whole table; `iterations` defaults to what the scheduler says, one when it runs until a limit. */
export function planStudy(scheduler: Scheduler, predictor: Predictor, iterations?: number): StudyPlan {
  const own = iterationsOf(scheduler);
  const count = iterations ?? (own === Infinity ? 1 : own);
  const brackets = Array.from({ length: count }, (_, i) => planIteration(scheduler, predictor, i + 1)).flat();
  const rounds = brackets.flatMap((bracket) => bracket.rounds);
  return {
    brackets,
    trials: brackets.reduce((sum, bracket) => sum + bracket.trials, 0),
    epochs: rounds.reduce((sum, round) => sum + round.trials * (round.to - round.from), 0),
    epochsFromScratch: rounds.reduce((sum, round) => sum + round.trials * round.to, 0),
  };
}

/** Most epochs the study trains; null where nothing says: ASHA and endless iterations, without a limit of epochs. */
export function epochBound({
  scheduler,
  predictor,
  limits,
}: Pick<Study, 'scheduler' | 'predictor' | 'limits'>): number | null {
  const open = scheduler.type === 'asha' || iterationsOf(scheduler) === Infinity;
  return open ? (limits.epochs ?? null) : planStudy(scheduler, predictor).epochs;
}

/** Every decision point the plan has for rung `to`: a model is trained once for each. */
export function decisionPointsOf(study: Pick<Study, 'scheduler' | 'predictor'>, to: number): number[] {
  const rounds = planIteration(study.scheduler, study.predictor, 1)
    .flatMap((bracket) => bracket.rounds)
    .filter((round) => round.to === to);
  const points = rounds.flatMap((round) => {
    if (study.predictor.type !== 'fast') return round.decisionPoint === null ? [] : [round.decisionPoint];
    return Array.from({ length: Math.max(0, to - round.from - 1) }, (_, i) => round.from + 1 + i);
  });
  return [...new Set(points)];
}

/** Every epoch at which the plan asks about trials. */
export function decisionEpochs(study: Pick<Study, 'scheduler' | 'predictor'>): number[] {
  const rounds = planIteration(study.scheduler, study.predictor, 1).flatMap((bracket) => bracket.rounds);
  return [...new Set(rounds.flatMap((round) => round.decisionPoint ?? []))].sort((a, b) => a - b);
}

/** Most trials of a study in flight. */
export const mostInFlight = 10_000;

/** ASHA is one workflow, whose history holds so many jobs; a round is cut into shards. */
export function mostParallel(scheduler: Scheduler): number {
  return scheduler.type === 'asha' ? 500 : mostInFlight;
}
