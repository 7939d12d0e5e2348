/**
 * The table of a study: which brackets its scheduler runs, and the rounds or rungs of each. Only integers, for
 * floating-point logarithms lose a bracket at R=243, eta=3 and R=1000, eta=10.
 */
import { prunerOf, type PrunerSettings } from '../pruners/index.js';
import type { Limits } from '../settings.js';
import type { SchedulerDefinition } from './scheduler.js';

export interface RoundPlan {
  readonly index: number;
  /** n_i: trials that enter when none was lost before. */
  readonly trials: number;
  /** Budget they come with. */
  readonly from: number;
  /** r_i: the rung. */
  readonly to: number;
  /** p: the decision point inside the round; null when there is none, or one after every epoch. */
  readonly decisionPoint: number | null;
  readonly last: boolean;
}

export interface BracketPlan {
  /** `b4`; from the second iteration on `i2-b4`. */
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
  /** Where the study is endless, those of one iteration. */
  readonly brackets: readonly BracketPlan[];
  readonly trials: number;
  /** Epochs with resume from checkpoints, nobody stopped early. */
  readonly epochs: number;
  /** Epochs if every rung trained again from the start. */
  readonly epochsFromScratch: number;
  /** What a bracket's steps are called. */
  readonly step: 'round' | 'rung';
  /** Whether only a limit ends the study. */
  readonly endless: boolean;
  /** Whether nobody can train more than the table says. */
  readonly bounds: boolean;
}

/** What a plan follows from. */
export interface PlanInput<Settings extends { readonly type: string; readonly maxBudget: number }> {
  readonly definition: SchedulerDefinition<Settings>;
  readonly settings: Settings;
  readonly pruner: PrunerSettings;
}

/** num / den to the nearest integer, halves to even, as the published code does (R=100, eta=2: 12.5 is 12). */
export function roundHalfEven(num: number, den: number): number {
  const floor = Math.floor(num / den);
  const twice = 2 * (num - floor * den);
  if (twice !== den) return twice < den ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Largest s with minBudget * eta^s <= maxBudget. */
export function largestBracket(settings: {
  readonly maxBudget: number;
  readonly eta: number;
  readonly minBudget: number;
}): number {
  let s = 0;
  for (let budget = settings.minBudget * settings.eta; budget <= settings.maxBudget; budget *= settings.eta) s++;
  return s;
}

/** r_min * eta^k below R, and R. */
export function geometricRungs(settings: {
  readonly maxBudget: number;
  readonly eta: number;
  readonly minBudget: number;
}): number[] {
  const rungs: number[] = [];
  for (let r = settings.minBudget; r < settings.maxBudget; r *= settings.eta) rungs.push(r);
  return [...rungs, settings.maxBudget];
}

export class Plan<Settings extends { readonly type: string; readonly maxBudget: number }> {
  /** The brackets of the first iteration. */
  readonly first: readonly BracketPlan[];
  /** How often they run; Infinity when only a limit ends it. */
  readonly iterations: number;

  constructor(private readonly input: PlanInput<Settings>) {
    this.first = this.iteration(1);
    this.iterations = input.definition.iterations?.(input.settings) ?? 1;
  }

  /** The scheduler's name in a sentence. */
  get title(): string {
    return this.input.definition.title;
  }

  /** Whether everybody who comes to a rung goes on from it: of two, both. */
  get keepsAll(): boolean {
    const { definition, settings } = this.input;
    return definition.kept(settings, 2) === 2;
  }

  /** The brackets of iteration `iteration` (1-based), in the order they run. */
  iteration(iteration: number): BracketPlan[] {
    const { definition, settings, pruner } = this.input;
    const all = definition.shapes(settings);
    let offset = (iteration - 1) * all.reduce((sum, shape) => sum + shape.trials, 0);
    return all.map(({ s, trials, rungs }) => {
      let entering = trials;
      const rounds = rungs.map((to, index) => {
        const from = index === 0 ? 0 : (rungs[index - 1] ?? 0);
        const last = index === rungs.length - 1;
        const decisionPoint = prunerOf(pruner).decisionPoint(pruner, from, to);
        const round = { index, trials: entering, from, to, decisionPoint, last };
        entering = definition.kept(settings, entering);
        return round;
      });
      const plan = { id: iteration === 1 ? `b${s}` : `i${iteration}-b${s}`, iteration, s, offset, trials, rounds };
      offset += trials;
      return plan;
    });
  }

  /** The whole table; `iterations` defaults to what the scheduler says, one when it runs until a limit. */
  table(iterations = this.iterations === Infinity ? 1 : this.iterations): StudyPlan {
    const { definition, settings } = this.input;
    const brackets = Array.from({ length: iterations }, (_, i) => this.iteration(i + 1)).flat();
    const rounds = brackets.flatMap((bracket) => bracket.rounds);
    const endless = this.iterations === Infinity || (definition.endless?.(settings) ?? false);
    return {
      brackets,
      trials: brackets.reduce((sum, bracket) => sum + bracket.trials, 0),
      epochs: rounds.reduce((sum, round) => sum + round.trials * (round.to - round.from), 0),
      epochsFromScratch: rounds.reduce((sum, round) => sum + round.trials * round.to, 0),
      step: definition.step,
      endless,
      bounds: !endless && (definition.step === 'round' || this.keepsAll),
    };
  }

  /** Most epochs the study trains; null where nothing says. */
  epochBound(limits: Limits): number | null {
    const { epochs, bounds } = this.table();
    const limit = limits.epochs ?? null;
    if (!bounds) return limit;
    return limit === null ? epochs : Math.min(epochs, limit);
  }

  /** Every decision point that the plan has for rung `to`: a predictor is trained once for each. */
  pointsOf(to: number): number[] {
    const { pruner } = this.input;
    const rounds = this.first.flatMap((bracket) => bracket.rounds).filter((round) => round.to === to);
    return [...new Set(rounds.flatMap((round) => prunerOf(pruner).points(pruner, round.from, round.to)))];
  }

  /** Every epoch after `from`, up to `to`, that is a decision point of some bracket. */
  passes(from: number, to: number): number[] {
    const all = this.first.flatMap((bracket) => bracket.rounds).flatMap((round) => round.decisionPoint ?? []);
    return [...new Set(all)].filter((epoch) => epoch > from && epoch <= to).sort((a, b) => a - b);
  }
}
