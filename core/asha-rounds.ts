/** What an ASHA study came to, rung by rung: the form in which every scheduler's result is recorded. */
import type { AshaState } from './asha.js';
import type { BracketMaterial } from './assemble.js';
import { flip } from './objective.js';
import type { BracketPlan } from './plan.js';
import { mergeProposals, type Proposal } from './propose.js';
import type { ClosedRound } from './round.js';
import type { AshaCompletion } from './run-asha.js';
import type { Objective } from './study.js';

/** What happened between two moments of an ASHA study. */
export interface AshaPart {
  /** Everything that decided, in the order it happened. */
  readonly order: readonly string[];
  readonly completions: readonly AshaCompletion[];
  /** How the study stands at the end of a run; null inside one. */
  readonly standing: Pick<AshaState, 'started' | 'promoted'> | null;
}

/** `parts` in order. Trials that were drawn and never started are left out. */
export function ashaMaterial(
  plan: BracketPlan,
  objective: Objective,
  proposals: readonly Proposal[],
  parts: readonly AshaPart[]
): BracketMaterial {
  const completions = parts.flatMap((part) => part.completions);
  const standing = parts.findLast((part) => part.standing !== null)?.standing;
  const seen = completions.reduce((most, { outcome }) => Math.max(most, outcome.index + 1), 0);
  const started = Math.max(seen, standing?.started ?? 0);
  const proposal = mergeProposals(proposals);
  return {
    id: plan.id,
    proposal: { ...proposal, trials: proposal.trials.filter(({ index }) => index < started) },
    rounds: ashaRounds(plan, objective, completions, standing?.promoted ?? []),
    order: parts.flatMap((part) => part.order),
  };
}

/** `promoted`: by rung, the trials that left it, those still on their way included. */
function ashaRounds(
  plan: BracketPlan,
  objective: Objective,
  completions: readonly AshaCompletion[],
  promoted: readonly (readonly number[])[]
): ClosedRound[] {
  const rounds = plan.rounds.map((round): ClosedRound => {
    const own = completions.filter((completion) => completion.rung === round.index);
    const outcomes = own.map(({ outcome }) => outcome).sort((a, b) => a.index - b.index);
    const loss = ({ value }: { value: number | null }) => flip(objective, value as number);
    const ranking = outcomes
      .filter(({ end }) => end === 'rung')
      .sort((a, b) => loss(a) - loss(b) || a.index - b.index)
      .map(({ id, value }) => ({ trial: id, value: value as number }));
    const above = completions.filter(({ rung }) => rung === round.index + 1).map(({ outcome }) => outcome.index);
    const left = new Set([...(promoted[round.index] ?? []), ...above]);
    const asked = own.filter(({ prediction }) => prediction);
    const error = own.find((completion) => completion.error !== undefined)?.error;
    const fallback = own.find((completion) => completion.fallback !== undefined)?.fallback;
    return {
      record: {
        bracket: plan.id,
        index: round.index,
        from: round.from,
        to: round.to,
        trials: outcomes.map(({ id }) => id),
        ranking,
        promoted: outcomes.filter(({ index }) => left.has(index)).map(({ id }) => id),
        decision:
          asked.length === 0 && error === undefined
            ? null
            : {
                epoch: round.decisionPoint,
                sentOn: own.filter(({ prediction }) => !prediction).map(({ outcome }) => outcome.id),
                predictions: asked.flatMap(({ prediction }) => prediction ?? []),
                threshold: asked.at(-1)?.prediction?.threshold ?? null,
                trainedOn: Math.max(0, ...asked.map(({ trainedOn }) => trainedOn ?? 0)),
                modelsTrained: own.filter(({ trained }) => trained).length,
                ...(error === undefined ? {} : { error }),
                ...(fallback === undefined ? {} : { fallback }),
              },
        epochs: outcomes.reduce((sum, outcome) => sum + outcome.epochs, 0),
      },
      outcomes,
    };
  });
  const last = rounds.findLastIndex(({ outcomes }) => outcomes.length > 0);
  return rounds.slice(0, last + 1);
}
