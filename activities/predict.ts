/**
 * Predictions at decision points. A fit is one long computation, so it runs in a thread: the worker's own event loop stays
 * free to beat, by which the server tells a long fit from a worker that is lost or frozen.
 */
import { Worker } from 'node:worker_threads';
import { Context } from '@temporalio/activity';
import type { PredictActivities } from '../workflows/activity-types.js';
import { beating } from './beating.js';
import type { Question } from './predict-thread.js';

export function createPredictActivities(): PredictActivities & {
  /** Ends the threads, whatever they compute. */
  dispose(): void;
} {
  const threads = new Threads();
  return {
    ...beating<PredictActivities>({
      predict: (request) => threads.ask({ name: 'predict', args: [request] }),
      formulate: (study, request) => threads.ask({ name: 'formulate', args: [study, request] }),
      fallBack: (request, why) => threads.ask({ name: 'fallBack', args: [request, why] }),
    }),
    dispose: () => threads.dispose(),
  };
}

/** As many as questions come at once; they are kept, for a new one costs more than most answers. */
class Threads {
  private readonly all = new Set<Worker>();
  /** The first is there before anybody asks. */
  private readonly idle = [this.begin()];

  /** Answers in a thread. A cancelled question ends its thread. */
  async ask<T>(question: Question): Promise<T> {
    const thread = this.idle.pop() ?? this.begin();
    try {
      const answer = await Promise.race([answerOf<T>(thread, question), Context.current().cancelled]);
      this.idle.push(thread);
      return answer;
    } catch (error) {
      this.end(thread);
      throw error;
    }
  }

  dispose(): void {
    for (const thread of this.all) this.end(thread);
  }

  private begin(): Worker {
    const thread = newThread();
    // A worker that has nothing left to do may end.
    thread.unref();
    // Said by the question that it was asked, if there was one.
    thread.on('error', () => this.end(thread));
    this.all.add(thread);
    return thread;
  }

  private end(thread: Worker): void {
    this.all.delete(thread);
    const at = this.idle.indexOf(thread);
    if (at !== -1) this.idle.splice(at, 1);
    void thread.terminate();
  }
}

function answerOf<T>(thread: Worker, question: Question): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = (act: () => void) => {
      thread.off('message', onMessage).off('error', onError).off('exit', onExit);
      act();
    };
    const onMessage = (answer: T) => settle(() => resolve(answer));
    const onError = (error: unknown) => settle(() => reject(error));
    const onExit = () => settle(() => reject(new Error('the thread of the predictor has ended')));
    thread.on('message', onMessage).on('error', onError).on('exit', onExit);
    thread.postMessage(question);
  });
}

/** From the TypeScript sources a thread needs tsx of its own, found from the working folder. */
function newThread(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./predict-thread.js', import.meta.url));
  const entry = JSON.stringify(new URL('./predict-thread.ts', import.meta.url).href);
  const code = `import('tsx/esm/api').then(({ register }) => (register(), import(${entry})))`;
  return new Worker(code, { eval: true });
}
