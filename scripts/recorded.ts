/** How a closed study stands, out of its record alone. */
import { existsSync } from 'node:fs';
import { readRunNote } from '../activities/run-note.js';
import { readRecord, readStudy, recordFile } from '../activities/record-store.js';
import type { RoundView } from '../core/engine/scheduler.js';
import type { RoundRecord } from '../core/record.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { planOf } from '../core/study.js';
import type { Fate } from '../core/trial.js';
import { phaseAtEnd, type StudyStatus } from '../workflows/messages.js';

/** Null while the record is open or when there is none. */
export function recordedStatus(stateDir: string, name: string): StudyStatus | null {
  if (!existsSync(recordFile(stateDir, name))) return null;
  const record = readRecord(stateDir, name);
  const study = readStudy(stateDir, name);
  if (!record || !study || record.result.ended === 'open') return null;
  const fates = new Map(record.trials.map((trial) => [trial.id, trial.fate]));
  const { ended, best, epochs, plannedEpochs } = record.result;
  return {
    study,
    phase: phaseAtEnd(ended),
    epochs,
    plannedEpochs,
    plannedTrials: planOf(study).table().trials,
    best: best && { trial: best.trial, value: best.value, budget: best.budget },
    brackets: record.brackets.map(({ id, rounds }) => ({
      id,
      state: 'done',
      step: schedulerOf(study.scheduler).step,
      rounds: rounds.map((round, i) => roundView(round, rounds[i + 1], fates)),
    })),
    // What operators set last.
    parallelism: readRunNote(stateDir, name)?.control.parallelism ?? study.parallelism,
    trouble: null,
    result: record.result,
  };
}

function roundView(round: RoundRecord, next: RoundRecord | undefined, fates: ReadonlyMap<string, Fate>): RoundView {
  const went = new Set(next?.trials ?? []);
  const ended = round.trials.filter((trial) => !went.has(trial));
  const count = (fate: Fate) => ended.filter((trial) => fates.get(trial) === fate).length;
  return {
    index: round.index,
    from: round.from,
    to: round.to,
    planned: round.trials.length,
    state: 'done',
    entered: round.trials.length,
    stopped: count('stopped'),
    diverged: count('diverged'),
    failed: count('failed'),
    promoted: round.promoted.length,
    epochs: round.epochs,
    best: round.ranking[0] ? { ...round.ranking[0], budget: round.to } : null,
  };
}
