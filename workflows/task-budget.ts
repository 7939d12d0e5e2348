/** What a workflow sends with one of its tasks has to stay below 4 MiB in all, however many messages that is. */
import { sleep } from '@temporalio/workflow';
import { messageBytes } from './messages.js';

export class TaskBudget {
  private spent = 0;
  private last: Promise<void> | null = null;

  /** Null: a message of so many bytes may go out at once. Otherwise once this resolves, with a later task. */
  spend(bytes: number): Promise<void> | null {
    if (this.last === null && (this.spent === 0 || this.spent + bytes <= messageBytes)) {
      this.spent += bytes;
      return null;
    }
    const turn = (this.last ?? Promise.resolve()).then(async () => {
      if (this.spent + bytes > messageBytes) {
        await sleep(1, { summary: 'the rest goes with the next workflow task' });
        this.spent = 0;
      }
      this.spent += bytes;
      if (this.last === turn) this.last = null;
    });
    this.last = turn;
    return turn;
  }
}
