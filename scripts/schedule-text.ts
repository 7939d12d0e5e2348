/** The schedule behind a best configuration, for people. */
import type { ScheduleStep } from '../core/record.js';
import { table } from './terminal.js';

export function scheduleText(steps: readonly ScheduleStep[]): string {
  const rows = steps.map(({ from, to, config }) => [`${from + 1}-${to}`, JSON.stringify(config)]);
  return table(['epochs', 'configuration'], rows);
}
