/** How the workflow of a study has ended. */
import { existsSync } from 'node:fs';
import {
  CancelledFailure,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import { studyFolder } from '../activities/record-store.js';
import type { StudyResult } from '../core/record.js';
import { readable } from '../cluster/codec.js';
import { grpcCode } from '../cluster/connect.js';
import { CliError } from '../cluster/errors.js';
import { stateDir } from '../cluster/state.js';
import { workflowIds } from '../workflows/messages.js';
import { unknownStudy } from './ask.js';

/** Waits for it, through outages of the server too. @throws CliError when the study failed or is unknown */
export async function resultOf(client: Client, name: string): Promise<StudyResult> {
  for (;;) {
    try {
      return readable(await client.workflow.getHandle(workflowIds.study(name)).result()) as StudyResult;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw unknownStudy(name);
      if (error instanceof WorkflowFailedError) throw new CliError(endText(name, error));
      if (!['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(grpcCode(error) ?? '')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** How a study ended that came to no result. */
function endText(name: string, error: WorkflowFailedError): string {
  const { cause } = error;
  const kept = existsSync(studyFolder(stateDir(), name))
    ? `; \`everband trials ${name}\` shows what it had recorded`
    : '';
  if (cause instanceof TerminatedFailure) return `study ${name} was terminated (${cause.message})${kept}`;
  if (cause instanceof TimeoutFailure) return `study ${name} ran out of the time that its server had for it${kept}`;
  if (cause instanceof CancelledFailure) return `study ${name} was cancelled${kept}`;
  return `study ${name} failed: ${rootMessage(error)}`;
}

function rootMessage(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? rootMessage(cause) : error.message;
}

/** @throws CliError when the server does not know the study */
export async function hasFailed(client: Client, name: string): Promise<boolean> {
  const { status } = await client.workflow
    .getHandle(workflowIds.study(name))
    .describe()
    .catch((error: unknown) => {
      throw error instanceof WorkflowNotFoundError ? unknownStudy(name) : error;
    });
  return isOver(status.name);
}

/** Whether a workflow of this status has ended without a result. */
export function isOver(status: string): boolean {
  return !['RUNNING', 'COMPLETED', 'CONTINUED_AS_NEW'].includes(status);
}
