/** The messages a workflow answers that trains trials itself: retry and drop a parked trial, progress. */
import { defineQuery, defineUpdate, setHandler } from '@temporalio/workflow';
import { queryNames, updateNames, type DropTrial, type Progress, type RetryTrial } from './messages.js';
import type { TrialPool } from './trial-pool.js';

const retryTrial = defineUpdate<string, [RetryTrial]>(updateNames.retryTrial);
const dropTrial = defineUpdate<string, [DropTrial]>(updateNames.dropTrial);
const progressQuery = defineQuery<Progress>(queryNames.progress);

export function handleTrialMessages(pool: TrialPool, progress: () => Progress): void {
  setHandler(progressQuery, progress);
  setHandler(
    retryTrial,
    ({ trial, resetCheckpoint }) => {
      pool.decide(trial, true, resetCheckpoint ?? false);
      return `trial ${trial} trains again`;
    },
    { validator: ({ trial }) => pool.checkParked(trial) }
  );
  setHandler(
    dropTrial,
    ({ trial }) => {
      pool.decide(trial, false, false);
      return `trial ${trial} is dropped`;
    },
    { validator: ({ trial }) => pool.checkParked(trial) }
  );
}
