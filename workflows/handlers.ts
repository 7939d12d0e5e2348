/** The messages a workflow answers that trains trials itself: retry and drop a parked trial, progress. */
import { defineQuery, defineUpdate, setHandler } from '@temporalio/workflow';
import {
  queryNames,
  updateNames,
  type DropTrial,
  type Progress,
  type RetryTrial,
  type TrialAnswer,
} from './messages.js';
import { dropTrialOf, retryTrialOf } from './parse.js';
import type { TrialPool } from './trial-pool.js';

const retryTrial = defineUpdate<string, [RetryTrial]>(updateNames.retryTrial);
const dropTrial = defineUpdate<string, [DropTrial]>(updateNames.dropTrial);
const trialQuery = defineQuery<TrialAnswer | null, [string]>(queryNames.trial);
const progressQuery = defineQuery<Progress>(queryNames.progress);

/** `trial`: how a trial of this id stands here; null for one that does not. */
export function handleTrialMessages(
  pool: TrialPool,
  progress: () => Progress,
  trial: (id: string) => TrialAnswer | null = () => null
): void {
  setHandler(progressQuery, progress);
  setHandler(trialQuery, trial);
  setHandler(
    retryTrial,
    (request) => {
      const { trial: id, resetCheckpoint, queue } = retryTrialOf(request);
      void pool.decide(id, { again: true, reset: resetCheckpoint ?? false, queue });
      return `trial ${id} trains again`;
    },
    { validator: (request) => pool.checkParked(retryTrialOf(request).trial) }
  );
  setHandler(
    dropTrial,
    async (request) => {
      const { trial: id } = dropTrialOf(request);
      await pool.decide(id, { again: false });
      return `trial ${id} is dropped`;
    },
    { validator: (request) => pool.checkParked(dropTrialOf(request).trial) }
  );
}
