/**
 * An asynchronous study again, in the order in which things happened the first time. The order a record keeps
 * (core/run-asha.ts) is all that decided, so the same study over the same curves comes to the same record.
 */
import { runInMemory, type InMemoryEffects } from '../core/in-memory.js';
import type { StudyRecord } from '../core/record.js';
import type { Study } from '../core/study.js';
import type { SegmentOutcome } from '../core/trial.js';
import { quiet } from './clock.js';

/**
 * Runs `study` so that its trainings and answers arrive as `order` has them. `study.parallelism` has to be the one of
 * the first time. What was under way when the order ends stays unfinished.
 *
 * @throws Error when something in the order cannot happen: it belongs to another study, other curves or another width
 */
export async function inOrder(study: Study, effects: InMemoryEffects, order: readonly string[]): Promise<StudyRecord> {
  /** What is under way, by event: `17@` for training of trial 17, `17?` for a question about it. */
  const pending = new Map<string, () => void>();
  const trainings = new Map<number, (outcome: SegmentOutcome) => void>();
  /** A question names no trial: it comes right after the training that led to it. */
  let latest = -1;
  let ended = false;
  const run = runInMemory(study, {
    propose: (request) => effects.propose(request),
    train: (trial, from, to, round) => {
      if (ended) return { outcome: 'unfinished', values: [] };
      return new Promise((resolve, reject) => {
        trainings.set(trial.index, resolve);
        pending.set(`${trial.index}@`, () => {
          trainings.delete(trial.index);
          Promise.resolve(effects.train(trial, from, to, round)).then(resolve, reject);
        });
      });
    },
    predict: (request) =>
      new Promise((resolve, reject) => {
        pending.set(`${latest}?`, () => void Promise.resolve(effects.predict(request)).then(resolve, reject));
      }),
  });
  // Awaited below; a failure meanwhile must not count as unhandled.
  run.catch(() => undefined);
  for (const [position, event] of order.entries()) {
    await quiet();
    const [, key = ''] = /^(\d+[@?])\d+$/.exec(event) ?? [];
    const happen = pending.get(key);
    if (!happen) throw new Error(`event ${position} of the order, ${event}, cannot happen: nothing of it is under way`);
    pending.delete(key);
    latest = parseInt(key, 10);
    happen();
  }
  await quiet();
  ended = true;
  for (const resolve of trainings.values()) resolve({ outcome: 'unfinished', values: [] });
  const record = await run;
  const happened = record.brackets.flatMap((bracket) => bracket.order ?? []);
  const other = order.findIndex((event, i) => event !== happened[i]);
  if (other !== -1) throw new Error(`event ${other} of the order was ${order[other]}, and is now ${happened[other]}`);
  return record;
}
