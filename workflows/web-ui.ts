/** What makes a study readable in Temporal's Web UI alone: search attributes and Markdown tables. */
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { better, type Best } from '../core/bracket.js';
import { epochBound } from '../core/plan.js';
import type { RoundRecord } from '../core/record.js';
import type { RoundInput } from '../core/round.js';
import type { Scheduler, Study } from '../core/study.js';
import type { BracketStatus, StudyPhase, StudyStatus } from './messages.js';

/** Rows of a round's ranking; the record has them all. */
const mostRanks = 30;

const keys = {
  study: defineSearchAttributeKey('EverbandStudy', 'KEYWORD'),
  phase: defineSearchAttributeKey('EverbandPhase', 'KEYWORD'),
  predictor: defineSearchAttributeKey('EverbandPredictor', 'KEYWORD'),
  bracket: defineSearchAttributeKey('EverbandBracket', 'INT'),
  round: defineSearchAttributeKey('EverbandRound', 'INT'),
  best: defineSearchAttributeKey('EverbandBest', 'DOUBLE'),
};

export function searchAttributesOf(
  study: Study,
  place: { bracket?: number; round?: number; phase?: StudyPhase; best?: number | null }
): SearchAttributePair[] {
  const pairs: SearchAttributePair[] = [
    { key: keys.study, value: study.name },
    { key: keys.predictor, value: study.predictor.type },
  ];
  if (place.phase !== undefined) pairs.push({ key: keys.phase, value: place.phase });
  if (place.bracket !== undefined) pairs.push({ key: keys.bracket, value: place.bracket });
  if (place.round !== undefined) pairs.push({ key: keys.round, value: place.round });
  if (place.best !== undefined && place.best !== null) pairs.push({ key: keys.best, value: place.best });
  return pairs;
}

/** A scheduler in a line: `hyperband, R=81, eta=3`. */
export function schedulerText(scheduler: Scheduler): string {
  const parts = [scheduler.type, `R=${scheduler.maxBudget}`];
  if ('eta' in scheduler) parts.push(`eta=${scheduler.eta}`);
  if ('trials' in scheduler && scheduler.trials !== 'untilLimit') parts.push(`${scheduler.trials} trials`);
  return parts.join(', ');
}

export function bracketDetails(study: Study, bracket: BracketStatus): string {
  const rows = bracket.rounds.map(
    (round) =>
      `| ${round.index} | ${round.from} to ${round.to} | ${bracket.asynchronous ? round.entered : round.entered || round.planned} | ${round.promoted} | ` +
      `${round.stopped} | ${round.diverged} | ${round.failed} | ${round.epochs} | ${round.best ?? ''} | ${round.state} |`
  );
  return [
    `**${study.name} ${bracket.id}**: ${study.objective.mode} \`${study.objective.metric}\``,
    '',
    `| ${bracket.asynchronous ? 'rung' : 'round'} | ${study.budgetUnit} | trials | promoted | stopped | diverged | failed | spent | best | state |`,
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** A round while it trains (`record` null) and when it has closed. */
export function roundDetails(
  { study, bracket, plan, contenders, next }: RoundInput,
  record: RoundRecord | null
): string {
  const head = [
    `**${study.name} ${bracket} round ${plan.index}**: ${contenders.length} trials, ${study.budgetUnit} ${plan.from} to ${plan.to}` +
      (plan.last ? '' : `, the best ${next} go on`),
  ];
  if (plan.decisionPoint !== null) head.push('', `Decision point: ${study.budgetUnit} ${plan.decisionPoint}`);
  if (record === null) return head.join('\n');
  const { decision, ranking, promoted, epochs } = record;
  const stopped = decision?.predictions.filter(({ goesOn }) => !goesOn).length ?? 0;
  const why = decision?.error ?? decision?.fallback;
  if (decision)
    head.push('', `Asked about ${decision.predictions.length} trials, stopped ${stopped}${why ? `: ${why}` : ''}`);
  const went = new Set(promoted);
  return [
    ...head,
    '',
    `Spent: ${epochs} ${study.budgetUnit}`,
    '',
    `| rank | trial | ${study.objective.metric} | promoted |`,
    '|---|---|---|---|',
    ...ranking
      .slice(0, mostRanks)
      .map(({ trial, value }, i) => `| ${i + 1} | ${trial} | ${value} | ${went.has(trial) ? 'yes' : ''} |`),
  ].join('\n');
}

export function studyDetails(study: Study, status: StudyStatus): string {
  const rows = status.brackets.slice(-40).map((bracket) => {
    const sum = (of: 'epochs' | 'stopped' | 'diverged' | 'failed') =>
      bracket.rounds.reduce((total, round) => total + round[of], 0);
    const first = bracket.rounds[0];
    return `| ${bracket.id} | ${first?.planned ?? 0} | ${bracket.rounds.length} | ${sum('epochs')} | ${sum('stopped')} | ${sum('diverged')} | ${sum('failed')} | ${bracket.state} |`;
  });
  const best = status.best
    ? `Best: \`${status.best.trial}\`, ${study.objective.metric} ${status.best.value} at ${status.best.budget} ${study.budgetUnit}`
    : study.scheduler.type === 'asha'
      ? 'ASHA promotes trial by trial: the workflow of its bracket says how the rungs stand'
      : 'No round closed yet';
  const bound = epochBound(study);
  return [
    `**${study.name}**: ${status.phase}, ${status.epochs}${bound === null ? '' : ` of ${bound}`} ${study.budgetUnit}`,
    '',
    best,
    '',
    '| bracket | trials | rounds | spent | stopped | diverged | failed | state |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** `status` with what its running brackets have come to so far. */
export function soFar(status: StudyStatus): StudyStatus {
  const { study, result } = status;
  if (!study || result) return status;
  const open = status.brackets.filter(({ state }) => state === 'running').flatMap(({ rounds }) => rounds);
  const reached = open.map(({ best, to }): Best | null =>
    best === null ? null : { trial: '', value: best, budget: to }
  );
  return {
    ...status,
    epochs: open.reduce((sum, round) => sum + round.epochs, status.epochs),
    best: reached.reduce<Best | null>((best, one) => better(study.objective, best, one), status.best),
  };
}
