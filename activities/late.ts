/** Local activities of late retries: what may be retried, what becomes of it, and its files. */
import { existsSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
import { lateStart, lateVerdict, type LateRecord } from '../core/late.js';
import { readIdentity, requireCurrent, studyFolder } from '../trainers/identity.js';
import type { LateActivities } from '../workflows/activity-types.js';
import { failureTypes } from '../workflows/messages.js';
import { readLate, writeLate } from './late-store.js';
import { readRecord, readStudy, readTrials, recordFile } from './record-store.js';
import { requireName, requireSeal, sealChecker, withPlaces } from './trusted.js';

export function createLateActivities(stateDir: string): LateActivities {
  const requireSealed = sealChecker(stateDir);
  const hasEnded = (study: string) => existsSync(recordFile(stateDir, study));

  /** @throws ApplicationFailure when its file is not what it was, or of another format */
  function known(study: string, trial: string): LateRecord | null {
    const late = readLate(stateDir, study, trial);
    if (late && 'says' in late) throw refused(`${late.says} Fix: ${late.fix}`);
    return late;
  }

  return withPlaces<LateActivities>({
    async prepareLate(name, seal, request, beside) {
      requireName(name);
      requireSeal(stateDir, { study: name }, seal);
      const { trial: id, ...ask } = request;
      requireName(id);
      const study = readStudy(stateDir, name);
      const record = readRecord(stateDir, name);
      const identity = readIdentity(studyFolder(stateDir, name));
      if (!study || !record || !identity) {
        throw refused(`there is no record of study ${name} in the orchestrating worker's state folder`);
      }
      if (!beside && !hasEnded(name)) {
        throw refused(`study ${name} has not ended, and does not run. Fix: \`everband start --recover ${name}\``);
      }
      const own = record.trials.find((one) => one.id === id);
      const late = known(name, id);
      const start = lateStart(record, late, id, ask);
      if ('refused' in start) throw refused(start.refused);
      const [trial] = own ? readTrials(stateDir, name, own.bracket, [own.index]) : [];
      if (!own || !trial) throw refused(`the configuration of trial ${id} is not in the record any more`);
      const { goesOn, round } = start;
      const number = (late?.retries.length ?? 0) - (goesOn ? 1 : 0);
      // What is kept of a trial that diverged says that it did.
      const anew = ask.reset || own.fate === 'diverged' ? Date.now() : null;
      const { reset, rungs } = goesOn ?? { reset: anew, rungs: [] };
      const queue = ask.queue ?? goesOn?.queue ?? null;
      return {
        ...{ study, identity: { ...identity, seal }, trial, number, round, reset, queue },
        ...{ goesOn: goesOn !== null, rungs },
      };
    },

    async lateVerdict(study, identity, trial, round, came) {
      requireSealed({ study }, identity);
      // First, for the study may end meanwhile.
      const ended = hasEnded(study);
      const record = readRecord(stateDir, study);
      if (!record) throw ApplicationFailure.retryable(`there is no record of study ${study}`);
      return lateVerdict(record, trial, round, came, ended);
    },

    async recordLate({ identity, number }, { study, trial }, retry) {
      requireSealed({ study }, identity);
      requireName(trial);
      requireCurrent(studyFolder(stateDir, study), identity);
      const before = known(study, trial)?.retries ?? [];
      await writeLate(stateDir, { study, trial, retries: [...before.slice(0, number), retry] });
    },
  });
}

function refused(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, failureTypes.refused);
}
