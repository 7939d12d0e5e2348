/** A whole study: iterations of brackets, one after the other (records shared) or together (each on its own). */
import { better, type Best, type BracketInput, type EarlyEnd } from './bracket.js';
import { emptyMemory, type Memory } from './memory.js';
import { iterationsOf, planIteration, type BracketPlan } from './plan.js';
import type { StudyResult } from './record.js';
import type { Study } from './study.js';

/** Where a study stands between two brackets; plain JSON, so that a study can go on from it. */
export interface Standing {
  /** Brackets closed so far, over all iterations. */
  readonly closed: number;
  readonly epochs: number;
  readonly best: Best | null;
  readonly memory: Memory;
  readonly ended: StudyResult['ended'] | null;
}
export const atStart: Standing = { closed: 0, epochs: 0, best: null, memory: emptyMemory, ended: null };

/** What the study needs to know of a closed bracket. */
export interface BracketSummary {
  readonly memory: Memory;
  readonly epochs: number;
  readonly best: Best | null;
  readonly ended: EarlyEnd;
}

export interface StudyEffects {
  /** Proposes the bracket's trials and runs it. */
  runBracket(input: BracketInput): Promise<BracketSummary>;
  /** Called between two brackets that run one after the other. */
  between?(standing: Standing): Promise<void>;
}

/** Runs a study from `standing` to its end. */
export async function runStudy(study: Study, effects: StudyEffects, standing: Standing = atStart): Promise<Standing> {
  const together = study.scheduler.type === 'hyperband' && study.scheduler.order === 'together';
  const perIteration = planIteration(study.scheduler, study.predictor, 1).length;
  const iterations = iterationsOf(study.scheduler);
  let at = standing;
  while (at.ended === null && at.closed < iterations * perIteration) {
    const iteration = Math.floor(at.closed / perIteration) + 1;
    const brackets = planIteration(study.scheduler, study.predictor, iteration);
    const run = (plan: BracketPlan) =>
      effects.runBracket({
        study,
        plan,
        memory: together ? emptyMemory : at.memory,
        epochsBefore: at.epochs,
      });
    if (together) {
      for (const summary of await Promise.all(brackets.map(run))) at = absorb(study, at, summary);
    } else {
      at = absorb(study, at, await run(brackets[at.closed % perIteration] as BracketPlan));
      if (at.ended === null && at.closed < iterations * perIteration) await effects.between?.(at);
    }
  }
  return { ...at, ended: at.ended ?? 'finished' };
}

function absorb(study: Study, at: Standing, summary: BracketSummary): Standing {
  return {
    closed: at.closed + 1,
    epochs: at.epochs + summary.epochs,
    best: better(study.objective, at.best, summary.best),
    memory: summary.memory,
    ended: at.ended ?? summary.ended,
  };
}
