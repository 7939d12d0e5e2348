/** What makes a study readable in Temporal's Web UI alone: search attributes and Markdown tables. */
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { resultsOf, type ClosedGroup } from '../core/engine/group-run.js';
import type { Group } from '../core/engine/work.js';
import { modeOf } from '../core/objectives/index.js';
import { planOf, type SchedulerSettings, type Study } from '../core/study.js';
import type { LateRetry } from '../core/late.js';
import type { LateStart } from './activity-types.js';
import { payloadsAreEncrypted } from './encryption.js';
import { workflowIds, type StudyPhase, type StudyStatus } from './messages.js';

/** Rows of a round's ranking; the record has them all. */
const maxRanks = 30;
/** Characters of what somebody else said. */
const maxQuoted = 300;
/** Control characters, and marks that turn text around. */
// eslint-disable-next-line no-control-regex
const controls = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** Brackets of a study's page, the latest. */
const maxBrackets = 40;

const keys = {
  study: defineSearchAttributeKey('EverbandStudy', 'KEYWORD'),
  phase: defineSearchAttributeKey('EverbandPhase', 'KEYWORD'),
  pruner: defineSearchAttributeKey('EverbandPruner', 'KEYWORD'),
  bracket: defineSearchAttributeKey('EverbandBracket', 'INT'),
  round: defineSearchAttributeKey('EverbandRound', 'INT'),
  best: defineSearchAttributeKey('EverbandBest', 'DOUBLE'),
};

export function searchAttributesOf(
  study: Study,
  place: { bracket?: string; round?: number; phase?: StudyPhase; best?: number | null }
): SearchAttributePair[] {
  const pairs: SearchAttributePair[] = [
    { key: keys.study, value: study.name },
    { key: keys.pruner, value: study.pruner.type },
  ];
  if (place.phase !== undefined) pairs.push(phaseAttribute(place.phase));
  // `i2-b4` is bracket 4.
  if (place.bracket !== undefined) pairs.push({ key: keys.bracket, value: Number(/(\d+)$/.exec(place.bracket)?.[1]) });
  if (place.round !== undefined) pairs.push({ key: keys.round, value: place.round });
  // Search attributes are never encrypted.
  const best = payloadsAreEncrypted ? null : place.best;
  if (best !== undefined && best !== null) pairs.push({ key: keys.best, value: best });
  return pairs;
}

export function phaseAttribute(phase: StudyPhase): { key: typeof keys.phase; value: StudyPhase } {
  return { key: keys.phase, value: phase };
}

/** What the Web UI's list shows of a study beside its search attributes. */
export function memoOf({ seed, scheduler, pruner }: Study): Record<string, unknown> {
  return { seed, scheduler, pruner };
}

/** A scheduler in a line: `hyperband, R=81, eta=3`. */
export function schedulerText(scheduler: SchedulerSettings): string {
  const parts = [scheduler.type, `R=${scheduler.maxBudget}`];
  if ('eta' in scheduler) parts.push(`eta=${scheduler.eta}`);
  if ('trials' in scheduler && scheduler.trials !== 'untilLimit') parts.push(`${scheduler.trials} trials`);
  return parts.join(', ');
}

/** A round while it trains (`closed` null) and when it has closed. */
export function roundDetails(study: Study, group: Group, closed: ClosedGroup | null, trouble: string | null): string {
  const { bracket, round, members, from, to, places, decisionPoint } = group;
  const head = [
    `**${study.name} ${bracket} round ${round}**: ${members.length} trials, ${word(study.budgetUnit)} ${from} to ${to}` +
      (to === study.scheduler.maxBudget ? '' : `, the best ${places} go on`),
  ];
  if (trouble !== null) head.push('', `**Trouble**: ${quoted(trouble)}`);
  if (decisionPoint !== null) head.push('', `Decision point: ${word(study.budgetUnit)} ${decisionPoint}`);
  if (closed === null) return head.join('\n');
  const { decision, outcomes, closing } = closed;
  const stopped = decision?.predictions.filter(({ goesOn }) => !goesOn).length ?? 0;
  const why = decision?.error ?? decision?.fallback;
  if (decision) {
    head.push(
      '',
      `The pruner asked about ${decision.predictions.length} trials and stopped ${stopped}${why ? `: ${quoted(why)}` : ''}.`
    );
  }
  const { value, compare } = modeOf(study.objective);
  const ranking = resultsOf(closing)
    .flatMap((result, i) => (result === null ? [] : [{ trial: outcomes[i]?.id ?? '', ...result }]))
    .sort(compare);
  return [
    ...head,
    '',
    `Spent: ${closing.epochs} ${word(study.budgetUnit)}`,
    '',
    `| rank | trial | ${word(study.objective.metric)} |`,
    '|---|---|---|',
    ...ranking.slice(0, maxRanks).map(({ trial, loss }, i) => `| ${i + 1} | ${trial} | ${value(loss)} |`),
  ].join('\n');
}

export function studyDetails(study: Study, status: StudyStatus): string {
  const step = status.brackets[0]?.step ?? 'round';
  const rows = status.brackets
    .slice(-maxBrackets)
    .flatMap((bracket) =>
      bracket.rounds
        .filter(({ state }) => state !== 'waiting')
        .map(
          (round) =>
            `| ${bracket.id} | ${round.index} | ${round.from} to ${round.to} | ${round.entered} | ${round.promoted} | ${round.stopped} | ` +
            `${round.diverged} | ${round.failed} | ${round.epochs} | ${round.best ? `${round.best.value} (${round.best.trial})` : ''} | ${round.state} |`
        )
    );
  const best = status.best
    ? `Best: \`${status.best.trial}\`, ${word(study.objective.metric)} ${status.best.value} at ${status.best.budget} ${word(study.budgetUnit)}`
    : 'No trial has come to a rung yet.';
  const bound = planOf(study).epochBound(study.limits);
  return [
    `**${study.name}**: ${status.phase}, ${status.epochs}${bound === null ? '' : ` of ${bound}`} ${word(study.budgetUnit)}`,
    ...(status.trouble === null ? [] : ['', `**Trouble**: ${quoted(status.trouble)}`]),
    ...causeLines(study, status),
    '',
    best,
    '',
    `| bracket | ${step} | ${word(study.budgetUnit)} | trials | promoted | stopped | diverged | failed | spent | best | state |`,
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
    ...lateLines(study, status),
  ].join('\n');
}

/** Why the study has paused by itself, whole: a trainer's words may have many lines. */
function causeLines({ name }: Study, { cause }: StudyStatus): string[] {
  if (cause === undefined) return [];
  const says = `**Paused**: \`everband resume ${name}\` goes on once this is mended.`;
  return ['', says, '', '~~~~text', cause.replaceAll('~~~~', '~~~'), '~~~~'];
}

/** What to do about a late retry that has not come to its end and has no workflow any more. */
export function lostText(study: string, trial: string): string {
  return `The late retry of ${trial} was lost with its server: \`everband retry ${study} ${trial}\` goes on with it.`;
}

/** Where late retries of trials that failed are found, on the page of a study that has ended too. */
function lateLines({ name }: Study, { brackets, late = [], lateLost = [] }: StudyStatus): string[] {
  const lost = brackets.some(({ rounds }) => rounds.some(({ failed, diverged }) => failed + diverged > 0));
  if (!lost) return [];
  const query = encodeURIComponent(`WorkflowId STARTS_WITH "${workflowIds.late(name, '')}"`);
  const now =
    late.length === 0 ? '' : ` Right now: ${late.map((trial) => `\`${workflowIds.late(name, trial)}\``).join(', ')}.`;
  return [
    '',
    `[Late retries](/workflows?query=${query}) are workflows \`${workflowIds.late(name, '<trial>')}\`.${now}`,
    ...lateLost.flatMap((trial) => ['', lostText(name, trial)]),
  ];
}

/** Tells who has asked for a late retry what comes of it. */
export function lateAnswer(study: string, trial: string, goesOn: boolean): string {
  return `trial ${trial} ${goesOn ? 'goes on with its late retry' : 'is retried late'}: ${workflowIds.late(study, trial)}`;
}

export function lateDetails({ study, trial, round }: LateStart, retry: LateRetry, trouble: string | null): string {
  const how = [
    retry.reset === null ? '' : 'from its first epoch',
    retry.queue === null ? '' : `on the queue ${quoted(retry.queue)}`,
  ];
  const more = how.filter((text) => text !== '').join(', ');
  const rows = retry.rungs.map(({ round: index, from, to, values, end, became, reason }) => {
    const what =
      end === 'rung'
        ? (became ?? 'waits for the others')
        : `${end}${reason === undefined ? '' : `: ${quoted(reason).replaceAll('|', '\\|')}`}`;
    return `| ${index} | ${from} to ${to} | ${values.at(-1) ?? ''} | ${what} |`;
  });
  return [
    `**Late retry of ${study.name} ${trial.id}** from round ${round}${more === '' ? '' : ` (${more})`}. The study: \`${workflowIds.study(study.name)}\``,
    ...(trouble === null ? [] : ['', `**Trouble**: ${quoted(trouble)}`]),
    '',
    `| round | ${word(study.budgetUnit)} | ${word(study.objective.metric)} | |`,
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/**
 * What somebody else said, in one line, as code: Markdown and HTML in it are shown and not obeyed. A fence is longer than
 * every run of backticks within.
 */
function quoted(text: string): string {
  const line = (text.split('\n')[0] ?? '').slice(0, maxQuoted).replace(controls, ' ');
  if (line.trim() === '') return '';
  const runs = line.match(/`+/g) ?? [];
  const fence = '`'.repeat(1 + Math.max(0, ...runs.map((run) => run.length)));
  return fence === '`' ? `\`${line}\`` : `${fence} ${line} ${fence}`;
}

/** A name from a study file; what is more than letters is shown as code. */
function word(text: string): string {
  return /^[\w .%/-]*$/.test(text) ? text : quoted(text).replaceAll('|', '\\|');
}
