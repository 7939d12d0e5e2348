/** Removes every trace of a study from the server. */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionInfo } from '@temporalio/client';
import { workflowIds } from '../workflows/messages.js';
import { grpcCode } from '../cluster/connect.js';
import { CliError } from '../cluster/errors.js';

/** @throws CliError when the study runs and `force` is false */
export async function deleteWorkflows(
  client: Client,
  name: string,
  force: boolean
): Promise<{ workflows: number; terminated: boolean }> {
  const id = workflowIds.study(name);
  const root = client.workflow.getHandle(id);
  const alive = () =>
    root.describe().then(
      ({ status }) => status.name === 'RUNNING',
      (error: unknown) => {
        if (error instanceof WorkflowNotFoundError) return null;
        throw error;
      }
    );
  const running = await alive();
  if (running && !force)
    throw new CliError(`study ${name} is running. Fix: \`everband stop ${name}\`, or delete it with --force.`);
  const late = await runningLate(client, name);
  if (late !== null && !force)
    throw new CliError(
      `a trial of ${name} is retried late right now (${late}). Fix: wait for it, or delete with --force.`
    );
  if (running) await root.terminate('deleted').catch(() => undefined);
  const gone = new Set<string>();
  // Visibility lags a little behind, and a round may start its last child meanwhile.
  for (let quiet = 0, tries = 0; (quiet < 2 || (await alive()) !== null) && tries < 100; tries++) {
    const found: WorkflowExecutionInfo[] = [];
    const query = `WorkflowId = '${id}' OR WorkflowId STARTS_WITH '${id}/'`;
    for await (const one of client.workflow.list({ query })) found.push(one);
    quiet = found.length === 0 ? quiet + 1 : 0;
    for (const { workflowId, runId, status } of found) {
      if (status.name === 'RUNNING') {
        await client.workflow
          .getHandle(workflowId, runId)
          .terminate('deleted')
          .catch(() => undefined);
      }
      gone.add(runId);
      await client.workflowService
        .deleteWorkflowExecution({
          namespace: client.options.namespace,
          workflowExecution: { workflowId, runId },
        })
        .catch((error: unknown) => {
          if (grpcCode(error) !== 'NOT_FOUND') throw error;
        });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { workflows: gone.size, terminated: running === true || late !== null };
}

/** A late retry that runs; null: none. */
async function runningLate(client: Client, name: string): Promise<string | null> {
  const query = `WorkflowId STARTS_WITH '${workflowIds.late(name, '')}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) return workflowId;
  return null;
}
