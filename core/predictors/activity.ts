/** An activity that somebody else's worker implements, in any language: it takes the request and gives the answer. */
import type { Json } from '../settings.js';
import type { PredictorDefinition } from './definition.js';

export interface ActivityPredictor {
  readonly type: 'activity';
  readonly taskQueue: string;
  /** @default "predict" */
  readonly activity: string;
  /** Absent: its worker sends no heartbeats. */
  readonly heartbeatSeconds?: number | undefined;
  /** Handed to the activity as it stands. */
  readonly settings: Json;
}

const whose = ({ taskQueue }: ActivityPredictor) => `predictor is an activity of task queue ${taskQueue}`;

export const activity: PredictorDefinition<ActivityPredictor> = {
  options: {
    taskQueue: { kind: 'text', says: 'Task queue of the worker that answers.' },
    activity: { kind: 'text', default: 'predict', says: 'Name of its activity.' },
    heartbeatSeconds: {
      kind: 'number',
      min: 2,
      optional: true,
      says: 'The longest that its worker may be silent while it computes; without it, an answer may take 120 s.',
    },
    settings: { kind: 'json', default: null, says: 'Handed to the activity as it stands.' },
  },
  fit: (_rows, _targets, { settings }) => ({ impossible: `the ${whose(settings)}` }),
  elsewhere: ({ taskQueue, activity: asked, heartbeatSeconds }) => {
    return { taskQueue, activity: asked, heartbeatSeconds, fix: 'Start the worker of your predictor.' };
  },
  simulated: (settings) => ({ impossible: `its ${whose(settings)}, which no simulation asks` }),
};
