/**
 * Local activities, one after the other. Two at once may come back in two activations where they ran and in one where
 * their history is replayed; the commands of the one with the longer chain of promises then trade places with the
 * other's, and the workflow never gets past its first task after a worker was lost.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  proxyLocalActivities,
  sleep,
} from '@temporalio/workflow';
import type { LateActivities, RecordActivities } from './activity-types.js';
import { localPolicy, troubleSeconds } from './policies.js';

const activities = proxyLocalActivities<RecordActivities & LateActivities>(localPolicy);

export class Local {
  /** What keeps an activity from succeeding, such as a disk that is full; null when nothing does. */
  trouble: string | null = null;
  private last: Promise<unknown> = Promise.resolve();

  /** `changed` is called when `trouble` has come or gone. */
  constructor(private readonly changed: () => void = () => undefined) {}

  /** Runs one activity until it succeeds. @throws ApplicationFailure what an activity says is final */
  run<T>(activity: (all: typeof activities) => Promise<T>): Promise<T> {
    const answer = this.last.then(() => this.until(() => activity(activities)));
    this.last = answer.catch(() => undefined);
    return answer;
  }

  private async until<T>(activity: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await activity().finally(atRest);
        this.say(null);
        return answer;
      } catch (error) {
        const cause = error instanceof ActivityFailure ? error.cause : error;
        if (!(cause instanceof ApplicationFailure) || cause.nonRetryable) throw error;
        this.say(cause.message);
        await sleep(troubleSeconds * 1000, { summary: 'an activity of the orchestrator fails' });
      }
    }
  }

  /** Says what is wrong; null when all is well again. */
  say(trouble: string | null): void {
    if (this.trouble === trouble) return;
    this.trouble = trouble;
    this.changed();
  }
}

/** Whoever was woken may wake the next, as an operator's retry wakes a parked trial, which waits for a place then. */
const turnsOfOthers = 8;

/**
 * Waits until nothing else moves in this activation. What took so long that other events came meanwhile is answered
 * after them, and in one activation with the last of them where the history is replayed: it takes its turn after them there
 * too, however long their chains of promises are (docs/adr/0023-slow-local-activities.md).
 */
async function atRest(): Promise<void> {
  for (let turn = 0; turn < turnsOfOthers; turn++) {
    let looks = 0;
    // The SDK looks at a condition at once, and again when all promises have been followed.
    await CancellationScope.nonCancellable(() => condition(() => looks++ > 0));
  }
}
