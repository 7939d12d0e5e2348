/**
 * The typed API: what the commands do, for programs. Connections are made as the commands make them.
 * @example
 * import { startStudy, waitForResult } from 'everband';
 * const { name } = await startStudy('study.yaml');
 * console.log((await waitForResult(name)).best);
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import type { StudyRecord, StudyResult } from '../core/record.js';
import type { Study } from '../core/study.js';
import { listRecords, readRecord, recordFile, studyFolder } from '../activities/record-store.js';
import { reportHtml } from '../report/html.js';
import { formatProblems, loadStudy } from '../study/load.js';
import { parseStudy } from '../study/parse.js';
import {
  queryNames,
  taskQueues,
  updateNames,
  workflowIds,
  workflowTypes,
  type BracketStatus,
  type Progress,
  type RoundStatus,
  type StudyStatus,
  type TrialRow,
  type TrialsAnswer,
} from '../workflows/messages.js';
import { schedulerText, searchAttributesOf, soFar } from '../workflows/web-ui.js';
import { query, send, unknownStudy } from './ask.js';
import { grpcCode, withClient } from './connect.js';
import { deleteWorkflows } from './delete-workflows.js';
import { CliError } from './errors.js';
import { recordedStatus } from './recorded.js';
import { stateDir } from './state.js';

export type { Study } from '../core/study.js';
export type { StudyResult, StudyRecord, TrialRecord } from '../core/record.js';
export type { StudyStatus, TrialRow } from '../workflows/messages.js';
export { planStudy, type StudyPlan } from '../core/plan.js';
export { CliError } from './errors.js';

/** The canonical record of a study, beyond Temporal's retention; partial while it runs, null when there is none. */
export function getRecord(name: string): StudyRecord | null {
  return readRecord(stateDir(), name);
}

/** Writes one self-contained HTML file and gives its name. @throws CliError when there is no record */
export function writeReport(name: string, file: string): string {
  writeFileSync(file, reportHtml(recorded(name)));
  return file;
}

/** @throws CliError when there is no record */
export function recorded(name: string): StudyRecord {
  const record = getRecord(name);
  if (!record)
    throw new CliError(
      `no record of ${name} in ${stateDir()}. Fix: run this where its orchestrating worker runs, or set EVERBAND_HOME.`
    );
  return record;
}

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
        `a study named ${study.name} exists. Fix: another name (--name), or \`everband delete ${study.name}\`.`
      );
    }
    try {
      await client.workflow.start(workflowTypes.study, {
        workflowId: workflowIds.study(study.name),
        taskQueue: taskQueues.orchestrate,
        args: [study],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        workflowIdConflictPolicy: 'FAIL',
        staticSummary: `${study.name}: ${schedulerText(study.scheduler)}, sampler ${study.sampler.type}, predictor ${study.predictor.type}, seed ${study.seed}`,
        memo: { seed: study.seed, scheduler: study.scheduler, predictor: study.predictor },
        typedSearchAttributes: searchAttributesOf(study, { phase: 'preparing' }),
      });
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) {
        throw new CliError(
          `study ${study.name} is known to the server already. Fix: another name (--name), or \`everband delete ${study.name}\`.`
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

/** Waits for a study's end, through outages of the server too. @throws CliError when the study failed or is unknown */
export async function waitForResult(name: string): Promise<StudyResult> {
  const closed = await closedStatus(name);
  if (closed?.result) return closed.result;
  return withClient((client) => resultOf(client, name));
}

export async function resultOf(client: Client, name: string): Promise<StudyResult> {
  for (;;) {
    try {
      return (await client.workflow.getHandle(workflowIds.study(name)).result()) as StudyResult;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw unknownStudy(name);
      if (error instanceof WorkflowFailedError) throw new CliError(`study ${name} failed: ${rootMessage(error)}`);
      if (!['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(grpcCode(error) ?? '')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function rootMessage(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? rootMessage(cause) : error.message;
}

/** How a study stands; running brackets answer for themselves, a closed study's record for it. */
export async function getStatus(name: string): Promise<StudyStatus> {
  const closed = await closedStatus(name);
  if (closed) return closed;
  return withClient(async (client) => {
    // One that failed has no more to say than why.
    if (await hasFailed(client, name)) await resultOf(client, name);
    return statusOf(client, name);
  });
}

/** A closed study out of its record: no worker, server or history needed. */
export async function closedStatus(name: string): Promise<StudyStatus | null> {
  const status = recordedStatus(stateDir(), name);
  return status && !(await isRunning(name)) ? status : null;
}

async function hasFailed(client: Client, name: string): Promise<boolean> {
  const { status } = await client.workflow
    .getHandle(workflowIds.study(name))
    .describe()
    .catch((error: unknown) => {
      throw error instanceof WorkflowNotFoundError ? unknownStudy(name) : error;
    });
  return !['RUNNING', 'COMPLETED', 'CONTINUED_AS_NEW'].includes(status.name);
}

async function isRunning(name: string): Promise<boolean> {
  return withClient(async (client) => {
    const { status } = await client.workflow.getHandle(workflowIds.study(name)).describe();
    return status.name === 'RUNNING';
  }).catch(() => false);
}

export async function statusOf(client: Client, name: string): Promise<StudyStatus> {
  const status = await query<StudyStatus>(client, name, workflowIds.study(name), queryNames.status);
  const brackets = await Promise.all(
    status.brackets.map(async (bracket) => {
      if (bracket.state !== 'running') return bracket;
      const id = workflowIds.bracket(name, bracket.id);
      return query<BracketStatus>(client, name, id, queryNames.status).catch(() => bracket);
    })
  );
  return soFar({ ...status, brackets });
}

/** Every trial of the study, in order of brackets. */
export async function getTrials(name: string): Promise<TrialRow[]> {
  if (await closedStatus(name)) return recordedTrials(name);
  return withClient(async (client) => {
    const status = await statusOf(client, name);
    // Thousands of trials pass through the workflow of an ASHA study; their record grows as they end.
    if (status.brackets.some((bracket) => bracket.asynchronous)) return recordedTrials(name);
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

function recordedTrials(name: string): TrialRow[] {
  return recorded(name).trials.map((trial) => ({
    id: trial.id,
    config: trial.config,
    fate: trial.fate,
    epochs: trial.divergedAt ?? trial.values.length,
    value: trial.values.at(-1) ?? null,
  }));
}

/** A workflow that trains trials right now, with what it is doing. */
export interface TrainingNow {
  readonly workflowId: string;
  readonly bracket: string;
  readonly round: RoundStatus;
  readonly progress: Progress;
}

/** Every running round and shard of a study. */
export async function trainingNow(client: Client, status: StudyStatus): Promise<TrainingNow[]> {
  const name = status.study?.name ?? '';
  const found: TrainingNow[] = [];
  for (const bracket of status.brackets) {
    for (const round of bracket.rounds) {
      if (round.state !== 'running') continue;
      if (bracket.asynchronous && round.index > 0) break;
      const queue = [
        bracket.asynchronous ? workflowIds.bracket(name, bracket.id) : workflowIds.round(name, bracket.id, round.index),
      ];
      for (let id = queue.shift(); id; id = queue.shift()) {
        const progress = await query<Progress>(client, name, id, queryNames.progress).catch(() => null);
        if (!progress) continue;
        found.push({ workflowId: id, bracket: bracket.id, round, progress });
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
        `${trial === null ? `no trial of ${name} is parked` : `trial ${trial} of ${name} is not parked`} (parked: ${list}). A trial whose round has closed keeps its rank; start a new study to run it again.`
      );
    }
    const answers: string[] = [];
    for (const one of wanted) {
      const sent = send(client, name, one.workflowId, updateName, { trial: one.trial, ...more });
      // Of many, one whose time ran out meanwhile must not keep the others waiting.
      answers.push(await (trial === null ? sent.catch((error: unknown) => (error as Error).message) : sent));
    }
    return answers;
  });
}

async function update(name: string, updateName: string, argument?: object): Promise<string> {
  return withClient((client) => send(client, name, workflowIds.study(name), updateName, argument));
}

/** One line of `everband list`. */
export interface StudySummary {
  readonly name: string;
  /** What Temporal says (running, completed, failed, terminated ...), or `recorded`: only the record is left. */
  readonly state: string;
  readonly phase: string | null;
  readonly best: number | null;
}

/** Studies of the server and of the records; without a server, which `trouble` hears of, of the records alone. */
export async function listStudies(trouble: (message: string) => void = () => undefined): Promise<StudySummary[]> {
  const studies = new Map<string, StudySummary>();
  for (const name of listRecords(stateDir())) {
    const best = getRecord(name)?.result.best?.value ?? null;
    studies.set(name, {
      name,
      state: 'recorded',
      phase: existsSync(recordFile(stateDir(), name)) ? 'done' : null,
      best,
    });
  }
  await withClient(async (client) => {
    // The newest run of a study comes first.
    for await (const found of client.workflow.list({ query: `WorkflowType = '${workflowTypes.study}'` })) {
      const name = found.workflowId.replace(/^everband\//, '');
      const known = studies.get(name);
      if (known && known.state !== 'recorded') continue;
      const attribute = (key: string) => (found.searchAttributes as Record<string, unknown[]>)[key]?.[0] ?? null;
      studies.set(name, {
        name,
        state: found.status.name.toLowerCase(),
        phase: attribute('EverbandPhase') as string | null,
        best: known?.best ?? (attribute('EverbandBest') as number | null),
      });
    }
  }).catch((error: unknown) => {
    if (studies.size === 0) throw error;
    trouble((error as Error).message);
  });
  return [...studies.values()];
}

/**
 * Removes the records, checkpoints, logs and workflows of a study; gives what there was.
 * @throws CliError when it runs and `force` is false, or when there is none
 */
export async function deleteStudy(name: string, force = false): Promise<{ workflows: number; recorded: boolean }> {
  const known = listRecords(stateDir()).includes(name);
  const { workflows, terminated } = await withClient((client) => deleteWorkflows(client, name, force));
  if (workflows === 0 && !known) throw unknownStudy(name);
  // Trainers of a terminated study learn of it by their next heartbeat; until then they write.
  if (terminated) await new Promise((resolve) => setTimeout(resolve, 3000));
  rmSync(studyFolder(stateDir(), name), { recursive: true, force: true });
  return { workflows, recorded: known };
}
