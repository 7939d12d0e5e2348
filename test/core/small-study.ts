import type { Study } from '../../core/study.js';

/** A small random study of a learning rate and a number of layers. */
export function studyOf(more: Partial<Study> = {}): Study {
  return {
    schemaVersion: 1,
    name: 'test',
    seed: 1,
    objective: { metric: 'loss', mode: 'minimise' },
    space: {
      lr: { type: 'float', low: 1e-4, high: 0.1, log: true },
      layers: { type: 'int', low: 1, high: 4, log: false, step: 1 },
    },
    sampler: { type: 'random' },
    scheduler: { type: 'full', trials: 10, maxBudget: 3 },
    budgetUnit: 'epochs',
    pruner: { type: 'none' },
    trainer: { type: 'module', module: '/train.js' },
    parallelism: 8,
    training: {
      attempts: 3,
      backoffSeconds: 5,
      maxLosses: 10,
      parkSeconds: 600,
      epochTimeoutSeconds: 3600,
      heartbeatSeconds: 15,
      graceSeconds: 10,
    },
    limits: {},
    tryFirst: [],
    ...more,
  };
}
