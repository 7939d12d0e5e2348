/** Algorithms compared, as a table for people. */
import type { Comparison } from '../simulate/comparison.js';
import type { Match } from '../simulate/match.js';
import type { Mean, Summary } from '../simulate/summary.js';
import { table } from './terminal.js';

export function summaryTable({ setting, cluster, seeds }: Comparison, summaries: readonly Summary[]): string {
  const short = summaries.some((summary) => summary.seeds < seeds);
  const failed = cluster.failures !== undefined;
  const rows = summaries.map((summary) => [
    summary.algorithm,
    ...(short ? [summary.seeds] : []),
    spread(summary.epochs, 0),
    `${(100 * summary.share).toFixed(1)} %`,
    summary.value ? digits(summary.value.mean) : '-',
    summary.regret ? digits(summary.regret.mean, 3) : '-',
    summary.rank ? summary.rank.mean.toFixed(1) : '-',
    digits(summary.hours.mean, 3),
    `${(100 * summary.busy).toFixed(0)} %`,
    summary.stopped === 0 ? '-' : `${summary.wrongStops.toFixed(1)} of ${summary.stopped.toFixed(1)}`,
    summary.predictorsTrained === 0 ? '-' : summary.predictorsTrained.toFixed(1),
    ...(failed ? [summary.failures.toFixed(1)] : []),
    shownMatch(summary.match),
  ]);
  const head = [
    'algorithm',
    ...(short ? ['seeds'] : []),
    'epochs',
    'share',
    'value',
    'regret',
    'rank',
    'hours',
    'busy',
    'wrong stops',
    'predictors',
    ...(failed ? ['lost'] : []),
    'epochs to match',
  ];
  const workers = `${cluster.workers} ${cluster.workers === 1 ? 'worker' : 'workers'}`;
  return [
    table(head, rows),
    '',
    `means over ${seedsSaid(summaries, seeds)} at R=${setting.maxBudget}, eta=${setting.eta}; simulated hours on ${workers}; share: of Hyperband's epochs;`,
    'value: the best at R; rank and regret: among all curves; wrong stops: would have been promoted;',
    'epochs to match: where the best so far reaches what Hyperband (eta 2) comes to, in its epochs; below 1 is better.',
  ].join('\n');
}

/** How many seeds there were; an interrupted comparison has fewer than were asked for, and not as many of each. */
function seedsSaid(summaries: readonly Summary[], asked: number): string {
  const counts = summaries.map((summary) => summary.seeds);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (least < most) return `${least} to ${most} of ${asked} seeds (as many as the column says)`;
  return `${least === asked ? '' : `${least} of `}${asked} ${asked === 1 ? 'seed' : 'seeds'}`;
}

/** `0.49 (0.45-0.52)`; `>2` where it is not reached by twice the epochs. */
export function shownMatch(match: Match | null): string {
  if (!match) return '-';
  const say = (value: number) => (Number.isFinite(value) ? value.toFixed(2) : '>2');
  return `${say(match.multiple)} (${say(match.low)}-${say(match.high)})`;
}

/** The mean, and its interval where there is one. */
function spread({ mean, low, high }: Mean, decimals: number): string {
  const fixed = (value: number) => value.toFixed(decimals);
  return fixed(low) === fixed(high) ? fixed(mean) : `${fixed(mean)} (${fixed(low)}-${fixed(high)})`;
}

function digits(value: number, significant = 6): string {
  return String(Number(value.toPrecision(significant)));
}
