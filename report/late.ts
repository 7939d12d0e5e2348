/** What late retries came to, beside what was decided. */
import { bestWithLate, lateView, type LateRecord, type LateView } from '../core/late.js';
import type { StudyRecord } from '../core/record.js';
import { cellOf, plainTable, type Column } from './columns.js';
import { escape, short } from './markup.js';

export function lateNote(record: StudyRecord, lates: readonly LateRecord[]): string {
  const { best } = record.result;
  const late = bestWithLate(record, best, lates);
  const same = late === null || late.trial === best?.trial;
  const result = same
    ? 'The best is the same with them.'
    : `The best with them is ${escape(late.trial)}, ${escape(record.objective.metric)} ${short(late.value)} at ${late.budget}.`;
  return (
    'Trials that were tried again after their round or the study had closed. They change nothing that was decided, and ' +
    `are not in the tables of this page. ${result}`
  );
}

export function lateTable(lates: readonly LateRecord[]): string {
  const columns: Column<LateView>[] = [
    { name: 'trial', numeric: false, cell: ({ trial }) => `<th scope="row">${escape(trial)}</th>` },
    {
      name: 'became',
      numeric: false,
      cell: ({ state, reason = '' }) => cellOf(escape(`${state} ${reason}`.trim()), false),
    },
    { name: 'epochs', numeric: true, cell: ({ epochs }) => cellOf(String(epochs), true) },
    { name: 'value', numeric: true, cell: ({ value }) => cellOf(value === null ? '' : short(value), true) },
    { name: 'queue', numeric: false, cell: ({ queue }) => cellOf(escape(queue ?? ''), false) },
  ];
  return plainTable('Late retries', columns, lates.map(lateView));
}
