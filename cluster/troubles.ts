/** What keeps a running study from going on, as the server describes its workflows: no worker has to answer. */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import type { ProtoFailure } from '@temporalio/common';
import { causeMemo, failureTypes, workflowIds } from '../workflows/messages.js';
import { messageOf } from './codec.js';

export interface Trouble {
  readonly workflowId: string;
  /**
   * `fails`: its workflow task does not succeed. `waits`: no worker takes it. `unread`: no worker reads what it asks.
   * `paused`: the study has paused by itself.
   */
  readonly kind: 'fails' | 'waits' | 'unread' | 'paused';
  readonly says: string;
  /** The one line that mends it. */
  readonly fix: string;
}

/** PENDING_WORKFLOW_TASK_STATE_SCHEDULED and _STARTED. */
const taskState = { scheduled: 1, started: 2 };
/** WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR. */
const nondeterministic = 24;
/** Causes that the server sees to itself: UNHANDLED_COMMAND, RESET_*, FORCE_CLOSE, FAILOVER_CLOSE, UNHANDLED_UPDATE. */
const passing = new Set([1, 13, 17, 18, 20, 31]);
/** Seconds: a worker that polls takes a task at once, and ends it in milliseconds. */
const untakenAfter = 15;
const unendedAfter = 5;
/** A few failures in a row, which a rollout with old and new workers brings about too. */
const unreadAfter = 4;
const pageSize = 50;
const maxPages = 20;

export async function troublesOf(client: Client, name: string): Promise<Trouble[]> {
  const troubles: Trouble[] = [];
  for (let ids = [workflowIds.study(name)]; ids.length > 0;) {
    const described = await Promise.all(ids.map((id) => describe(client, id)));
    const open = described.filter((one) => one !== null).filter(({ status }) => status.name === 'RUNNING');
    for (const found of await Promise.all(open.map((one) => troublesAt(client, one)))) troubles.push(...found);
    ids = open.flatMap(({ raw }) => (raw.pendingChildren ?? []).flatMap(({ workflowId }) => workflowId || []));
  }
  return troubles;
}

/** One line with its fix. */
export function troubleText({ says, fix }: Trouble): string {
  return `${says}. Fix: ${fix}.`;
}

/** Workflows that answer no query, for their own task fails or nobody takes it. */
export function silent(troubles: readonly Trouble[]): ReadonlySet<string> {
  const mute = troubles.filter(({ kind }) => kind === 'fails' || kind === 'waits');
  return new Set(mute.map(({ workflowId }) => workflowId));
}

/** A workflow whose task fails; `differs`: on code that is not the code that began it. */
export function failing(workflowId: string, message: string, differs: boolean): Trouble {
  const why = differs ? "the worker's workflow code is not the code that began it" : 'its workflow code fails';
  const mended = differs ? '' : ', or of one in which this is mended';
  const [, study = ''] = workflowId.split('/');
  // What the codec says of a payload has its own fix: no other version of the code would read it.
  const [, payload, mend] = /^(a payload .*)\. Fix: (.*)$/.exec(inOneLine(message)) ?? [];
  if (payload !== undefined && mend !== undefined)
    return {
      ...{ workflowId, kind: 'fails', says: `${workflowId} cannot go on: ${payload}` },
      fix: `${mend}; the study then goes on from where it stands`,
    };
  return {
    workflowId,
    kind: 'fails',
    says: `${workflowId} cannot go on: ${why} (${inOneLine(message)})`,
    fix:
      `start a worker of the version that began it${mended}; it then goes on from where it stands. Or let this version take ` +
      `it over from its record: \`everband start --recover ${study}\``,
  };
}

async function describe(client: Client, workflowId: string): Promise<WorkflowExecutionDescription | null> {
  try {
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    // A group may end between two looks.
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

async function troublesAt(client: Client, workflow: WorkflowExecutionDescription): Promise<Trouble[]> {
  const troubles = [await taskTrouble(client, workflow), await unread(client, workflow), paused(workflow)];
  return troubles.filter((trouble) => trouble !== null);
}

async function taskTrouble(client: Client, workflow: WorkflowExecutionDescription): Promise<Trouble | null> {
  const { workflowId, raw } = workflow;
  const task = raw.pendingWorkflowTask;
  if (!task) return null;
  const failed = await lastFailure(client, workflow);
  if (failed) return failing(workflowId, failed.message, failed.cause === nondeterministic);
  const attempt = task.attempt ?? 1;
  const waited = secondsSince(task.scheduledTime);
  if (task.state === taskState.scheduled && waited > untakenAfter)
    return {
      workflowId,
      kind: 'waits',
      says: `no orchestrating worker has taken the workflow task of ${workflowId} for ${Math.round(waited)} s`,
      fix: '`everband worker orchestrate`',
    };
  // Of a task that was lost once, a worker reports no failure: each later attempt runs out of time.
  const unended = task.state === taskState.started && secondsSince(task.startedTime) > unendedAfter;
  if (attempt > 2 || (attempt === 2 && unended)) {
    const told = `its workflow task was begun ${attempt} times and did not end; the worker's log says why`;
    return failing(workflowId, told, false);
  }
  return null;
}

/** How the last workflow task that a worker answered failed; null when it did not. */
async function lastFailure(
  client: Client,
  { workflowId, runId }: WorkflowExecutionDescription
): Promise<{ cause: number; message: string } | null> {
  let nextPageToken: Uint8Array | null = null;
  for (let page = 0; page < maxPages; page++) {
    const answer: Awaited<ReturnType<Client['workflowService']['getWorkflowExecutionHistoryReverse']>> =
      await client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace: client.options.namespace,
        execution: { workflowId, runId },
        maximumPageSize: pageSize,
        nextPageToken,
      });
    for (const event of answer.history?.events ?? []) {
      if (event.workflowTaskCompletedEventAttributes) return null;
      const failed = event.workflowTaskFailedEventAttributes;
      if (!failed) continue;
      const cause = failed.cause ?? 0;
      if (passing.has(cause)) return null;
      const message = failed.failure ? await messageOf(client, workflowId, failed.failure) : '';
      return { cause, message: message || 'no reason given' };
    }
    nextPageToken = answer.nextPageToken;
    if (!nextPageToken?.length) break;
  }
  return null;
}

/** What is asked again and again, for no worker that was asked can read it; no trial pays for it. */
async function unread(client: Client, { workflowId, raw }: WorkflowExecutionDescription): Promise<Trouble | null> {
  const failures = (raw.pendingActivities ?? []).flatMap(({ attempt, lastFailure }) => {
    const failure = unreadFailure(lastFailure, (attempt ?? 1) > unreadAfter);
    return failure ? [failure] : [];
  });
  const [first] = failures;
  if (!first) return null;
  const what = failures.length === 1 ? 'an activity' : `${failures.length} activities`;
  const type = first.applicationFailureInfo?.type;
  if (type === failureTypes.noKey) {
    const [why = '', fix = ''] = (await messageOf(client, workflowId, first)).split('. Fix: ');
    return {
      workflowId,
      kind: 'unread',
      says: `a worker cannot tell whether ${what} of ${workflowId} is sealed (${inOneLine(why)})`,
      fix: fix || 'give the worker the key that the client has (EVERBAND_KEY_FILE)',
    };
  }
  const keyless = type === failureTypes.payloadUnread;
  return {
    workflowId,
    kind: 'unread',
    says: `no worker that polls can read ${what} of ${workflowId} (${inOneLine(await messageOf(client, workflowId, first))})`,
    fix: keyless
      ? 'start workers with the keys that the study is encrypted with; until then they are asked again, and no trial pays for it'
      : 'start a worker of the version that orchestrates the study; until then they are asked again, and no trial pays for it',
  };
}

/** The failure that says that a worker cannot read its input: Python wraps it. `often`: it has been asked a few times. */
function unreadFailure(failure: ProtoFailure | null | undefined, often: boolean): ProtoFailure | null {
  if (!failure) return null;
  const type = failure.applicationFailureInfo?.type;
  const unread = type === failureTypes.unsupportedSchema || type === failureTypes.payloadUnread;
  if ((unread && often) || type === failureTypes.noKey) return failure;
  return unreadFailure(failure.cause, often);
}

/** What a study says for which no epoch was ever reported: an operator has to look. */
function paused({ workflowId, memo }: WorkflowExecutionDescription): Trouble | null {
  const cause: unknown = memo?.[causeMemo];
  if (typeof cause !== 'string') return null;
  const [, study = ''] = workflowId.split('/');
  return {
    workflowId,
    kind: 'paused',
    says: `study ${study} is paused: ${cause}`,
    fix: `mend it, then \`everband resume ${study}\``,
  };
}

function secondsSince(time: { readonly seconds?: unknown } | null | undefined): number {
  return Date.now() / 1000 - Number(time?.seconds ?? 0);
}

function inOneLine(message: string): string {
  return (message.split('\n')[0] ?? '').slice(0, 600);
}
