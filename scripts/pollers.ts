/** Which task queues nobody polls. */
import { withClient } from '../cluster/connect.js';

/** TASK_QUEUE_TYPE_WORKFLOW and TASK_QUEUE_TYPE_ACTIVITY; a queue polled for either counts. */
const kinds = [1, 2];
/** The server names pollers for five minutes; a live one asks again every minute. Seconds. */
const freshness = 75;

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
      const since = Date.now() / 1000 - freshness;
      const pollers = answers.flatMap((answer) => answer.pollers ?? []);
      if (!pollers.some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) > since)) missing.push(name);
    }
    return missing;
  });
}
