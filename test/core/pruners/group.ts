/** One round under a pruner, over curves made by hand, with answers of the predictor made by hand. */
import { GroupRun, type ClosedGroup } from '../../../core/engine/group-run.js';
import { emptyMemory, type Memory } from '../../../core/engine/memory.js';
import { roundShared } from '../../../core/engine/study-run.js';
import type { Answer, PredictTask, Task } from '../../../core/engine/work.js';
import type { PredictionAnswer } from '../../../core/predictors/request.js';
import { prunerOf, type PrunerSettings } from '../../../core/pruners/index.js';

export interface Played extends ClosedGroup {
  /** Trainings as `t2 0-4`, in the order they were handed out. */
  readonly trained: readonly string[];
  readonly asked: readonly PredictTask[];
  readonly memory: Memory;
}

/** `curves`: loss after each epoch from `from + 1`; NaN diverges. `answer`: what the predictor says. */
export function play(
  pruner: PrunerSettings,
  curves: readonly (readonly number[])[],
  round: { readonly from?: number; readonly to: number; readonly places: number; readonly memory?: Memory },
  answer: (task: PredictTask) => PredictionAnswer = () => ({ outcome: 'impossible', reason: 'nobody asks' })
): Played {
  const { from = 0, to, places, memory = emptyMemory } = round;
  const definition = prunerOf(pruner);
  const decisionPoint = definition.decisionPoint(pruner, from, to);
  const group = {
    ...{ id: 'b0-r0', bracket: 'b0', round: 0, offset: 0, members: curves.map((_, i) => i), from, to, places },
    ...{ share: 0.25, decisionPoint, points: definition.points(pruner, from, to) },
    ...{ passes: decisionPoint === null ? [] : [decisionPoint], draws: null, observed: false, exploits: [] },
    holds: false,
  };
  const run = new GroupRun(
    { seed: 1, objective: { metric: 'loss', mode: 'minimise' }, pruner },
    group,
    roundShared(memory)
  );
  const trained: string[] = [];
  const asked: PredictTask[] = [];
  const answerOf = (task: Task): Answer => {
    if (task.type === 'propose') throw new Error('they are there');
    if (task.type === 'predict') {
      asked.push(task);
      return answer(task);
    }
    trained.push(`t${task.index} ${task.from}-${task.to}`);
    const values = (curves[task.index] ?? []).slice(task.from - from, task.to - from);
    const bad = values.findIndex(Number.isNaN);
    return bad === -1
      ? { outcome: 'completed', values }
      : { outcome: 'diverged', values: values.slice(0, bad), nonFinite: 'nan' };
  };
  while (!run.closed) for (const task of run.next()) run.tell(task, answerOf(task));
  return { ...run.closed, trained, asked, memory: run.round.memory };
}

/** A curve that has the same loss after each epoch. */
export const flat = (loss: number, epochs: number): number[] => Array.from({ length: epochs }, () => loss);
export const endsOf = ({ closing }: Played) => closing.ends.join(' ');
