/** What makes a study readable in Temporal's Web UI alone: search attributes and Markdown tables. */
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { epochBound } from '../core/plan.js';
import type { Study } from '../core/study.js';
import type { BracketStatus, StudyPhase, StudyStatus } from './messages.js';

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
