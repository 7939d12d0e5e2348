/** Takes up studies whose workflows are gone or cannot go on. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { recordedStudy, requireRecoverable } from '../activities/recover.js';
import type { Study } from '../core/study.js';
import { withClient } from '../cluster/connect.js';
import { CliError } from '../cluster/errors.js';
import { stateDir } from '../cluster/state.js';
import { troublesOf } from '../cluster/troubles.js';
import type { Recovery } from '../workflows/carried.js';
import { queryNames, taskQueues, workflowIds, workflowTypes, type StudyStatus } from '../workflows/messages.js';
import { memoOf, searchAttributesOf } from '../workflows/web-ui.js';
import { OtherCodeError, query } from './ask.js';
import { hasFailed, resultOf } from './outcome.js';
import { allowOwn, sealFor } from './trusting.js';

/**
 * Takes up a study whose workflows are gone, or cannot go on for their code is another by now, from its record and its
 * checkpoints in the orchestrating worker's state folder. Resolves once it goes on.
 * @throws CliError that says why it cannot be taken up
 */
export async function recoverStudy(name: string, say: (line: string) => void = () => undefined): Promise<StudyStatus> {
  return withClient(async (client) => {
    const root = workflowIds.study(name);
    await endStuck(client, name);
    const study = recordedHere(name);
    const seal = sealFor(study);
    const allowed = await allowOwn(client, study);
    if (allowed !== null) say(allowed);
    const handle = await client.workflow.start(workflowTypes.study, {
      workflowId: root,
      taskQueue: taskQueues.orchestrate,
      args: [{ recover: name, seal } satisfies Recovery],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: `${name}, recovered from its record`,
      memo: memoOf(study),
      typedSearchAttributes: searchAttributesOf(study, { phase: 'preparing' }),
    });
    for (;;) {
      if (await hasFailed(client, name)) await resultOf(client, name);
      const status = await handle.query<StudyStatus>(queryNames.status);
      // One that has failed has a phase too, and no study.
      if (status.study && status.phase !== 'preparing') return status;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  });
}

function recordedHere(name: string): Study {
  try {
    return recordedStudy(stateDir(), name);
  } catch (error) {
    throw new CliError((error as Error).message);
  }
}

/** Whether a study's workflow code is another by now. @throws CliError when nobody answers for it */
async function isStuck(client: Client, name: string): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    if ((await troublesOf(client, name)).some(({ kind }) => kind === 'fails')) return true;
    try {
      // Between two tasks of its workflow, only a question finds it out.
      await query(client, name, workflowIds.study(name), queryNames.status);
      return false;
    } catch (error) {
      if (error instanceof OtherCodeError) return true;
      // A worker that has just come may be asked before it knows the workflow.
      if (tries === 2) throw error;
    }
  }
}

/** Ends the workflows of a study that cannot go on. @throws CliError when it can, or when its record does not hold */
async function endStuck(client: Client, name: string): Promise<void> {
  const root = workflowIds.study(name);
  const running: string[] = [];
  for await (const { workflowId } of client.workflow.list({
    query: `WorkflowId STARTS_WITH '${root}' AND ExecutionStatus = 'Running'`,
  })) {
    if (workflowId === root || workflowId.startsWith(`${root}/`)) running.push(workflowId);
  }
  if (running.length === 0) return;
  if (!(await isStuck(client, name))) {
    throw new CliError(
      `study ${name} still runs (${running[0]}): there is nothing to recover. Fix: \`everband watch ${name}\`.`
    );
  }
  // Before anything is ended: what this version makes of the record must be what is recorded.
  await requireRecoverable(stateDir(), name).catch((error: Error) => {
    throw new CliError(`${error.message}. Its workflows stay as they are.`);
  });
  // The study first: it would start what comes next.
  for (const workflowId of running.sort((a, b) => a.length - b.length)) {
    const ended = client.workflow.getHandle(workflowId).terminate('taken over by `everband start --recover`');
    await ended.catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    });
  }
}
