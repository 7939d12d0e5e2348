/** The thread of a predicting worker that computes: answers one question after the other. */
import { parentPort } from 'node:worker_threads';
import { predictions } from './predictions.js';

/** One of the functions, and what it is asked. */
export interface Question {
  readonly name: keyof typeof predictions;
  readonly args: readonly unknown[];
}

parentPort?.on('message', ({ name, args }: Question) => {
  const answer = predictions[name] as (...all: readonly unknown[]) => unknown;
  parentPort?.postMessage(answer(...args));
});
