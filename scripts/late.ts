/** Late retries for the command: which trials, by whom, and what they came to. */
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { existsSync } from 'node:fs';
import { readLate, readLates, type WrongLate } from '../activities/late-store.js';
import { readRecord, readStudy, recordFile } from '../activities/record-store.js';
import type { Best } from '../core/engine/scheduler.js';
import {
  bestWithLate,
  divergesAgain,
  lateEnded,
  lateStart,
  lateView,
  type LateAsk,
  type LateRecord,
  type LateRetry,
  type LateView,
} from '../core/late.js';
import {
  queryNames,
  taskQueues,
  updateNames,
  workflowIds,
  workflowTypes,
  type RetryLate,
} from '../workflows/messages.js';
import { lateAnswer, searchAttributesOf } from '../workflows/web-ui.js';
import type { LateInput } from '../workflows/late.js';
import { query, send } from './ask.js';
import { sealFor } from './trusting.js';
import { withClient } from '../cluster/connect.js';
import { CliError } from '../cluster/errors.js';
import { stateDir } from '../cluster/state.js';

/** What a study's late retries came to. */
export interface LateResults {
  /** The best when they count. */
  readonly best: Best | null;
  readonly trials: readonly LateStanding[];
  /** Files of late retries that cannot be read, a sentence each. */
  readonly wrong: readonly string[];
}

interface LateStanding extends LateView {
  readonly workflowId: string;
  /** Whether it has not come to its end and no workflow goes on with it; null where no server answers. */
  readonly lost: boolean | null;
}

/** Null when no trial of the study was retried late. */
export async function lateResults(name: string): Promise<LateResults | null> {
  const lost = new Map<string, boolean>();
  let found = viewsOf(name);
  const open = found.views.filter(({ state }) => state === 'open');
  if (open.length > 0) {
    await withClient(async (client) => {
      for (const { workflowId } of open) lost.set(workflowId, !(await isRunning(client, workflowId)));
    }).catch(() => undefined);
    // Once more, for what a late retry came to is written before its workflow closes.
    found = viewsOf(name);
  }
  const { views, lates, wrong } = found;
  const record = readRecord(stateDir(), name);
  if (!record || lates.length + wrong.length === 0) return null;
  return {
    best: bestWithLate(record, record.result.best, lates),
    trials: views.map((view) => ({
      ...view,
      lost: view.state === 'open' ? (lost.get(view.workflowId) ?? null) : false,
    })),
    wrong: wrong.map(({ says, fix }) => `${says} Fix: ${fix}.`),
  };
}

function viewsOf(name: string) {
  const { lates, wrong } = readLates(stateDir(), name);
  const views = lates.map((late) => ({ ...lateView(late), workflowId: workflowIds.late(name, late.trial) }));
  return { views, lates, wrong };
}

async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/**
 * Trials that failed, or diverged, in rounds that have closed, and that no late retry has brought to a rung. One whose late
 * retry has not come to its end goes on with it, whatever it had been retried for: it counts as failed.
 */
export function lateCandidates(name: string, fate: 'failed' | 'diverged'): string[] {
  const states = new Map(readLates(stateDir(), name).lates.map((late) => [late.trial, lateView(late).state]));
  const wanted = (readRecord(stateDir(), name)?.trials ?? []).filter((trial) => {
    const state = states.get(trial.id);
    if (state === 'open') return fate === 'failed';
    if (state === 'failed' || state === 'diverged') return state === fate;
    return trial.fate === fate && (state === undefined || state === 'unfinished');
  });
  return wanted.map(({ id }) => id);
}

/** Late retries of a study. @throws CliError where one cannot be read */
export function lateRecords(name: string): readonly LateRecord[] {
  const { lates, wrong } = readLates(stateDir(), name);
  if (wrong[0]) throw wrongLate(wrong[0]);
  return lates;
}

function wrongLate({ says, fix }: WrongLate): CliError {
  return new CliError(`${says} Fix: ${fix}.`);
}

/** @throws CliError that lists them */
export function refuseDiverged(name: string, diverged: readonly string[]): never {
  const many = diverged.length === 1 ? '1 trial' : `${diverged.length} trials`;
  throw new CliError(`${many} of ${name} diverged (${diverged.join(', ')}), and ${divergesAgain}`);
}

/** Starts a late retry: beside the study when it runs, else in a workflow that nobody waits for. */
export async function retryLate(
  client: Client,
  name: string,
  running: boolean,
  trial: string,
  ask: LateAsk
): Promise<string> {
  const request: RetryLate = { trial, ...ask };
  if (running) return send(client, name, workflowIds.study(name), updateNames.retryLate, request);
  // Told without a workflow where it is known here.
  const record = existsSync(recordFile(stateDir(), name)) ? readRecord(stateDir(), name) : null;
  const before = readLate(stateDir(), name, trial);
  if (before && 'says' in before) throw wrongLate(before);
  const allowed = record && lateStart(record, before, trial, ask);
  if (allowed && 'refused' in allowed) throw new CliError(allowed.refused);
  const study = readStudy(stateDir(), name);
  if (!study) {
    throw new CliError(
      `there is no record of ${name} in ${stateDir()}. Fix: run this where its orchestrating worker runs, or set EVERBAND_HOME.`
    );
  }
  const bracket = record?.trials.find(({ id }) => id === trial)?.bracket;
  const workflowId = workflowIds.late(name, trial);
  const start = () =>
    client.workflow.start(workflowTypes.late, {
      workflowId,
      taskQueue: taskQueues.orchestrate,
      args: [{ study: name, request, start: null, seal: sealFor(study) } satisfies LateInput],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: `${name} ${trial}: late retry`,
      memo: { study: workflowIds.study(name), trial },
      typedSearchAttributes: searchAttributesOf(study, bracket === undefined ? {} : { bracket }),
    });
  const latest = () => query<LateRetry | null>(client, name, workflowId, queryNames.late);
  const handle = await start().catch(async (error: unknown) => {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const now = await latest();
    if (!now || !lateEnded(now)) throw new CliError(`trial ${trial} is retried late right now (${workflowId})`);
    // What it came to is written; it closes in a moment.
    await client.workflow
      .getHandle(workflowId)
      .result()
      .catch(() => null);
    return start();
  });
  while ((await latest()) === null) {
    if ((await handle.describe()).status.name === 'FAILED') {
      await handle.result().catch((error: unknown) => {
        throw new CliError(((error as Error).cause as Error | undefined)?.message ?? String(error));
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return lateAnswer(name, trial, !!allowed?.goesOn);
}
