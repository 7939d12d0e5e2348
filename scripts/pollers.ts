/** Which task queues nobody polls. */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { withClient } from '../cluster/connect.js';

/** TASK_QUEUE_TYPE_WORKFLOW and TASK_QUEUE_TYPE_ACTIVITY; a queue polled for either counts. */
const kinds = [1, 2];
/** The server names pollers for five minutes; a live one asks again every minute. Seconds. */
const freshness = 75;

/** As the server tells of it. */
export interface Poller {
  /** `<pid>@<host>` unless somebody chose another name. */
  readonly identity?: string | null;
  readonly lastAccessTime?: { readonly seconds?: unknown } | null;
}

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
      if (!answers.flatMap((answer) => answer.pollers ?? []).some(polls)) missing.push(name);
    }
    return missing;
  });
}

/** Whether a poller is likely to be there still: of this host its process is looked at, of others when it asked last. */
export function polls({ identity, lastAccessTime }: Poller): boolean {
  if (Number(lastAccessTime?.seconds ?? 0) < Date.now() / 1000 - freshness) return false;
  const [, pid, host] = /^(\d+)@(.+)$/.exec(identity ?? '') ?? [];
  return host !== os.hostname() || runs(Number(pid));
}

/** Whether a process of this host runs: it has neither ended nor is it frozen. */
function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's is there, too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // The state follows on the name, in parentheses, which may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^\) [ZXTt]/.test(stat.slice(stat.lastIndexOf(')')));
  } catch {
    // Other systems have no such file.
    return true;
  }
}
