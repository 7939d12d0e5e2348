/** How good the best trial trained to R is, against the epochs spent: what epochs to match is read from. */
import { runInMemory } from '../core/in-memory.js';
import { flip } from '../core/objective.js';
import type { Study } from '../core/study.js';
import type { CurveTable } from '../trainers/replay.js';
import { epochsOf, replay } from './curves.js';

/** Ends a run that has been followed long enough. */
class FarEnough extends Error {}

/**
 * The best loss at R so far after 0, step, 2 step ... epochs, `points` of them; Infinity while no trial is there.
 *
 * One worker trains one segment after the other, in the order in which the scheduler asks for them (inside a round that
 * is trial order), and a value counts from the epoch that completes it. Counted when its round closes instead, the
 * figures move by less than a hundredth.
 */
export async function anytime(study: Study, table: CurveTable, step: number, points: number): Promise<Float64Array> {
  const { objective, scheduler } = study;
  const effects = replay(study, table);
  const curve = new Float64Array(points).fill(Infinity);
  let spent = 0;
  let best = Infinity;
  /** Grid points whose epochs are spent. */
  let known = 0;
  const advance = (epochs: number) => {
    spent += epochs;
    while (known < points && known * step < spent) curve[known++] = best;
    if (known === points) throw new FarEnough();
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
            best = Math.min(best, flip(objective, outcome.values.at(-1) as number));
          return outcome;
        },
      }
    );
  } catch (error) {
    if (!(error instanceof FarEnough)) throw error;
  }
  return curve.fill(best, known);
}
