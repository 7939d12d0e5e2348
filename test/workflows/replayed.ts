import type { Study } from '../../core/study.js';
import { studyOf } from '../harness.js';

/** Hyperband (100, 2) on recorded curves. */
export const replayed = (name: string, file: string, more: object): Study =>
  studyOf({
    name,
    scheduler: { type: 'hyperband', R: 100, eta: 2 },
    trainer: { replay: file, columns: 'loss_' },
    parallelism: 200,
    ...more,
  });
