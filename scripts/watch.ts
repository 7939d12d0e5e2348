/** Watching a study from the command line, and the summary at its end. */
import pc from 'picocolors';
import { recordFile } from '../activities/record-store.js';
import { prunerOf } from '../core/pruners/index.js';
import type { StudyResult } from '../core/record.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { planOf } from '../core/study.js';
import { closedStatus, getRecord, waitForResult } from './api.js';
import { withClient } from '../cluster/connect.js';
import { CliError } from '../cluster/errors.js';
import { watchStudy } from './live-view.js';
import { scheduleText } from './schedule-text.js';
import { stateDir } from '../cluster/state.js';
import { short } from './terminal.js';
import { troublesOf, troubleText, type Trouble } from '../cluster/troubles.js';

/** Milliseconds between two looks for workflow code that fails. */
const pause = 4000;

/** Watches and prints the end; `quiet` only waits. A closed study is summed up at once. `redraw`: in place, as in a terminal. */
export async function watch(name: string, quiet: boolean, redraw = process.stdout.isTTY): Promise<StudyResult> {
  if (quiet) return waitForResult(name);
  const result =
    (await closedStatus(name))?.result ??
    (await withClient((client) => watchStudy(client, name, (text) => process.stdout.write(text), redraw)));
  console.log(summary(name, result));
  return result;
}

/** The same for a script that must not wait for ever. @throws CliError when workflow code of the study keeps failing */
export async function watchUnlessFailing(name: string, quiet: boolean): Promise<StudyResult> {
  return Promise.race([watch(name, quiet), failure(name)]);
}

/** Rejects once a workflow of the study fails in two looks in a row. */
async function failure(name: string): Promise<never> {
  for (let before: readonly Trouble[] = []; ;) {
    // The server may be away for a while.
    const troubles = await withClient((client) => troublesOf(client, name)).catch(() => []);
    const fails = troubles.filter(({ kind }) => kind === 'fails');
    const last = fails.find(({ workflowId }) => before.some((one) => one.workflowId === workflowId));
    if (last)
      throw new CliError(
        `${troubleText(last)}\nleft ${name}, which stays on the server. Look again: everband status ${name}; watch it: everband watch ${name}`
      );
    before = fails;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** The exit code of a study's end: 1 when no trial came to any rung. */
export function exitCodeOf({ best }: StudyResult): number {
  return best === null ? 1 : 0;
}

/** Ctrl-C leaves the view and says that the study does not care. */
export function leaveOnInterrupt(name: string): void {
  process.once('SIGINT', () => {
    console.error(
      `\nleft the view; ${name} goes on. Look again: everband watch ${name}; end it: everband stop ${name}`
    );
    process.exit(130);
  });
}

function summary(name: string, result: StudyResult): string {
  const { ended, best, epochs, plannedEpochs, fates } = result;
  const record = getRecord(name);
  const less = plannedEpochs - epochs;
  // What a study that ended early did not train is not saved, nor what trials that diverged did not.
  const word =
    ended === 'finished' && (!record || prunerOf(record.pruner).compares !== undefined) ? 'saved' : 'not spent';
  const saved = less > 0 ? `, ${less} ${word} (${percent(less / plannedEpochs)})` : '';
  const fate = Object.entries(fates).filter(([, count]) => count > 0);
  const metric = record?.objective.metric ?? 'metric';
  const scheduler = record && schedulerOf(record.scheduler);
  const bounded = !record || planOf(record).table().bounds;
  return [
    `study ${name} ${ended}: ${result.trials} trials (${fate.map(([one, count]) => `${count} ${one}`).join(', ')})`,
    // Where trials are promoted before a rung is complete, the table is no bound.
    `epochs: ${epochs}${bounded ? ` of ${scheduler?.title ?? 'the plan'}'s ${plannedEpochs}${saved}` : ''}`,
    best
      ? `best: ${best.trial}, ${metric} ${pc.green(short(best.value))} at ${best.budget}${best.reachedMaxBudget ? '' : ' (no trial reached the largest budget)'}\n${JSON.stringify(best.config)}${best.schedule ? `\nthe last of its schedule:\n${scheduleText(best.schedule)}` : ''}`
      : 'best: none, no trial has a value',
    ...(record ? [`record: ${recordFile(stateDir(), name)}`] : []),
  ].join('\n');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
