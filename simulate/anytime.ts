/** How good the best trial trained to R is, against the epochs spent: what epochs to match is read from. */
import { runInMemory } from '../core/in-memory.js';
import { modeOf } from '../core/objectives/index.js';
import type { Study } from '../core/study.js';
import type { CurveTable } from '../trainers/replay.js';
import { epochsOf, replay } from './curves.js';
import { gridPoints, stepsPerIteration } from './match.js';

/** Ends a run that has been followed long enough. */
class FarEnough extends Error {}

/**
 * The best loss at R so far after 0, 1 ... 200 hundredths of `iteration` epochs; Infinity while there is none.
 *
 * One worker trains one segment after the other, in the order in which the scheduler asks for them (inside a round that
 * is trial order), and a value counts from the epoch that completes it.
 */
export async function anytime(study: Study, table: CurveTable, iteration: number): Promise<Float64Array> {
  const { objective, scheduler } = study;
  const effects = replay(study, table);
  const curve = new Float64Array(gridPoints).fill(Infinity);
  let spent = 0;
  let best = Infinity;
  /** Grid points whose epochs are spent. */
  let known = 0;
  const advance = (epochs: number) => {
    spent += epochs;
    while (known < gridPoints && known * iteration < spent * stepsPerIteration) curve[known++] = best;
    if (known === gridPoints) throw new FarEnough();
  };
  try {
    await runInMemory(
      { ...study, parallelism: 1 },
      {
        ...effects,
        train(trial, from, to) {
          const outcome = effects.train(trial, from, to);
          advance(epochsOf(outcome));
          if (to === scheduler.maxBudget && outcome.outcome === 'completed')
            best = Math.min(best, modeOf(objective).loss(outcome.values.at(-1) as number));
          return outcome;
        },
      }
    );
  } catch (error) {
    if (!(error instanceof FarEnough)) throw error;
  }
  return curve.fill(best, known);
}
