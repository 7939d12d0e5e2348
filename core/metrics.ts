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

/** A curve without metrics that nobody names, as somebody else's worker may send it. */
export function onlyNamed<C extends Curve>(curve: C, names: readonly string[]): C {
  const { metrics, ...rest } = curve;
  if (!metrics || names.length === 0) return rest as C;
  const named = Object.entries(metrics).filter(([name]) => names.includes(name));
  return { ...rest, metrics: Object.fromEntries(named) } as unknown as C;
}

/** What an epoch's line of the protocol has beside metrics (trainers/protocol.ts): no metric has one of these names. */
export const lineKeys: readonly string[] = ['epoch', 'checkpoint'];
/** Most numbers of an epoch beside the objective's metric, and most characters of a name. */
export const maxMetrics = 64;
export const maxMetricCharacters = 64;

/** Why no metric can have this name, as the end of a sentence; null: one can. */
export function metricNameRule(name: string): string | null {
  if (lineKeys.includes(name))
    return `no metric is called ${lineKeys.join(' or ')}, which a trainer reports beside its metrics`;
  if (name === '' || name.length > maxMetricCharacters) {
    return `the name of a metric has 1 to ${maxMetricCharacters} characters`;
  }
  return null;
}

/**
 * Why a curve is none of this study, as the end of a sentence; null: it has what the study names, and nothing else. It may
 * come from somebody else's worker.
 */
export function curveProblem({ values, metrics }: Curve, names: readonly string[]): string | null {
  if (!values.every(Number.isFinite)) return 'has a value that is no finite number';
  const known = metrics ?? {};
  const other = Object.keys(known).find((name) => !names.includes(name));
  if (other !== undefined) return `has the metric ${JSON.stringify(other)}, which neither objective nor pruner names`;
  for (const name of names) {
    const numbers = Object.hasOwn(known, name) ? known[name] : undefined;
    const count = Array.isArray(numbers) ? numbers.length : 0;
    if (count !== values.length) {
      return `must have ${values.length} numbers of the metric ${JSON.stringify(name)}, which the study names, and has ${count}`;
    }
    if (numbers?.some((number) => number !== null && !Number.isFinite(number))) {
      return `has something else than finite numbers and null in the metric ${JSON.stringify(name)}`;
    }
  }
  return null;
}
