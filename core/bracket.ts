/** One bracket: its rounds one after the other, the survivors of each entering the next. */
import type { Memory } from './memory.js';
import { flip } from './objective.js';
import { decisionPointsOf, kept, type BracketPlan } from './plan.js';
import type { RoundInput, RoundResult } from './round.js';
import type { Contender } from './runner.js';
import type { Study } from './study.js';
import { trialId } from './trial.js';

export interface Best {
  readonly trial: string;
  /** Metric at `budget`. */
  readonly value: number;
  readonly budget: number;
}

/** Why a bracket ended before its last round; null when it did not. */
export type EarlyEnd = 'epochLimit' | 'target' | 'stopped' | null;

export interface BracketInput {
  readonly study: Study;
  readonly plan: BracketPlan;
  readonly memory: Memory;
  /** Epochs of the study before this bracket. */
  readonly epochsBefore: number;
}

export interface BracketResult {
  readonly rounds: readonly RoundResult[];
  readonly memory: Memory;
  readonly epochs: number;
  readonly best: Best | null;
  readonly ended: EarlyEnd;
}

export interface BracketEffects {
  runRound(input: RoundInput): Promise<RoundResult>;
}

export async function runBracket(input: BracketInput, effects: BracketEffects): Promise<BracketResult> {
  const { study, plan } = input;
  const { objective, limits, scheduler, sampler } = study;
  let memory = input.memory;
  let epochs = 0;
  let best: Best | null = null;
  let contenders: readonly Contender[] = Array.from({ length: plan.trials }, (_, index) => {
    return { id: trialId(plan.id, index), index, values: [] };
  });
  const rounds: RoundResult[] = [];
  const end = (ended: EarlyEnd): BracketResult => ({ rounds, memory, epochs, best, ended });

  for (const round of plan.rounds) {
    if (contenders.length === 0) break;
    const cost = contenders.length * (round.to - round.from);
    if (limits.epochs !== undefined && input.epochsBefore + epochs + cost > limits.epochs) return end('epochLimit');
    const result = await effects.runRound({
      bracket: plan.id,
      plan: round,
      study,
      contenders,
      next: round.last ? 1 : kept(scheduler, round.trials),
      memory,
      decisionPoints: decisionPointsOf(study, round.to),
      offset: plan.offset,
      wave: sampler.type === 'tpe' && round.index === 0 ? sampler.wave : null,
      observe: sampler.type === 'tpe',
    });
    rounds.push(result);
    epochs += result.record.epochs;
    memory = result.memory;
    const first = result.record.ranking[0];
    if (first) best = better(objective, best, { ...first, budget: round.to });
    if (result.outcomes.some((outcome) => outcome.end === 'unfinished')) return end('stopped');
    if (limits.target !== undefined && first && reached(study, first.value)) return end('target');
    contenders = survivors(contenders, result);
  }
  return end(null);
}

/** The promoted trials of a round, in trial order, with their curves. */
function survivors(contenders: readonly Contender[], result: RoundResult): Contender[] {
  const promoted = new Set(result.record.promoted);
  const grown = new Map(result.outcomes.map((outcome) => [outcome.id, outcome.values]));
  return contenders
    .filter(({ id }) => promoted.has(id))
    .map((contender) => ({ ...contender, values: [...contender.values, ...(grown.get(contender.id) ?? [])] }));
}

/** The better of two bests: the larger budget first, then the value; the earlier one on a tie. */
export function better(objective: Study['objective'], a: Best | null, b: Best | null): Best | null {
  if (a === null || b === null) return a ?? b;
  if (a.budget !== b.budget) return a.budget > b.budget ? a : b;
  return flip(objective, b.value) < flip(objective, a.value) ? b : a;
}

function reached(study: Study, value: number): boolean {
  const target = study.limits.target as number;
  return flip(study.objective, value) <= flip(study.objective, target);
}
