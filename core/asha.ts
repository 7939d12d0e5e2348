/**
 * ASHA (Li et al. 2018, algorithm 2): asynchronous successive halving. A free slot promotes the best trial of the top
 * 1/eta of a rung that is not promoted yet, highest rung first, otherwise it starts a new trial. No barrier, no clock:
 * the state changes when something is told, and the order of what was told decides everything.
 */
import { emptyMemory, type Memory } from './memory.js';
import { pow } from './math.js';
import { flip } from './objective.js';
import { planIteration, type BracketPlan } from './plan.js';
import { quantile } from './quantile.js';
import type { PredictionRecord } from './record.js';
import type { AshaScheduler, Study } from './study.js';

/** What a decision point said of a job. */
export interface Asked {
  /** Absent when there was nothing to ask yet. */
  readonly prediction?: PredictionRecord;
  /** Whether the question trained a model. */
  readonly trained?: boolean;
  /** Why there was no prediction, or who answered instead of the model asked. */
  readonly error?: string;
  readonly fallback?: string;
  /** Curves the model that answered was trained on. */
  readonly trainedOn?: number;
}

/** Training trial `trial` (its index) up to rung `rung` (0-based). */
export interface AshaJob {
  readonly trial: number;
  readonly rung: number;
  /** Once it is past its decision point: the metric of the epochs up to there, and what was said. */
  readonly passed?: { readonly values: readonly number[]; readonly asked: Asked };
}

/** Everything ASHA remembers; plain JSON, so that a study can go on from it. */
export interface AshaState {
  readonly started: number;
  /** By rung, in order of arrival: trial and loss; null for one that has none there. */
  readonly rungs: readonly (readonly (readonly [trial: number, loss: number | null])[])[];
  /** By rung, the trials that left it upwards. */
  readonly promoted: readonly (readonly number[])[];
  /** In the order they were asked for. */
  readonly inFlight: readonly AshaJob[];
  /** Epochs of everything told. */
  readonly epochs: number;
  /** Metric from the first epoch on of trials that may be asked about; only with a stopping rule. */
  readonly curves: Readonly<Record<string, readonly number[]>>;
  readonly memory: Memory;
}

/** Most trials of an ASHA study: its state, about 35 bytes a trial, travels in one message of at most 2 MiB. */
const mostAshaTrials = 40_000;
/** The same where observations travel too. */
const mostLearningTrials = 10_000;
/** Values of curves that travel, about 20 bytes each, where a model may be asked about every trial that waits. */
const mostCurveValues = 60_000;

/** The bound on an ASHA study's trials, "untilLimit" or not. */
export function ashaTrialBound(study: Pick<Study, 'scheduler' | 'predictor' | 'sampler'>): number {
  const { scheduler, predictor, sampler } = study;
  if (scheduler.type !== 'asha') throw new RangeError(`no ASHA study: ${scheduler.type}`);
  const most = sampler.type === 'tpe' ? mostLearningTrials : mostAshaTrials;
  if (predictor.type !== 'swift') return most;
  // Of n trials n / eta^k reach rung k, and all but 1 / eta of those wait there with r_k values each.
  const { eta } = scheduler;
  const rungs = (planIteration(scheduler, predictor, 1)[0] as BracketPlan).rounds.slice(0, -1);
  const perTrial = rungs.reduce((sum, { to }, k) => sum + (to * (1 - 1 / eta)) / pow(eta, k), 0);
  return Math.min(mostLearningTrials, Math.floor(mostCurveValues / perTrial));
}

/** How many trials an ASHA study starts at most. */
export function mostTrials(study: Pick<Study, 'scheduler' | 'predictor' | 'sampler'>): number {
  const { scheduler } = study;
  if (scheduler.type !== 'asha') throw new RangeError(`no ASHA study: ${scheduler.type}`);
  return scheduler.trials === 'untilLimit' ? ashaTrialBound(study) : scheduler.trials;
}

/** One rung: results by rank, and who was promoted. */
class Rung {
  /** Best first, ties by trial; those without a loss last. */
  readonly ranked: { readonly trial: number; readonly loss: number }[] = [];
  readonly arrived: [number, number | null][] = [];
  readonly promoted = new Set<number>();
  /** How many of the first in rank are known to be promoted: thousands of trials make looking again slow. */
  private passed = 0;

  add(trial: number, loss: number | null): void {
    this.arrived.push([trial, loss]);
    if (loss === null) return;
    let low = 0;
    let high = this.ranked.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.ranked[middle] as { trial: number; loss: number };
      if (other.loss < loss || (other.loss === loss && other.trial < trial)) low = middle + 1;
      else high = middle;
    }
    this.ranked.splice(low, 0, { trial, loss });
    this.passed = Math.min(this.passed, low);
  }

  /** The best of the top 1/eta that has not been promoted; those without a loss count, and never are. */
  promotable(eta: number): number | null {
    const top = Math.min(Math.floor(this.arrived.length / eta), this.ranked.length);
    for (; this.passed < top; this.passed++) {
      const { trial } = this.ranked[this.passed] as { trial: number };
      if (!this.promoted.has(trial)) return trial;
    }
    return null;
  }
}

export class Asha {
  readonly plan: BracketPlan;
  memory: Memory;
  readonly curves = new Map<number, readonly number[]>();
  private readonly scheduler: AshaScheduler;
  private readonly rungs: Rung[];
  private readonly flying: AshaJob[];
  private count: number;
  private spent: number;

  /** @throws RangeError for a study of another scheduler */
  constructor(
    private readonly study: Pick<Study, 'scheduler' | 'sampler' | 'predictor' | 'objective' | 'limits'>,
    state: AshaState | null = null
  ) {
    if (study.scheduler.type !== 'asha') throw new RangeError(`no ASHA study: ${study.scheduler.type}`);
    this.scheduler = study.scheduler;
    this.plan = planIteration(study.scheduler, study.predictor, 1)[0] as BracketPlan;
    this.rungs = this.plan.rounds.map(() => new Rung());
    this.count = state?.started ?? 0;
    this.spent = state?.epochs ?? 0;
    this.flying = [...(state?.inFlight ?? [])];
    this.memory = state?.memory ?? emptyMemory;
    state?.rungs.forEach((results, k) => results.forEach(([trial, loss]) => this.rung(k).add(trial, loss)));
    state?.promoted.forEach((trials, k) => trials.forEach((trial) => this.rung(k).promoted.add(trial)));
    for (const [trial, values] of Object.entries(state?.curves ?? {})) this.curves.set(Number(trial), values);
  }

  get inFlight(): readonly AshaJob[] {
    return this.flying;
  }

  get epochs(): number {
    return this.spent;
  }

  get state(): AshaState {
    return {
      started: this.count,
      rungs: this.rungs.map((rung) => rung.arrived),
      promoted: this.rungs.map((rung) => [...rung.promoted]),
      inFlight: this.flying,
      epochs: this.spent,
      curves: Object.fromEntries(this.curves),
      memory: this.memory,
    };
  }

  /** The rungs a trial came to, with its metric there; null for one that has not started. */
  standing(trial: number): { training: boolean; rungs: { budget: number; value: number | null }[] } | null {
    if (trial >= this.count) return null;
    const rungs = this.rungs.flatMap(({ arrived }, k) => {
      const found = arrived.find(([one]) => one === trial);
      const loss = found?.[1] ?? null;
      const value = loss === null ? null : flip(this.study.objective, loss);
      return found ? [{ budget: this.plan.rounds[k]?.to as number, value }] : [];
    });
    return { training: this.flying.some((job) => job.trial === trial), rungs };
  }

  /** What a free slot does next: null when there is nothing (for now), `epochLimit` when the study ends here. */
  next(): AshaJob | 'epochLimit' | null {
    const job = this.promotion() ?? this.newTrial();
    if (job === null) return null;
    const { epochs } = this.study.limits;
    const committed = this.flying.reduce((sum, one) => sum + this.cost(one), this.spent);
    if (epochs !== undefined && committed + this.cost(job) > epochs) return 'epochLimit';
    if (job.rung === 0) this.count++;
    else this.rung(job.rung - 1).promoted.add(job.trial);
    this.flying.push(job);
    return job;
  }

  /** Takes in how a job ended: its metric at the rung, or null when it has none there. */
  tell(job: AshaJob, value: number | null, epochs: number): void {
    this.flying.splice(this.position(job), 1);
    this.spent += epochs;
    this.rung(job.rung).add(job.trial, value === null ? null : flip(this.study.objective, value));
  }

  /** Notes that a job in flight is past its decision point. */
  pass(job: AshaJob, passed: NonNullable<AshaJob['passed']>): void {
    this.flying[this.position(job)] = { trial: job.trial, rung: job.rung, passed };
  }

  /** The 1/eta quantile of the losses at a rung; null while there are none. */
  threshold(rung: number): number | null {
    const losses = this.rung(rung).ranked.map(({ loss }) => loss);
    return losses.length === 0 ? null : quantile(losses, 1 / this.scheduler.eta);
  }

  private promotion(): AshaJob | null {
    for (let k = this.rungs.length - 2; k >= 0; k--) {
      const trial = this.rung(k).promotable(this.scheduler.eta);
      if (trial !== null) return { trial, rung: k + 1 };
    }
    return null;
  }

  private newTrial(): AshaJob | null {
    return this.count < mostTrials(this.study) ? { trial: this.count, rung: 0 } : null;
  }

  private cost({ rung }: AshaJob): number {
    const round = this.plan.rounds[rung];
    return round ? round.to - round.from : 0;
  }

  private position(job: AshaJob): number {
    const at = this.flying.findIndex((one) => one.trial === job.trial && one.rung === job.rung);
    if (at === -1) throw new RangeError(`trial ${job.trial} does not train to rung ${job.rung}`);
    return at;
  }

  private rung(k: number): Rung {
    const rung = this.rungs[k];
    if (!rung) throw new RangeError(`there is no rung ${k}`);
    return rung;
  }
}
