/**
 * Workflow tasks that this worker fails, in its log. The server hears of the first attempt alone and the SDK logs no other;
 * what the worker forgets of a workflow after each attempt says them all.
 */
import type { EventEmitter } from 'node:events';
import type { Client } from '@temporalio/client';
import type { Worker } from '@temporalio/worker';
import { failing, troubleText } from '../cluster/troubles.js';

/** Why and of which run a workflow leaves the worker's cache. */
interface Eviction {
  readonly runId: string;
  readonly evictJob: { readonly reason?: number | null; readonly message?: string | null };
}

/** RemoveFromCache.EvictionReason: NONDETERMINISM and LANG_FAIL. */
const reason = { nondeterminism: 3, fails: 4 };

export function logFailures(worker: Worker, client: Client): void {
  const told = new Map<string, string>();
  const evictions: EventEmitter = worker['evictionsEmitter'];
  evictions.on('eviction', ({ runId, evictJob }: Eviction) => {
    const differs = evictJob.reason === reason.nondeterminism;
    if (!differs && evictJob.reason !== reason.fails) return;
    const message = messageOf(evictJob.message ?? '');
    // Attempt after attempt fails alike.
    if (told.get(runId) === message) return;
    told.set(runId, message);
    void workflowOf(client, runId).then((id) => console.error(`ERROR ${troubleText(failing(id, message, differs))}`));
  });
}

/** The workflow's id; the run's where the server does not tell. */
async function workflowOf(client: Client, runId: string): Promise<string> {
  try {
    for await (const { workflowId } of client.workflow.list({ query: `RunId = '${runId}'` })) return workflowId;
  } catch {
    // The line is worth more than the name.
  }
  return `run ${runId}`;
}

/** The failure's own message, out of how the SDK prints the failure around it. */
function messageOf(text: string): string {
  const [, quoted] = /message: ("(?:[^"\\]|\\.)*")/.exec(text) ?? [];
  try {
    return quoted === undefined ? text : (JSON.parse(quoted) as string);
  } catch {
    return text;
  }
}
