/** Updates and queries to a study's workflows, with errors that say what to do. */
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { failureTypes, workflowIds } from '../workflows/messages.js';
import { readable } from '../cluster/codec.js';
import { CliError } from '../cluster/errors.js';
import { failing, troubleText } from '../cluster/troubles.js';

/** Sends an update; asked again while the trial it is about moves to another run of its workflow. */
export async function send(
  client: Client,
  name: string,
  workflowId: string,
  updateName: string,
  argument?: object
): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      const handle = client.workflow.getHandle(workflowId);
      const update = argument
        ? handle.executeUpdate<string, [object]>(updateName, { args: [argument] })
        : handle.executeUpdate<string, []>(updateName);
      return await answered(name, update);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw await endedOrUnknown(client, name);
      if (!(error instanceof WorkflowUpdateFailedError)) throw error;
      const moves = error.cause instanceof ApplicationFailure && error.cause.type === failureTypes.moving;
      if (!moves || tries === 20) throw new CliError((error.cause as Error | undefined)?.message ?? error.message);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}

/** A workflow's history is not what the worker's code makes of it. */
export class OtherCodeError extends CliError {}

/** A query with a limit in time: it needs a live orchestrating worker. */
export async function query<T>(
  client: Client,
  name: string,
  workflowId: string,
  queryName: string,
  ...args: unknown[]
): Promise<T> {
  const handle = client.workflow.getHandle(workflowId);
  const query = client.connection.withDeadline(Date.now() + 10_000, () =>
    handle.query<T, unknown[]>(queryName, ...args)
  );
  return answered(name, query).catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) throw unknownStudy(name);
    const { message } = error as Error;
    // A worker goes through the history to answer: one of another version finds out before there is a task that fails.
    if (message.startsWith('[TMPRL1100]')) throw new OtherCodeError(troubleText(failing(workflowId, message, true)));
    throw error;
  });
}

async function answered<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return readable(await work);
  } catch (error) {
    const text = String((error as { cause?: unknown }).cause ?? error);
    if (/DEADLINE_EXCEEDED|1 CANCELLED|no poller|Timeout expired/i.test(text)) {
      throw new CliError(
        `nobody answers for ${name}: no orchestrating worker polls, or the server is gone. Fix: \`everband worker orchestrate\`; \`everband doctor\` looks at both.`
      );
    }
    if (text.includes('Workflow Task in failed state'))
      throw new CliError(
        `${name} does not answer, for its workflow task fails. Fix: \`everband status ${name}\` says why.`
      );
    throw error;
  }
}

export function unknownStudy(name: string): CliError {
  return new CliError(`no study named ${name} on this server. Fix: \`everband list\` shows what there is.`);
}

/** Why an update found no workflow that takes it. */
async function endedOrUnknown(client: Client, name: string): Promise<CliError> {
  const known = await client.workflow
    .getHandle(workflowIds.study(name))
    .describe()
    .catch(() => null);
  if (!known) return unknownStudy(name);
  const what = known.status.name === 'RUNNING' ? 'the part of it that was asked has ended' : 'it has ended';
  return new CliError(
    `study ${name} takes no more orders: ${what}. Fix: \`everband status ${name}\` shows how it stands.`
  );
}
