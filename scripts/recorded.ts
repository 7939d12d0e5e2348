/** How a closed study stands, out of its record alone. */
import { existsSync } from 'node:fs';
import { readRecord, readStudy, recordFile } from '../activities/record-store.js';
import { planStudy } from '../core/plan.js';
import type { RoundRecord } from '../core/record.js';
import type { Fate } from '../core/trial.js';
import type { RoundStatus, StudyStatus } from '../workflows/messages.js';

/** Null while the record is open or when there is none. */
export function recordedStatus(stateDir: string, name: string): StudyStatus | null {
  if (!existsSync(recordFile(stateDir, name))) return null;
  const record = readRecord(stateDir, name);
  const study = readStudy(stateDir, name);
  if (!record || !study) return null;
  const fates = new Map(record.trials.map((trial) => [trial.id, trial.fate]));
  const { best, epochs, plannedEpochs } = record.result;
  return {
    study,
    phase: 'done',
    epochs,
    plannedEpochs,
    plannedTrials: planStudy(study.scheduler, study.predictor).trials,
    best: best && { trial: best.trial, value: best.value, budget: best.budget },
    brackets: record.brackets.map(({ id, rounds }) => ({
      id,
      state: 'done',
      asynchronous: study.scheduler.type === 'asha',
      rounds: rounds.map((round, i) => roundStatus(round, rounds[i + 1], fates)),
    })),
    parallelism: study.parallelism,
    result: record.result,
  };
}

function roundStatus(round: RoundRecord, next: RoundRecord | undefined, fates: ReadonlyMap<string, Fate>): RoundStatus {
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
    best: round.ranking[0]?.value ?? null,
  };
}
