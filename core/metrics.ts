/** The canonical numbers of a study: those that decide, and are in its log, digests and record. */
import type { Curve } from './curve.js';
import { objectiveOf } from './objectives/index.js';
import { prunerOf } from './pruners/index.js';
import type { Study } from './study.js';

/**
 * Names of the metrics that the study's objective and pruner name beside the objective's metric, in the order of their
 * code units. A trainer has to report each of them every epoch; all other numbers are kept beside the record.
 */
export function namedMetrics({ objective, pruner }: Pick<Study, 'objective' | 'pruner'>): readonly string[] {
  const names = [...(objectiveOf(objective).metrics?.(objective) ?? []), ...(prunerOf(pruner).metrics?.(pruner) ?? [])];
  return [...new Set(names)].filter((name) => name !== objective.metric).sort();
}

/** Why a curve is none of this study, as the end of a sentence; null: it has what the study names, and nothing else. */
export function curveProblem({ values, metrics = {} }: Curve, names: readonly string[]): string | null {
  const other = Object.keys(metrics).find((name) => !names.includes(name));
  if (other !== undefined) return `has the metric ${JSON.stringify(other)}, which neither objective nor pruner names`;
  for (const name of names) {
    const count = metrics[name]?.length ?? 0;
    if (count !== values.length) {
      return `must have ${values.length} numbers of the metric ${JSON.stringify(name)}, which the study names, and has ${count}`;
    }
  }
  return null;
}
