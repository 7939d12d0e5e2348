/** Watching a study from the command line, and the summary at its end. */
import pc from 'picocolors';
import { recordFile } from '../activities/record-store.js';
import type { StudyResult } from '../core/record.js';
import { closedStatus, getRecord, waitForResult } from './api.js';
import { withClient } from './connect.js';
import { watchStudy } from './live-view.js';
import { stateDir } from './state.js';
import { short } from './terminal.js';

/** Watches and prints the end; `quiet` only waits. A closed study is summed up at once. */
export async function watch(name: string, quiet: boolean): Promise<StudyResult> {
  if (quiet) return waitForResult(name);
  const result =
    (await closedStatus(name))?.result ??
    (await withClient((client) =>
      watchStudy(client, name, (text) => process.stdout.write(text), process.stdout.isTTY)
    ));
  console.log(summary(name, result));
  return result;
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
  const word = ended === 'finished' && record?.predictor.type !== 'none' ? 'saved' : 'not spent';
  const saved = less > 0 ? `, ${less} ${word} (${percent(less / plannedEpochs)})` : '';
  const fate = Object.entries(fates).filter(([, count]) => count > 0);
  const metric = record?.objective.metric ?? 'metric';
  const plain = record?.scheduler.type === 'hyperband' ? "Hyperband's" : "the plan's";
  return [
    `study ${name} ${ended}: ${result.trials} trials (${fate.map(([one, count]) => `${count} ${one}`).join(', ')})`,
    // The table of ASHA's rungs is no bound: it promotes before they are complete.
    `epochs: ${epochs}${record?.scheduler.type === 'asha' ? '' : ` of ${plain} ${plannedEpochs}${saved}`}`,
    best
      ? `best: ${best.trial}, ${metric} ${pc.green(short(best.value))} at ${best.budget}${best.reachedMaxBudget ? '' : ' (no trial reached the largest budget)'}\n${JSON.stringify(best.config)}`
      : 'best: none, no trial has a value',
    ...(record ? [`record: ${recordFile(stateDir(), name)}`] : []),
  ].join('\n');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
