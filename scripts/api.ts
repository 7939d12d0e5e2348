/**
 * The typed API: what the commands do, for programs. Connections are made as the commands make them.
 * @example
 * import { startStudy, waitForResult } from 'everband';
 * const { name } = await startStudy('study.yaml');
 * console.log((await waitForResult(name)).best);
 */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type Client,
} from '@temporalio/client';
import type { StudyResult } from '../core/record.js';
import type { Study } from '../core/study.js';
import { readRecord } from '../activities/record-store.js';
import { formatProblems, loadStudy } from '../study/load.js';
import { parseStudy } from '../study/schema.js';
import {
  queryNames,
  taskQueues,
  updateNames,
  workflowIds,
  workflowTypes,
  type BracketStatus,
  type Progress,
  type StudyStatus,
  type TrialRow,
  type TrialsAnswer,
} from '../workflows/messages.js';
import { searchAttributesOf } from '../workflows/web-ui.js';
import { withClient } from './connect.js';
import { CliError } from './errors.js';
import { stateDir } from './state.js';

export type { Study } from '../core/study.js';
export type { StudyResult, StudyRecord, TrialRecord } from '../core/record.js';
export type { StudyStatus } from '../workflows/messages.js';
export { readRecord } from '../activities/record-store.js';

/** Reads and checks a study file, or a study given as an object. @throws CliError with every problem at once */
export async function checkStudy(study: string | object): Promise<Study> {
  const parsed = typeof study === 'string' ? await loadStudy(study) : parseStudy(study, { baseDir: process.cwd() });
  if (parsed.ok) return parsed.study;
  throw new CliError(formatProblems(parsed.problems, typeof study === 'string' ? study : 'study'), 2);
}

/** Starts a study and returns at once. @throws CliError when the study is wrong, known already, or no server answers */
export async function startStudy(source: string | object): Promise<Study> {
  const study = await checkStudy(source);
  await withClient(async (client) => {
    if (readRecord(stateDir(), study.name)) {
      throw new CliError(
        `a study named ${study.name} exists. Fix: another name, or \`everband delete ${study.name}\`.`
      );
    }
    const brackets =
      study.scheduler.type === 'hyperband' ? `R=${study.scheduler.maxBudget} eta=${study.scheduler.eta}` : '';
    try {
      await client.workflow.start(workflowTypes.study, {
        workflowId: workflowIds.study(study.name),
        taskQueue: taskQueues.orchestrate,
        args: [study],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        workflowIdConflictPolicy: 'FAIL',
        staticSummary: `${study.name}: ${study.scheduler.type} ${brackets} predictor ${study.predictor.type} seed ${study.seed}`,
        memo: { seed: study.seed, scheduler: study.scheduler, predictor: study.predictor },
        typedSearchAttributes: searchAttributesOf(study, { phase: 'preparing' }),
      });
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) {
        throw new CliError(
          `study ${study.name} is known to the server already. Fix: another name, or \`everband delete ${study.name}\`.`
        );
      }
      const text = String((error as Error & { cause?: unknown }).cause ?? error);
      if (text.includes('search attribute')) {
        throw new CliError(
          `the cluster does not know Everband's search attributes. Fix: \`everband doctor\` prints the commands that add them.`
        );
      }
      throw error;
    }
  });
  return study;
}

/** Waits for a study's end. */
export async function waitForResult(name: string): Promise<StudyResult> {
  return withClient((client) =>
    orUnknown(name, client.workflow.getHandle(workflowIds.study(name)).result() as Promise<StudyResult>)
  );
}

/** How a study stands; running brackets answer for themselves. */
export async function getStatus(name: string): Promise<StudyStatus> {
  return withClient((client) => statusOf(client, name));
}

export async function statusOf(client: Client, name: string): Promise<StudyStatus> {
  const status = await query<StudyStatus>(client, name, workflowIds.study(name), queryNames.status);
  const brackets = await Promise.all(
    status.brackets.map(async (bracket) => {
      if (bracket.state !== 'running') return bracket;
      const id = workflowIds.bracket(name, bracket.id);
      return await query<BracketStatus>(client, name, id, queryNames.status).catch(() => bracket);
    })
  );
  const open = brackets.filter((bracket) => bracket.state === 'running').flatMap((bracket) => bracket.rounds);
  const rounds = brackets.flatMap((bracket) => bracket.rounds);
  const epochs = status.result?.epochs ?? status.epochs + open.reduce((sum, round) => sum + round.epochs, 0);
  return { ...status, epochs, brackets, best: status.best ?? bestSoFar(status, rounds) };
}

/** Before the first bracket closes, the best of the closed rounds at the largest budget. */
function bestSoFar(status: StudyStatus, rounds: readonly { best: number | null; to: number }[]): StudyStatus['best'] {
  const closed = rounds.filter((round) => round.best !== null);
  const last = closed.reduce<(typeof closed)[number] | null>((a, b) => (a && a.to > b.to ? a : b), null);
  return last && status.study ? { trial: '', value: last.best as number, budget: last.to } : null;
}

/** Every trial of the study, in order of brackets. */
export async function getTrials(name: string): Promise<TrialRow[]> {
  const record = readRecord(stateDir(), name);
  if (record?.result && record.trials.length > 0 && (await isClosed(name))) {
    return record.trials.map((trial) => ({
      id: trial.id,
      config: trial.config,
      fate: trial.fate,
      epochs: trial.values.length + (trial.divergedAt === undefined ? 0 : 1),
      value: trial.values.at(-1) ?? null,
    }));
  }
  return withClient(async (client) => {
    const status = await statusOf(client, name);
    const rows: TrialRow[] = [];
    for (const bracket of status.brackets) {
      const id = workflowIds.bracket(name, bracket.id);
      for (let offset = 0; ; offset += 200) {
        const answer = await query<TrialsAnswer>(client, name, id, queryNames.trials, { offset, limit: 200 });
        rows.push(...answer.rows);
        if (offset + 200 >= answer.total) break;
      }
    }
    return rows;
  });
}

async function isClosed(name: string): Promise<boolean> {
  return withClient(async (client) => {
    const { status } = await client.workflow.getHandle(workflowIds.study(name)).describe();
    return status.name !== 'RUNNING';
  }).catch(() => true);
}

/** A workflow that trains trials right now, with what it is doing. */
export interface TrainingNow {
  readonly workflowId: string;
  readonly progress: Progress;
}

/** Every running round and shard of a study. */
export async function trainingNow(client: Client, status: StudyStatus): Promise<TrainingNow[]> {
  const name = status.study?.name ?? '';
  const found: TrainingNow[] = [];
  for (const bracket of status.brackets) {
    for (const round of bracket.rounds) {
      if (round.state !== 'running') continue;
      const queue = [workflowIds.round(name, bracket.id, round.index)];
      for (let id = queue.shift(); id; id = queue.shift()) {
        const progress = await query<Progress>(client, name, id, queryNames.progress).catch(() => null);
        if (!progress) continue;
        found.push({ workflowId: id, progress });
        queue.push(...progress.shards);
      }
    }
  }
  return found;
}

export const pauseStudy = (name: string) => update(name, updateNames.pause);
export const resumeStudy = (name: string) => update(name, updateNames.resume);
export const stopStudy = (name: string) => update(name, updateNames.stop);
export const setParallelism = (name: string, parallelism: number) =>
  update(name, updateNames.setParallelism, { parallelism });

/** Puts parked trials back; all of them when none is named. Gives a line for each. */
export async function retryTrials(name: string, trial: string | null, resetCheckpoint: boolean): Promise<string[]> {
  return parkedUpdate(name, trial, updateNames.retryTrial, { resetCheckpoint });
}

/** Drops a parked trial: it ranks last. */
export async function dropTrial(name: string, trial: string): Promise<string[]> {
  return parkedUpdate(name, trial, updateNames.dropTrial, {});
}

async function parkedUpdate(name: string, trial: string | null, updateName: string, more: object): Promise<string[]> {
  return withClient(async (client) => {
    const places = await trainingNow(client, await statusOf(client, name));
    const parked = places.flatMap(({ workflowId, progress }) =>
      progress.parked.map((one) => ({ workflowId, trial: one.trial }))
    );
    const wanted = parked.filter((one) => trial === null || one.trial === trial);
    if (wanted.length === 0) {
      const list = parked.map((one) => one.trial).join(', ') || 'none';
      throw new CliError(
        `${trial === null ? 'no trial' : `trial ${trial}`} of ${name} is parked now (parked: ${list}). A trial whose round has closed keeps its rank; start a new study to run it again.`
      );
    }
    const answers: string[] = [];
    for (const one of wanted)
      answers.push(await send(client, name, one.workflowId, updateName, { trial: one.trial, ...more }));
    return answers;
  });
}

async function update(name: string, updateName: string, argument?: object): Promise<string> {
  return withClient((client) => send(client, name, workflowIds.study(name), updateName, argument));
}

async function send(
  client: Client,
  name: string,
  workflowId: string,
  updateName: string,
  argument?: object
): Promise<string> {
  try {
    const handle = client.workflow.getHandle(workflowId);
    return await orUnknown(
      name,
      argument
        ? handle.executeUpdate<string, [object]>(updateName, { args: [argument] })
        : handle.executeUpdate<string, []>(updateName)
    );
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError)
      throw new CliError((error.cause as Error | undefined)?.message ?? error.message);
    throw error;
  }
}

/** A query with a limit in time: it needs a live orchestrating worker. */
async function query<T>(
  client: Client,
  name: string,
  workflowId: string,
  queryName: string,
  ...args: unknown[]
): Promise<T> {
  const handle = client.workflow.getHandle(workflowId);
  return await orUnknown(
    name,
    client.connection.withDeadline(Date.now() + 10_000, () => handle.query<T, unknown[]>(queryName, ...args))
  );
}

async function orUnknown<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new CliError(`no study named ${name} on this server. Fix: \`everband list\` shows what there is.`);
    const text = String((error as { cause?: unknown }).cause ?? error);
    if (/DEADLINE_EXCEEDED|no poller|Timeout expired/i.test(text)) {
      throw new CliError(
        `nobody answers for ${name}: no orchestrating worker polls. Fix: \`everband worker orchestrate\`.`
      );
    }
    throw error;
  }
}
