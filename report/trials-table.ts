/** Every trial in a row: how far it came, with what, and what its trainer reported. */
import { epochAt } from '../core/curve.js';
import { resultOf } from '../core/engine/best.js';
import { modeOf } from '../core/objectives/index.js';
import type { StudyRecord, TrialRecord } from '../core/record.js';
import { cellOf, paramColumns, type Column } from './columns.js';
import { duration } from './duration.js';
import { escape, mark, plural, short } from './markup.js';
import { numberOf, reportedNames, type Reported } from './reported.js';
import { epochsOf, noteOf } from './trials.js';

type ReportedByTrial = ReadonlyMap<string, Reported>;

/** A column with the key that the script sorts by. */
interface SortedColumn extends Column<TrialRecord> {
  readonly key: string;
}

/** What a reader of the table has to know, beyond what its heads say. */
export function trialsNote(reported: ReportedByTrial): string {
  const order = 'Longest trained first, then best; a column head sorts.';
  if (reported.size === 0) return order;
  const seconds = [...reported.values()].reduce((sum, one) => sum + one.seconds, 0);
  const numbers = reportedNames(reported.values()).length > 0;
  return `${order} ${numbers ? 'What was reported beside the objective is that of the last epoch. ' : ''}All epochs together took ${timeOf(seconds)}.`;
}

export function trialsTable(record: StudyRecord, reported: ReportedByTrial): string {
  if (record.trials.length === 0) return '<p class="quiet">No trial was proposed.</p>';
  const columns = columnsOf(record, reported);
  const { compare } = modeOf(record.objective);
  const last = (trial: TrialRecord) => {
    return resultOf(record.objective, epochAt(trial, trial.values.length - 1) ?? { value: 0 });
  };
  const better = (a: TrialRecord, b: TrialRecord) => compare(last(a), last(b));
  const order = record.trials
    .map((trial, index) => ({ trial, index }))
    .sort((a, b) => b.trial.values.length - a.trial.values.length || better(a.trial, b.trial) || a.index - b.index);
  const best = record.result.best?.trial;
  const rows = order.map(({ trial, index }) => {
    const cells = columns.map(({ cell }) => cell(trial));
    return `<tr data-r="${index}"${trial.id === best ? ' class="best"' : ''}>${cells.join('')}</tr>`;
  });
  const heads = columns.map(
    ({ key, name, numeric }) =>
      `<th scope="col"${numeric ? ' class="n"' : ''} data-key="${key}"><button type="button">${escape(name)}</button></th>`
  );
  return `<p class="filter"><label>Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" placeholder="id, fate or value"></label> <output id="matches">${plural(order.length, 'trial')}</output></p><div class="scroll tall" tabindex="0" role="region" aria-label="Trials"><table id="table"><thead><tr>${heads.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function columnsOf(record: StudyRecord, reported: ReportedByTrial): SortedColumn[] {
  const noted = record.trials.some((trial) => noteOf(trial) !== '');
  return [
    { key: 'id', name: 'trial', numeric: false, cell: ({ id }) => `<th scope="row">${escape(id)}</th>` },
    { key: 'fate', name: 'fate', numeric: false, cell: ({ fate }) => cellOf(mark(fate) + fate, false) },
    { key: 'epochs', name: 'epochs', numeric: true, cell: (trial) => cellOf(String(epochsOf(trial)), true) },
    { key: 'value', name: record.objective.metric, numeric: true, cell: ({ values }) => numberCell(values.at(-1)) },
    ...paramColumns(record.trials).map((column, i) => ({ ...column, key: `param ${i}` })),
    ...reportedColumns(reported),
    ...(noted
      ? [
          {
            ...{ key: 'note', name: 'note', numeric: false },
            cell: (trial: TrialRecord) => `<td class="wrap">${escape(noteOf(trial))}</td>`,
          },
        ]
      : []),
  ];
}

/** None where no trainer reported anything, as in a replay. */
function reportedColumns(reported: ReportedByTrial): SortedColumn[] {
  if (reported.size === 0) return [];
  const timeCell = (seconds: number | undefined) => cellOf(seconds === undefined ? '' : timeOf(seconds), true);
  return [
    ...reportedNames(reported.values()).map((name, i) => ({
      ...{ key: `number ${i}`, name, numeric: true },
      cell: ({ id }: TrialRecord) => numberCell(numberOf(reported.get(id), name)),
    })),
    { key: 'seconds', name: 'time', numeric: true, cell: ({ id }) => timeCell(reported.get(id)?.seconds) },
    {
      ...{ key: 'epochSeconds', name: 'time an epoch', numeric: true },
      cell: ({ id }) => timeCell(secondsAnEpoch(reported.get(id))),
    },
    {
      key: 'host',
      name: 'host',
      numeric: false,
      cell: ({ id }) => cellOf(escape(reported.get(id)?.host ?? ''), false),
    },
  ];
}

/** The mean over its epochs; undefined where none was kept. */
export function secondsAnEpoch(reported: Reported | undefined): number | undefined {
  return reported && reported.seconds / reported.epochs;
}

/** Empty for undefined. */
function numberCell(value: number | null | undefined): string {
  return cellOf(value === undefined ? '' : value === null ? 'not finite' : short(value), true);
}

/** Below a minute to three digits: epochs may take milliseconds. */
export function timeOf(seconds: number): string {
  return seconds < 59.5 ? `${short(seconds, 3)} s` : duration(seconds);
}
