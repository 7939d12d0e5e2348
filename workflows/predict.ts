/** How a workflow asks a model: which activity, on which queue. */
import { ActivityFailure, ApplicationFailure, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { PredictionAnswer, PredictionRequest } from '../core/predictor.js';
import type { PredictActivities, QuboActivities } from './activity-types.js';
import { localPolicy, predictPolicy, quboPolicy } from './policies.js';

/**
 * Asks on the predicting workers' queue, or on a queue of the model's own. `often`: asked after every epoch, so a model
 * of ours answers inside the orchestrating worker: one event instead of six, and no training set in the history.
 */
export class Asker {
  private asked = 0;
  private readonly local = proxyLocalActivities<PredictActivities>(localPolicy);

  constructor(
    private readonly study: string,
    private readonly name: string,
    private readonly often: boolean
  ) {}

  async predict(request: PredictionRequest): Promise<PredictionAnswer> {
    const { model } = request;
    if (model.type === 'activity') return this.foreign(request, model.taskQueue, model.activity);
    if (model.type === 'annealer' && model.solver === 'dwave') return this.solvedElsewhere(request, model.taskQueue);
    if (this.often) return this.local.predict(request);
    return proxyActivities<PredictActivities>({ ...predictPolicy, activityId: this.id() }).predict(request);
  }

  /** The annealer's three steps, the middle one on D-Wave's SDK; what it found is final. */
  private async solvedElsewhere(request: PredictionRequest, taskQueue: string): Promise<PredictionAnswer> {
    const id = this.id();
    const ours = (step: string) =>
      proxyActivities<PredictActivities>({ ...predictPolicy, activityId: `${id}-${step}` });
    let { solved } = request;
    if (!solved) {
      const qubo = await ours('qubo').formulate(this.study, request);
      if ('impossible' in qubo) return { outcome: 'impossible', reason: qubo.impossible };
      try {
        const { sampleQubo } = proxyActivities<QuboActivities>({
          ...quboPolicy(taskQueue),
          activityId: `${id}-sample`,
        });
        solved = await sampleQubo(qubo);
      } catch (error) {
        if (!(error instanceof ActivityFailure && error.cause instanceof ApplicationFailure)) throw error;
        return ours('stand-in').standIn(request, error.cause.message);
      }
    }
    const answer = await ours('read').predict({ ...request, solved });
    return answer.outcome === 'predicted' ? { ...answer, solved } : answer;
  }

  /** Somebody else's model: its own failure is an answer, everything else is asked again. */
  private async foreign(request: PredictionRequest, taskQueue: string, activity: string): Promise<PredictionAnswer> {
    const activities = proxyActivities<Record<string, (request: PredictionRequest) => Promise<PredictionAnswer>>>({
      ...predictPolicy,
      taskQueue,
      activityId: this.id(),
    });
    try {
      return await (activities[activity] as (request: PredictionRequest) => Promise<PredictionAnswer>)(request);
    } catch (error) {
      if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
        return { outcome: 'impossible', reason: error.cause.message };
      }
      throw error;
    }
  }

  /** `b4-r2-predict`, then `b4-r2-predict-2`. */
  private id(): string {
    this.asked++;
    return this.asked === 1 ? this.name : `${this.name}-${this.asked}`;
  }
}
