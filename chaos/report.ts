/** The table of a run. */
import { faults, type Kind } from './faults/index.js';
import type { RoundOutcome } from './round.js';

/** A row for each kind: studies, epochs and epochs trained again are those of the rounds in which it came. */
export function tableOf(rounds: readonly RoundOutcome[], chosen: readonly Kind[]): string {
  const row = (name: string, oracle: string, own: readonly RoundOutcome[], times: number | string): string => {
    const studies = own.flatMap((round) => round.studies);
    const sum = (key: 'epochs' | 'again') => studies.reduce((total, one) => total + one[key], 0);
    const compared = studies.filter((one) => one.compared).length;
    return `| ${[name, oracle, times, own.length, studies.length, compared, sum('epochs'), sum('again')].join(' | ')} |`;
  };
  const skipped = new Map(rounds.flatMap((round) => Object.entries(round.skipped)));
  const rows = chosen.map((kind) => {
    const own = rounds.filter(({ injected }) => (injected[kind] ?? 0) > 0);
    const times = own.reduce((sum, { injected }) => sum + (injected[kind] ?? 0), 0);
    return row(kind, faults[kind].oracle, own, times === 0 && skipped.has(kind) ? 'skipped' : times);
  });
  const all = rounds.reduce((sum, { injected }) => sum + Object.values(injected).reduce((a, b) => a + b, 0), 0);
  return [
    '| kind | oracle | times | rounds | studies | same bytes | epochs | trained again |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    row('**all**', '', rounds, all),
    ...[...skipped].map(([kind, why]) => `\n${kind} was skipped: ${why}`),
  ].join('\n');
}
