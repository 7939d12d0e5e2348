/** What an ASHA study came to, rung by rung: the form in which every scheduler's result is recorded. */
import { flip } from './objective.js';
import type { BracketPlan } from './plan.js';
import type { ClosedRound } from './round.js';
import type { AshaCompletion } from './run-asha.js';
import type { Objective } from './study.js';

/** `promoted`: by rung, the trials that left it, those still on their way included. */
export function ashaRounds(
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
          asked.length === 0
            ? null
            : {
                epoch: round.decisionPoint,
                sentOn: own.filter(({ prediction }) => !prediction).map(({ outcome }) => outcome.id),
                predictions: asked.flatMap(({ prediction }) => prediction ?? []),
                threshold: asked.at(-1)?.prediction?.threshold ?? null,
                trainedOn: 0,
                modelsTrained: own.filter(({ trained }) => trained).length,
              },
        epochs: outcomes.reduce((sum, outcome) => sum + outcome.epochs, 0),
      },
      outcomes,
    };
  });
  const last = rounds.findLastIndex(({ outcomes }) => outcomes.length > 0);
  return rounds.slice(0, last + 1);
}
