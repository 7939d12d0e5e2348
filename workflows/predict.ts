/** How a workflow asks a predictor: which activity, on which queue. */
import { ActivityFailure, ApplicationFailure, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import type { PredictTask } from '../core/engine/work.js';
import type { Elsewhere } from '../core/predictors/definition.js';
import { elsewhereOf } from '../core/predictors/index.js';
import type { PredictionAnswer, PredictionRequest, Solution } from '../core/predictors/request.js';
import type { Study } from '../core/study.js';
import type { PredictActivities, Stretch } from './activity-types.js';
import type { Local } from './local.js';
import { messageBytes, type SealedIdentity } from './messages.js';
import { foreignPolicy, predictPolicy, solverPolicy } from './policies.js';

/** Bytes of a loss in JSON, about. */
const bytesPerLoss = 20;

/**
 * Asks on the predicting workers' queue, or on a queue of the predictor's own. `often`: asked after every epoch, so a
 * predictor of ours answers inside the orchestrating worker: one event instead of six, and no training set in the
 * history. So it does where the training set is too large for a message.
 */
export class Asker {
  private asked = 0;

  constructor(
    private readonly asking: { readonly study: Study; readonly identity: SealedIdentity },
    private readonly name: string,
    private readonly often: boolean,
    private readonly local: Local
  ) {}

  async predict(task: PredictTask, known: readonly Stretch[]): Promise<PredictionAnswer> {
    const asked = await this.prepare(task, known);
    return typeof asked === 'function' ? asked() : asked;
  }

  /** Everything that local activities do: the answer, or how to get it from somebody else's worker. */
  async prepare(
    task: PredictTask,
    known: readonly Stretch[]
  ): Promise<PredictionAnswer | (() => Promise<PredictionAnswer>)> {
    const { study, identity } = this.asking;
    const { predictor, training, candidates, epochs } = task;
    const bytes = bytesPerLoss * (epochs + 1) * (training.length + candidates.length);
    const elsewhere = elsewhereOf(predictor);
    if (!elsewhere && (this.often || bytes > messageBytes)) {
      return this.local.run((all) => all.answer(study, identity, task, known));
    }
    const request = await this.local.run((all) => all.question(study, identity, task, known));
    if (!elsewhere) {
      return () => proxyActivities<PredictActivities>({ ...predictPolicy, activityId: this.id() }).predict(request);
    }
    return () => (elsewhere.problem ? this.solvedElsewhere(request, elsewhere) : this.foreign(request, elsewhere));
  }

  /** Three steps, the middle one a solver's: pose its problem, have it solved, answer from what was found, which is final. */
  private async solvedElsewhere(
    request: PredictionRequest,
    { taskQueue, activity }: Elsewhere
  ): Promise<PredictionAnswer> {
    const id = this.id();
    const ours = (step: string) =>
      proxyActivities<PredictActivities>({ ...predictPolicy, activityId: `${id}-${step}` });
    let { solved } = request;
    if (!solved) {
      const problem = await ours('qubo').formulate(this.asking.study.name, request);
      if ('impossible' in problem) return { outcome: 'impossible', reason: problem.impossible };
      try {
        const options = { ...solverPolicy(taskQueue), activityId: `${id}-sample` };
        solved = await activityOf<object, Solution>(options, activity)({ ...problem, ...this.sealed });
      } catch (error) {
        if (!(error instanceof ActivityFailure && error.cause instanceof ApplicationFailure)) throw error;
        return ours('fallback').fallBack(request, error.cause.message);
      }
    }
    const answer = await ours('read').predict({ ...request, solved });
    return answer.outcome === 'predicted' ? { ...answer, solved } : answer;
  }

  /** Somebody else's predictor: its own failure is an answer, everything else is asked again. */
  private async foreign(
    request: PredictionRequest,
    { taskQueue, activity, heartbeatSeconds }: Elsewhere
  ): Promise<PredictionAnswer> {
    const options = { ...foreignPolicy(taskQueue, heartbeatSeconds), activityId: this.id() };
    try {
      return await activityOf<object, PredictionAnswer>(options, activity)({ ...request, ...this.sealed });
    } catch (error) {
      if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
        return { outcome: 'impossible', reason: error.cause.message };
      }
      throw error;
    }
  }

  /** For workers that run what their operators wrote, or spend money: they look at it first. */
  private get sealed(): { readonly study: string; readonly seal: string } {
    const { study, identity } = this.asking;
    return { study: study.name, seal: identity.seal };
  }

  /** `b4-r2-predict`, then `b4-r2-predict-2`. */
  private id(): string {
    this.asked++;
    return this.asked === 1 ? this.name : `${this.name}-${this.asked}`;
  }
}

/** An activity of somebody else's worker, by its name. */
function activityOf<Input, Answer>(options: ActivityOptions, name: string): (input: Input) => Promise<Answer> {
  return proxyActivities<Record<string, (input: Input) => Promise<Answer>>>(options)[name] as (
    input: Input
  ) => Promise<Answer>;
}
