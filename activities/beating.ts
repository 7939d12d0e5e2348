/** Activities that say every second that they are at work. */
import { Context } from '@temporalio/activity';

/** Milliseconds between two heartbeats; what takes less sends none. */
const beatEvery = 1000;

/**
 * The same activities with heartbeats while they run, however long: with a heartbeat timeout in their policy, a worker that is
 * lost or frozen meanwhile is found out by it, and not by their limit.
 */
export function beating<T extends object>(activities: T): T {
  const beats = Object.entries(activities).map(([name, activity]: [string, (...args: unknown[]) => unknown]) => [
    name,
    async (...args: unknown[]) => {
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), beatEvery);
      try {
        return await activity(...args);
      } finally {
        clearInterval(beat);
      }
    },
  ]);
  return Object.fromEntries(beats) as T;
}
