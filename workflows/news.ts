/** News of a bracket for its study, so that the study's own page is true while a bracket runs. */
import { defineSignal, getExternalWorkflowHandle, sleep, workflowInfo } from '@temporalio/workflow';
import type { BracketStatus } from './messages.js';

export const newsSignal = defineSignal<[BracketStatus]>('news');

/** A bracket shorter than this closes without news. */
const soonest = 5000;
/** Of the time a bracket has run: 200 pieces of news in a week, whose events its study's history must hold. */
const share = 1 / 20;

/** Tells the study how its bracket stands: soon after a change, and ever more rarely as time goes by. */
export class News {
  private waiting = false;

  constructor(private readonly status: () => BracketStatus) {}

  changed(): void {
    const { parent, startTime } = workflowInfo();
    if (this.waiting || !parent) return;
    this.waiting = true;
    const wait = Math.max(soonest, (Date.now() - startTime.getTime()) * share);
    // Cancelled with its workflow, or too late for a study that has closed: then nobody needs it.
    this.tell(parent.workflowId, wait).catch(() => undefined);
  }

  private async tell(study: string, wait: number): Promise<void> {
    await sleep(wait, { summary: 'news for the study' });
    this.waiting = false;
    await getExternalWorkflowHandle(study).signal(newsSignal, this.status());
  }
}
