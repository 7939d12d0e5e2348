/** What later rounds learn from earlier ones. Plain JSON, in trial order: it travels with a study from bracket to bracket. */
import type { QuboAnswer } from './predictors/annealer/wire.js';
import type { Observation } from './propose.js';

/** D[r_i]: the curves that reached rung r_i, ordered by bracket, then index, and the models trained on it. */
export interface RungMemory {
  /** |D[r_i]|. */
  readonly count: number;
  /** Losses from the first epoch on; kept as long as a model is still to be trained on them. */
  readonly curves: readonly (readonly number[])[];
  /** Decision point to the number of curves its model was trained on: a prefix of `curves`, kept for later brackets. */
  readonly trained: Readonly<Record<string, number>>;
  /** Decision point to what a solver elsewhere found for its model. */
  readonly solved: Readonly<Record<string, QuboAnswer>>;
}

export interface Memory {
  /** By rung r_i; filled for rules that predict. */
  readonly rungs: Readonly<Record<string, RungMemory>>;
  /** Losses at each decision point of all trials that passed it, by epoch; filled for the median rule. */
  readonly seen: Readonly<Record<string, readonly number[]>>;
  /** Losses at rungs; filled for samplers that learn. */
  readonly observations: readonly Observation[];
  /** QPU access time used so far. */
  readonly qpuSeconds: number;
}

export const emptyRung: RungMemory = { count: 0, curves: [], trained: {}, solved: {} };
export const emptyMemory: Memory = { rungs: {}, seen: {}, observations: [], qpuSeconds: 0 };

export function rungOf(memory: Memory, rung: number): RungMemory {
  return memory.rungs[String(rung)] ?? emptyRung;
}

export function withRung(memory: Memory, rung: number, changed: RungMemory): Memory {
  return { ...memory, rungs: { ...memory.rungs, [rung]: changed } };
}

/** Losses kept at a decision point for the median rule, the latest: what a study remembers travels in one message. */
export const mostSeen = 2000;
/** Observations kept, the latest, for the same reason: about 45 bytes each. */
const mostObservations = 10_000;

export function withObservations(memory: Memory, more: readonly Observation[]): Memory {
  return { ...memory, observations: [...memory.observations, ...more].slice(-mostObservations) };
}

/** Adds complete curves to a rung. `decisionPoints`: all the rung ever has, see {@link forgetNeedless}. */
export function remember(
  rung: RungMemory,
  curves: readonly (readonly number[])[],
  decisionPoints: readonly number[]
): RungMemory {
  return forgetNeedless(
    { ...rung, count: rung.count + curves.length, curves: [...rung.curves, ...curves] },
    decisionPoints
  );
}

/** Notes that the model of decision point `p` is trained on the first `count` curves. */
export function noteTrained(rung: RungMemory, p: number, count: number, decisionPoints: readonly number[]): RungMemory {
  return forgetNeedless({ ...rung, trained: { ...rung.trained, [p]: count } }, decisionPoints);
}

/** Once every decision point has its model, no curve is kept that none was trained on. */
function forgetNeedless(rung: RungMemory, decisionPoints: readonly number[]): RungMemory {
  const trained = decisionPoints.map((p) => rung.trained[String(p)]);
  if (trained.includes(undefined)) return rung;
  return { ...rung, curves: rung.curves.slice(0, Math.max(0, ...(trained as number[]))) };
}
