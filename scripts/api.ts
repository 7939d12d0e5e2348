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
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionInfo,
} from '@temporalio/client';
import type { ScheduleStep, StudyRecord, StudyResult } from '../core/record.js';
import type { RoundView } from '../core/engine/scheduler.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { audit, type Finding } from '../core/audit.js';
import { auditLate, lateView, type LateView } from '../core/late.js';
import type { Study } from '../core/study.js';
import { readLates } from '../activities/late-store.js';
import { listRecords, readRecord, readStudy, recordFile, studyFolder } from '../activities/record-store.js';
import { reportHtml } from '../report/html.js';
import { exploitsOf, type Exploit } from '../report/trials.js';
import { readEpochs, type EpochLine } from '../trainers/epoch-log.js';
import {
  phaseAtEnd,
  queryNames,
  taskQueues,
  updateNames,
  workflowIds,
  workflowTypes,
  type Progress,
  type SealedStudy,
  type StudyPhase,
  type StudyStatus,
  type TrialRow,
} from '../workflows/messages.js';
import { memoOf, schedulerText, searchAttributesOf } from '../workflows/web-ui.js';
import { query, send, unknownStudy } from './ask.js';
import { checkStudy } from './check-study.js';
import { withClient } from '../cluster/connect.js';
import { deleteWorkflows } from './delete-workflows.js';
import { CliError } from '../cluster/errors.js';
import { lateCandidates, lateRecords, lateResults, refuseDiverged, retryLate, type LateResults } from './late.js';
import { hasFailed, isOver, resultOf } from './outcome.js';
import { recordedStatus } from './recorded.js';
import { allowOwn, sealFor } from './trusting.js';
import { stateDir } from '../cluster/state.js';
import { silent, troublesOf, troubleText, type Trouble } from '../cluster/troubles.js';

export type { Study } from '../core/study.js';
export type { StudyResult, StudyRecord, TrialRecord } from '../core/record.js';
export type { StudyStatus, TrialRow } from '../workflows/messages.js';
export type { EpochLine } from '../trainers/epoch-log.js';
export { planOf } from '../core/study.js';
export type { StudyPlan } from '../core/engine/plan.js';
export { checkStudy } from './check-study.js';
export { recoverStudy } from './recover.js';
export type { LateResults } from './late.js';
export type { LateView } from '../core/late.js';
export type { Finding } from '../core/audit.js';
export type { Trouble } from '../cluster/troubles.js';
export { CliError } from '../cluster/errors.js';

/** The canonical record of a study, beyond Temporal's retention; partial while it runs, null when there is none. */
export function getRecord(name: string): StudyRecord | null {
  return readRecord(stateDir(), name);
}

/** Writes one self-contained HTML file and gives its name. @throws CliError when there is no record */
export function writeReport(name: string, file: string): string {
  writeFileSync(
    file,
    reportHtml(recorded(name), (trial) => getEpochs(name, trial), lateRecords(name))
  );
  return file;
}

/** A trial's epochs with every number that was reported beside the objective; none of a replay. */
export function getEpochs(name: string, trial: string): EpochLine[] {
  return readEpochs(studyFolder(stateDir(), name), trial);
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

/**
 * Seals a study, starts it and returns at once. Where server, workers and state folder are this user's alone, its trainer
 * is allowed too; `say` is told so.
 * @throws CliError when the study is wrong, known already, or no server answers
 */
export async function startStudy(
  source: string | object,
  say: (line: string) => void = () => undefined
): Promise<Study> {
  const study = await checkStudy(source);
  const seal = sealFor(study);
  await withClient(async (client) => {
    if (readRecord(stateDir(), study.name)) {
      throw new CliError(
        `a study named ${study.name} exists. Fix: another name (--name), \`everband start --recover ${study.name}\` if its server has lost it, or \`everband delete ${study.name}\`.`
      );
    }
    const allowed = await allowOwn(client, study);
    if (allowed !== null) say(allowed);
    try {
      await client.workflow.start(workflowTypes.study, {
        workflowId: workflowIds.study(study.name),
        taskQueue: taskQueues.orchestrate,
        args: [{ study, seal } satisfies SealedStudy],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        workflowIdConflictPolicy: 'FAIL',
        staticSummary: `${study.name}: ${schedulerText(study.scheduler)}, sampler ${study.sampler.type}, pruner ${study.pruner.type}, seed ${study.seed}`,
        memo: memoOf(study),
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

/** How a study stands; a closed study's record answers for it. @throws CliError with the troubles when it cannot answer */
export async function getStatus(name: string): Promise<StudyStatus> {
  return (await getStanding(name)).status;
}

/** How a study stands and what keeps it from going on. @throws CliError with the troubles when it cannot answer */
export async function getStanding(
  name: string
): Promise<{ readonly status: StudyStatus; readonly troubles: readonly Trouble[] }> {
  const closed = await closedStatus(name);
  if (closed) return { status: closed, troubles: [] };
  return withClient(async (client) => {
    // One that failed has no more to say than why.
    if (await hasFailed(client, name)) await resultOf(client, name);
    const troubles = await troublesOf(client, name);
    if (silent(troubles).has(workflowIds.study(name))) throw inTrouble(troubles);
    const status = await statusOf(client, name).catch(async (error: unknown) => {
      // What nobody answered for seconds may have come to more meanwhile.
      const now = await troublesOf(client, name);
      throw now.length > 0 ? inTrouble(now) : error;
    });
    const trouble = status.trouble ?? troubleAt(await trainingNow(client, status, troubles));
    return { status: { ...status, trouble }, troubles };
  });
}

/** What keeps one of these places from going on. */
export function troubleAt(places: readonly TrainingNow[]): string | null {
  return places.find(({ progress }) => progress.trouble !== undefined)?.progress.trouble ?? null;
}

function inTrouble(troubles: readonly Trouble[]): CliError {
  return new CliError(troubles.map(troubleText).join('\n'));
}

/** A closed study out of its record: no worker, server or history needed. */
export async function closedStatus(name: string): Promise<StudyStatus | null> {
  const status = recordedStatus(stateDir(), name);
  return status && !(await isRunning(name)) ? status : null;
}

async function isRunning(name: string): Promise<boolean> {
  return withClient((client) => isRunningAt(client, name)).catch(() => false);
}

/** @throws CliError when neither server nor record knows the study */
async function isRunningAt(client: Client, name: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowIds.study(name)).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    if (!readRecord(stateDir(), name)) throw unknownStudy(name);
    return false;
  }
}

export async function statusOf(client: Client, name: string): Promise<StudyStatus> {
  return query<StudyStatus>(client, name, workflowIds.study(name), queryNames.status);
}

/**
 * Every trial of the study that is in its record, in order of brackets; while the study runs, those of closed rounds
 * with what they have come to, and those under way with their configurations.
 */
export async function getTrials(name: string): Promise<TrialRow[]> {
  if (!listRecords(stateDir()).includes(name)) await getStatus(name);
  return recordedTrials(name);
}

/** What is wrong with the record of a closed study, decisions first; nothing when all of it follows. */
export function auditStudy(name: string): Finding[] {
  if (!existsSync(recordFile(stateDir(), name))) {
    recorded(name);
    throw new CliError(
      `study ${name} has not ended: its record is audited once it has. Fix: \`everband watch ${name}\`.`
    );
  }
  const record = recorded(name);
  const { lates, wrong } = readLates(stateDir(), name);
  return [
    ...audit(record),
    ...lates.flatMap((late) => auditLate(record, late)),
    ...wrong.map(({ trial, says }) => ({ of: `late ${trial}`, says })),
  ];
}

function recordedTrials(name: string): TrialRow[] {
  const lates = new Map(readLates(stateDir(), name).lates.map((late) => [late.trial, lateView(late)]));
  return recorded(name).trials.map((trial) => ({
    id: trial.id,
    config: trial.config,
    fate: trial.fate,
    epochs: trial.divergedAt ?? trial.values.length,
    value: trial.values.at(-1) ?? null,
    ...(trial.lineage ? { lineage: trial.lineage } : {}),
    ...(lates.has(trial.id) ? { late: lates.get(trial.id) as LateView } : {}),
  }));
}

/** A workflow that trains trials right now, with what it is doing. */
export interface TrainingNow {
  readonly workflowId: string;
  readonly bracket: string;
  /** Null where trials come to rungs one by one. */
  readonly round: RoundView | null;
  readonly progress: Progress;
}

/** Every running round and shard of a study that can answer; the study itself where trials train without rounds. */
export async function trainingNow(
  client: Client,
  status: StudyStatus,
  troubles: readonly Trouble[] = []
): Promise<TrainingNow[]> {
  const mute = silent(troubles);
  const name = status.study?.name ?? '';
  const found: TrainingNow[] = [];
  for (const bracket of status.brackets) {
    const running = bracket.rounds.filter(({ state }) => state === 'running');
    const places =
      bracket.step === 'rung'
        ? running.slice(0, 1).map(() => ({ id: workflowIds.study(name), round: null }))
        : running.map((round) => ({ id: workflowIds.round(name, bracket.id, round.index), round }));
    for (const { id: first, round } of places) {
      const queue = [first];
      for (let id = queue.shift(); id; id = queue.shift()) {
        if (mute.has(id)) continue;
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

/**
 * Tries trials again that failed: a parked one goes on where it is; one whose round or study has closed is retried late,
 * which changes nothing that was decided. All of them when none is named. Gives a line for each.
 * `queue`: task queue of the workers that are to train it.
 */
export async function retryTrials(
  name: string,
  trial: string | null,
  resetCheckpoint: boolean,
  queue: string | null = null
): Promise<string[]> {
  return withClient(async (client) => {
    const running = await isRunningAt(client, name);
    const wanted = (running ? await parkedTrials(client, name) : []).filter(
      (one) => trial === null || one.trial === trial
    );
    const argument = { resetCheckpoint, ...(queue === null ? {} : { queue }) };
    const parked = new Set(wanted.map((one) => one.trial));
    const late =
      trial === null
        ? lateCandidates(name, 'failed').filter((one) => !parked.has(one))
        : [trial].filter((one) => !parked.has(one));
    if (wanted.length + late.length === 0) {
      throw new CliError(`no trial of ${name} is parked, and none has failed in a round that has closed.`);
    }
    const ask = { reset: resetCheckpoint, queue };
    return answersOf(trial === null, [
      ...wanted.map((one) => () => {
        return send(client, name, one.workflowId, updateNames.retryTrial, { trial: one.trial, ...argument });
      }),
      ...late.map((one) => () => retryLate(client, name, running, one, ask)),
    ]);
  });
}

/** Retries every trial late that diverged. @throws CliError without a reset or a queue: they would diverge again */
export async function retryDiverged(name: string, resetCheckpoint: boolean, queue: string | null): Promise<string[]> {
  recorded(name);
  const diverged = lateCandidates(name, 'diverged');
  if (diverged.length === 0) throw new CliError(`no trial of ${name} has diverged in a round that has closed.`);
  if (!resetCheckpoint && queue === null) refuseDiverged(name, diverged);
  return withClient(async (client) => {
    const running = await isRunningAt(client, name);
    const ask = { reset: resetCheckpoint, queue };
    return answersOf(
      true,
      diverged.map((one) => () => retryLate(client, name, running, one, ask))
    );
  });
}

/** What late retries of a study came to, beside what was decided; null when there are none. */
export async function getLate(name: string): Promise<LateResults | null> {
  return lateResults(name);
}

/** Who went on from whose checkpoint, and the schedule behind the best; of a study that runs, so far. */
export interface PopulationSoFar {
  /** Absent: one configuration has come to the best result. */
  readonly schedule?: readonly ScheduleStep[];
  /** In the order of epochs; absent: none. */
  readonly lineage?: readonly Exploit[];
}

/** Out of the record: as far as rounds have closed, or trials have come to rungs. */
export function getPopulation(name: string): PopulationSoFar {
  const study = readStudy(stateDir(), name);
  const record = study && schedulerOf(study.scheduler).exploits ? getRecord(name) : null;
  const schedule = record?.result.best?.schedule;
  const lineage = record ? exploitsOf(record).sort((a, b) => a.epoch - b.epoch) : [];
  return { ...(schedule ? { schedule } : {}), ...(lineage.length > 0 ? { lineage } : {}) };
}

/** Drops a parked trial: it ranks last. */
export async function dropTrial(name: string, trial: string): Promise<string[]> {
  return withClient(async (client) => {
    const parked = await parkedTrials(client, name);
    const wanted = parked.filter((one) => one.trial === trial);
    if (wanted.length === 0) {
      const list = parked.map((one) => one.trial).join(', ') || 'none';
      throw new CliError(`trial ${trial} of ${name} is not parked (parked: ${list}).`);
    }
    return answersOf(
      false,
      wanted.map((one) => () => send(client, name, one.workflowId, updateNames.dropTrial, { trial }))
    );
  });
}

async function parkedTrials(client: Client, name: string): Promise<{ workflowId: string; trial: string }[]> {
  const status = await statusOf(client, name);
  const places = await trainingNow(client, status, await troublesOf(client, name));
  return places.flatMap(({ workflowId, progress }) => progress.parked.map(({ trial }) => ({ workflowId, trial })));
}

/** One after the other; of many, one that is refused must not keep the others waiting. */
async function answersOf(many: boolean, orders: readonly (() => Promise<string>)[]): Promise<string[]> {
  const answers: string[] = [];
  for (const order of orders) {
    answers.push(await (many ? order().catch((error: unknown) => (error as Error).message) : order()));
  }
  return answers;
}

async function update(name: string, updateName: string, argument?: object): Promise<string> {
  return withClient((client) => send(client, name, workflowIds.study(name), updateName, argument));
}

/** One line of `everband list`. */
export interface StudySummary {
  readonly name: string;
  /**
   * What Temporal says (running, completed, failed, cancelled, terminated, timed_out), or of a study that was ended early what
   * ended it (stopped, deadline, target, epochLimit), or `recorded`: only the record is left.
   */
  readonly state: string;
  /** Where it stands, or how it ended; null for one that has come to no result. */
  readonly phase: StudyPhase | null;
  readonly best: number | null;
  /** What keeps it from going on, while it runs. */
  readonly troubles: readonly Trouble[];
}

/** Studies of the server and of the records; without a server, which `trouble` hears of, of the records alone. */
export async function listStudies(trouble: (message: string) => void = () => undefined): Promise<StudySummary[]> {
  const studies = new Map<string, StudySummary>();
  for (const name of listRecords(stateDir())) {
    const { best, ended = 'open' } = getRecord(name)?.result ?? {};
    const phase = ended === 'open' ? null : phaseAtEnd(ended);
    studies.set(name, { name, state: 'recorded', phase, best: best?.value ?? null, troubles: [] });
  }
  await withClient(async (client) => {
    const found = new Map<string, WorkflowExecutionInfo>();
    // The newest run of a study comes first.
    for await (const one of client.workflow.list({ query: `WorkflowType = '${workflowTypes.study}'` })) {
      if (!found.has(one.workflowId)) found.set(one.workflowId, one);
    }
    const summaries = await Promise.all(
      [...found].map(async ([id, one]) => {
        const name = id.replace(/^everband\//, '');
        // The list lags behind: of a study that it has as open, the server is asked itself.
        const open = ['RUNNING', 'CONTINUED_AS_NEW'].includes(one.status.name);
        const now = open ? await client.workflow.getHandle(id).describe() : one;
        const troubles = now.status.name === 'RUNNING' ? await troublesOf(client, name) : [];
        return { ...summaryOf(name, now, studies.get(name)), troubles };
      })
    );
    for (const one of summaries) studies.set(one.name, one);
  }).catch((error: unknown) => {
    if (studies.size === 0) throw error;
    trouble((error as Error).message);
  });
  return [...studies.values()];
}

/** Without troubles. */
function summaryOf(
  name: string,
  found: Pick<WorkflowExecutionInfo, 'status' | 'searchAttributes'>,
  recorded: StudySummary | undefined
): StudySummary {
  const attributes = found.searchAttributes as Record<string, unknown[] | undefined>;
  const status = found.status.name;
  // Whoever is ended from outside leaves the phase it was in.
  const listed = isOver(status) ? null : ((attributes['EverbandPhase']?.[0] ?? null) as StudyPhase | null);
  const phase = (status === 'COMPLETED' ? recorded?.phase : null) ?? listed;
  const early = status === 'COMPLETED' && phase !== null && phase !== 'done';
  return {
    ...{ name, phase, troubles: [], state: early ? phase : status.toLowerCase() },
    best: recorded?.best ?? (attributes['EverbandBest']?.[0] as number | undefined) ?? null,
  };
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
