/**
 * What later rounds learn from earlier ones. Plain JSON, in trial order: it travels with a study from group to group.
 * Curves travel by reference: whoever carries out a question brings the losses of the trials it names.
 */
import type { Numbers } from '../curve.js';
import type { Solution } from '../predictors/request.js';

/** D[r_i]: the trials whose curves reached rung r_i, ordered by bracket, then index, and what is trained on them. */
export interface RungMemory {
  /** |D[r_i]|. */
  readonly count: number;
  /** Ids of those trials, as long as a predictor is still to be trained on them. */
  readonly curves: readonly string[];
  /** Decision point to the number of curves its predictor was trained on: a prefix of `curves`, kept for later brackets. */
  readonly trained: Readonly<Record<string, number>>;
  /** Decision point to what a solver elsewhere found for its predictor. */
  readonly solved: Readonly<Record<string, Solution>>;
}

/** A trial's loss at a rung. */
export interface Observation {
  /** Global index of the trial. */
  readonly trial: number;
  readonly budget: number;
  /** Null: diverged or failed there, which counts as worse than every number. */
  readonly loss: number | null;
  /** The further metrics that the study names, there; absent: it names none, or there is no loss. */
  readonly metrics?: Numbers;
}

export interface Memory {
  /** By rung r_i; filled for pruners that predict. */
  readonly rungs: Readonly<Record<string, RungMemory>>;
  /** Losses at each decision point of all trials that passed it, by epoch; filled for the median rule. */
  readonly seen: Readonly<Record<string, readonly number[]>>;
  /** Losses at rungs; filled for samplers that learn. */
  readonly observations: readonly Observation[];
  /** QPU access time used so far, in seconds. */
  readonly qpuSeconds: number;
}

const emptyRung: RungMemory = { count: 0, curves: [], trained: {}, solved: {} };
export const emptyMemory: Memory = { rungs: {}, seen: {}, observations: [], qpuSeconds: 0 };

export function rungOf(memory: Memory, rung: number): RungMemory {
  return memory.rungs[String(rung)] ?? emptyRung;
}

export function withRung(memory: Memory, rung: number, changed: RungMemory): Memory {
  return { ...memory, rungs: { ...memory.rungs, [rung]: changed } };
}

/** Losses kept at a decision point for the median rule, the latest: what a study remembers travels in one message. */
const maxSeen = 2000;
/** Bytes that observations take at most, for the same reason: the latest are kept, 10,000 without further metrics. */
export const maxObservationBytes = 550_000;
const bytesPerObservation = 55;

export function withObservations(memory: Memory, more: readonly Observation[]): Memory {
  const all = [...memory.observations, ...more];
  // A name, and a number of 17 digits.
  const metrics = Object.keys(more.find((one) => one.metrics)?.metrics ?? {}).reduce(
    (sum, name) => sum + 2 * name.length + 30,
    0
  );
  const kept = Math.floor(maxObservationBytes / (bytesPerObservation + metrics));
  return { ...memory, observations: all.slice(-kept) };
}

export function withSeen(memory: Memory, epoch: number, losses: readonly number[]): Memory {
  const all = [...(memory.seen[String(epoch)] ?? []), ...losses].slice(-maxSeen);
  return { ...memory, seen: { ...memory.seen, [epoch]: all } };
}

/** Adds complete curves to a rung. `points`: all decision points the rung ever has, see {@link forgetNeedless}. */
export function remember(rung: RungMemory, trials: readonly string[], points: readonly number[]): RungMemory {
  return forgetNeedless({ ...rung, count: rung.count + trials.length, curves: [...rung.curves, ...trials] }, points);
}

/** Notes that the predictor of decision point `p` is trained on the first `count` curves. */
export function noteTrained(rung: RungMemory, p: number, count: number, points: readonly number[]): RungMemory {
  return forgetNeedless({ ...rung, trained: { ...rung.trained, [p]: count } }, points);
}

/** Once every decision point has its predictor, no curve is kept that none was trained on. */
function forgetNeedless(rung: RungMemory, points: readonly number[]): RungMemory {
  const trained = points.map((p) => rung.trained[String(p)]);
  if (trained.includes(undefined)) return rung;
  return { ...rung, curves: rung.curves.slice(0, Math.max(0, ...(trained as number[]))) };
}
