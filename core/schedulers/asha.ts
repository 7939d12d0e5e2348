/**
 * ASHA (Li et al. 2018, algorithm 2): asynchronous successive halving. A free place promotes the best trial of the top
 * 1/eta of a rung that is not promoted yet, highest rung first, otherwise it starts a new trial.
 */
import { maxObservationBytes } from '../engine/memory.js';
import { geometricRungs, Plan } from '../engine/plan.js';
import type { SchedulerContext, SchedulerDefinition } from '../engine/scheduler.js';
import { pow } from '../math.js';
import { namedMetrics } from '../metrics.js';
import type { Result } from '../objectives/definition.js';
import { modeOf } from '../objectives/index.js';
import type { Refusal } from '../options.js';
import { prunerOf } from '../pruners/index.js';
import type { Json } from '../settings.js';
import type { Source } from '../trial.js';
import { OneByOne, type OneByOneRule, type Way } from './one-by-one.js';
import { eta, maxBudget, minBudget, withoutRungs } from './options.js';
import { bytesPerRanked, Rung, type RungState } from './rung.js';

export interface AshaScheduler {
  readonly type: 'asha';
  /** Most trials; "untilLimit" needs a limit. */
  readonly trials: number | 'untilLimit';
  readonly maxBudget: number;
  /** r_min. @default 1 */
  readonly minBudget: number;
  readonly eta: number;
}

/** What a state may take for the trials that may still be promoted. */
const maxStateBytes = 900_000;

/**
 * The most trials whose state travels in one message. The top 1/eta of every rung is kept, and twice as many as a
 * synchronous bracket would promote come to a rung, where a trial is promoted before the rung is complete.
 */
function ashaTrialBound({ eta: base }: Pick<AshaScheduler, 'eta'>, samplerLearns: boolean, metrics: number): number {
  let kept = 1 / base;
  for (let share = 1 / base; share > 1e-6; share /= base) kept += Math.min(1, 2 * share) / base;
  const left = maxStateBytes - (samplerLearns ? maxObservationBytes : 0);
  return Math.min(100_000, Math.floor(left / bytesPerRanked(metrics) / kept));
}

export const asha: SchedulerDefinition<AshaScheduler> = {
  title: 'ASHA',
  step: 'rung',
  options: {
    trials: { kind: 'whole', or: 'untilLimit', says: 'Most trials that are started; "untilLimit" needs a limit.' },
    maxBudget,
    minBudget,
    eta,
  },
  shapes(settings) {
    const rungs = geometricRungs(settings);
    const trials = settings.trials === 'untilLimit' ? pow(settings.eta, rungs.length - 1) : settings.trials;
    return [{ s: rungs.length - 1, trials, rungs }];
  },
  kept: (settings, entered) => Math.max(Math.floor(entered / settings.eta), 1),
  endless: ({ trials }) => trials === 'untilLimit',
  endlessly: (settings) => ({ ...settings, trials: 'untilLimit' }),
  bounded: (settings, { trials }) => ({ ...settings, trials }),
  planNote: ({ trials }, shown) =>
    'ASHA: the table is an estimate and no bound, for a trial is promoted before its rung is complete, and of few trials up to twice as much is trained' +
    (trials === 'untilLimit' ? `; it is shown for ${shown} trials` : ''),
  ignores: ['sampler.wave', 'pruner.completeShare'],
  // All that trains at once is in one workflow, whose history holds so many trials.
  maxParallelism: 500,
  refuse({ settings, pruner, sampler, metrics = [] }) {
    const refusals: Refusal[] = withoutRungs(settings);
    const limit = ashaTrialBound(settings, sampler?.learns ?? false, metrics.length);
    if (settings.trials !== 'untilLimit' && settings.trials > limit) {
      const learns = sampler?.learns ? ` and a sampler that learns (${sampler.name})` : '';
      const named = metrics.length > 0 ? ` and ${metrics.length} further metrics (${metrics.join(', ')})` : '';
      const rule = `must be at most ${limit} with eta ${settings.eta}${learns}${named}: what an ASHA study remembers travels in one message`;
      refusals.push({ path: 'scheduler.trials', value: settings.trials, rule });
    }
    const alone = pruner && prunerOf(pruner).needsRounds;
    if (alone) refusals.push({ path: 'pruner', value: pruner.type, rule: `ASHA has no rounds. ${alone}` });
    return refusals;
  },
  create: (context, state) => new OneByOne(new AshaRule(context, state), state),
};

interface State {
  readonly started: number;
  readonly rungs: readonly RungState[];
}

class AshaRule implements OneByOneRule<AshaScheduler> {
  readonly plan: Plan<AshaScheduler>;
  readonly maxTrials: number;
  readonly share: number;
  private readonly rungs: readonly Rung[];
  private started: number;

  constructor(
    readonly context: SchedulerContext<AshaScheduler>,
    carried: Json | null
  ) {
    const { settings, study } = context;
    const state = carried as unknown as State | null;
    this.maxTrials =
      settings.trials === 'untilLimit'
        ? ashaTrialBound(settings, context.wave !== null, namedMetrics(study).length)
        : settings.trials;
    this.share = 1 / settings.eta;
    this.plan = new Plan({ definition: asha, settings, pruner: study.pruner });
    const rounds = this.plan.first[0]?.rounds ?? [];
    const { compare } = modeOf(study.objective);
    this.rungs = rounds.map((_, k) => new Rung(settings.eta, compare, this.maxTrials, state?.rungs[k]));
    this.started = state?.started ?? 0;
  }

  get state(): Readonly<Record<keyof State, unknown>> {
    return { started: this.started, rungs: this.rungs.map((rung) => rung.state) };
  }

  choose(): Way | null {
    for (let k = this.rungs.length - 2; k >= 0; k--) {
      const trial = this.rungs[k]?.promotable() ?? null;
      if (trial !== null) return { trial, rung: k + 1 };
    }
    return this.started < this.maxTrials ? { trial: this.started, rung: 0 } : null;
  }

  handed({ trial, rung }: Way): void {
    if (rung === 0) this.started++;
    else this.rungs[rung - 1]?.promote(trial);
  }

  came({ trial, rung }: Way, result: Result | null): readonly Source[] {
    this.rungs[rung]?.add(trial, result);
    return [];
  }

  quantile(rung: number, q: number): number | null {
    return this.rungs[rung]?.quantile(q) ?? null;
  }
}
