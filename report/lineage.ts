/** Who went on from whose checkpoint, and the schedule of configurations that came of it. */
import type { ScheduleStep, StudyRecord } from '../core/record.js';
import { cellOf, paramColumns, plainTable, type Column } from './columns.js';
import { count, escape } from './markup.js';
import { exploitsOf, type Exploit } from './trials.js';

/** Rows that a reader may want to see; `everband export` writes all. */
const maxRows = 2000;

export function scheduleTable(steps: readonly ScheduleStep[]): string {
  const epochs: Column<ScheduleStep> = {
    ...{ name: 'epochs', numeric: false },
    cell: ({ from, to }) => `<th scope="row">${from + 1} to ${to}</th>`,
  };
  return plainTable('Schedule', [epochs, ...paramColumns(steps)], steps);
}

/** Null where nobody went on from another trial's checkpoint. */
export function lineageTable(record: StudyRecord): string | null {
  const all = exploitsOf(record);
  if (all.length === 0) return null;
  const places: Column<Exploit>[] = [
    { name: 'trial', numeric: false, cell: ({ trial }) => `<th scope="row">${escape(trial)}</th>` },
    { name: 'after epoch', numeric: true, cell: ({ epoch }) => cellOf(String(epoch), true) },
    { name: 'went on from', numeric: false, cell: ({ donor }) => cellOf(escape(donor), false) },
    { name: 'at epoch', numeric: true, cell: ({ epoch, donorEpoch = epoch }) => cellOf(String(donorEpoch), true) },
  ];
  const rows = all.slice(0, maxRows);
  const cut = all.length > maxRows ? `<p class="quiet">The first ${count(maxRows)} of ${count(all.length)}.</p>` : '';
  return cut + plainTable('Lineage', [...places, ...paramColumns(rows)], rows);
}
