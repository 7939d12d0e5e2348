/** Which task queues nobody polls. */
import { withClient } from './connect.js';

/** TASK_QUEUE_TYPE_WORKFLOW and TASK_QUEUE_TYPE_ACTIVITY; a queue polled for either counts. */
const kinds = [1, 2];

export async function missingPollers(queues: readonly string[]): Promise<string[]> {
  return withClient(async (client) => {
    const missing: string[] = [];
    for (const name of queues) {
      const answers = await Promise.all(
        kinds.map((taskQueueType) =>
          client.workflowService.describeTaskQueue({
            namespace: client.options.namespace,
            taskQueue: { name },
            taskQueueType,
          })
        )
      );
      if (answers.every(({ pollers }) => (pollers ?? []).length === 0)) missing.push(name);
    }
    return missing;
  });
}
