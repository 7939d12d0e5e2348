/**
 * Population-based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks", algorithm 1) as it
 * was published: nobody waits. A trial that has trained an interval is compared with the latest results of all others and
 * goes on, from the latest checkpoint of one of the best if it is one of the worst. Every trial counts its own epochs,
 * whatever the checkpoints hold (docs/adr/0017-asynchronous-population.md).
 */
import { closingResults, resultsOf } from '../engine/group-run.js';
import { Plan, type BracketPlan, type RoundPlan } from '../engine/plan.js';
import type { Combination, SchedulerContext, SchedulerDefinition } from '../engine/scheduler.js';
import type { Result } from '../objectives/definition.js';
import { modeOf } from '../objectives/index.js';
import type { Closing } from '../engine/work.js';
import type { Refusal } from '../options.js';
import type { Config, Json } from '../settings.js';
import { trialId, type Source, type Trial } from '../trial.js';
import { OneByOne, type Going, type OneByOneRule, type Way } from './one-by-one.js';
import { exploit, population, shareOf, type Population } from './population-based.js';

export interface AsyncPopulationBasedScheduler extends Population {
  readonly type: 'asyncPopulationBased';
}

/** Most intervals of all trials: the digest of what each came to travels in one message, with what is remembered. */
const maxIntervals = 10_000;

export const asyncPopulationBased: SchedulerDefinition<AsyncPopulationBasedScheduler> = {
  ...population,
  title: 'asynchronous population-based training',
  step: 'rung',
  exploits: true,
  // All that trains at once is in one workflow, whose history holds so many trials.
  maxParallelism: 500,
  refuse: (combination) => [...population.refuse(combination), ...sizeRules(combination)],
  create: (context, state) => new OneByOne(new PopulationRule(context, state), state),
};

function sizeRules({ settings }: Combination<AsyncPopulationBasedScheduler>): Refusal[] {
  const { trials, maxBudget, interval } = settings;
  const limit = Math.floor(maxIntervals / trials);
  if (Math.ceil(maxBudget / interval) <= limit) return [];
  const rule =
    `must be at least ${Math.ceil(maxBudget / limit)}: ${trials} trials train at most ${limit} intervals each, ` +
    `for what an asynchronous population remembers travels in one message`;
  return [{ path: 'scheduler.interval', value: interval, rule }];
}

/** After a rung a trial went on from the checkpoint of `donor`, one of `among`, at the rung `at`. */
interface Took {
  readonly rung: number;
  readonly donor: number;
  readonly at: number;
  readonly among: number;
}

/** By trial, in `losses` and `metrics`: its latest result; null before the first, and once it is out. */
interface State extends Pick<Closing, 'losses' | 'metrics'> {
  /** As they were drawn. */
  readonly configs: readonly Config[];
  /** By trial: how many rungs it has come to; null: it is out. */
  readonly reached: readonly (number | null)[];
  /** Who is on the way to a rung. */
  readonly away: readonly number[];
  /** By trial, in order. */
  readonly took: readonly (readonly Took[])[];
  /** Checkpoints that are held, by trial and rung. */
  readonly held: readonly Way[];
}

class PopulationRule implements OneByOneRule<AsyncPopulationBasedScheduler> {
  readonly plan: Plan<AsyncPopulationBasedScheduler>;
  readonly maxTrials: number;
  readonly share: number;
  private readonly bracket: string;
  private readonly rounds: readonly RoundPlan[];
  private readonly configs: Config[];
  private readonly reached: (number | null)[];
  /** By trial: its latest result; null before the first, and once it is out. */
  private readonly results: (Result | null)[];
  private readonly away: Set<number>;
  private readonly took: Took[][];
  private held: readonly Way[];
  /** Configurations by trial and rung, which follow from what was drawn and who took from whom. */
  private readonly explored = new Map<string, Config>();

  constructor(
    readonly context: SchedulerContext<AsyncPopulationBasedScheduler>,
    carried: Json | null
  ) {
    const { settings, study } = context;
    const state = carried as unknown as State | null;
    this.plan = new Plan({ definition: asyncPopulationBased, settings, pruner: study.pruner });
    const { id, rounds } = this.plan.first[0] as BracketPlan;
    this.bracket = id;
    this.rounds = rounds;
    this.maxTrials = settings.trials;
    this.share = settings.quantile;
    const trials = Array.from({ length: this.maxTrials }, (_, trial) => trial);
    this.configs = [...(state?.configs ?? [])];
    this.reached = [...(state?.reached ?? trials.map(() => 0))];
    this.results = state ? resultsOf(state) : trials.map(() => null);
    this.away = new Set(state?.away);
    this.took = trials.map((trial) => [...(state?.took[trial] ?? [])]);
    this.held = state?.held ?? [];
  }

  get state(): State & Readonly<Record<string, unknown>> {
    const { configs, reached, results, away, took, held } = this;
    return { configs, reached, ...closingResults(results), away: [...away], took, held };
  }

  /** Whoever has trained least goes first, so that with fewer places than trials the population stays together. */
  choose(): Way | null {
    let next: Way | null = null;
    for (const [trial, rung] of this.reached.entries()) {
      if (rung === null || !this.waits(trial)) continue;
      if (next === null || rung < next.rung) next = { trial, rung };
    }
    return next;
  }

  /** Truncation selection among the latest results of all who have one and are not out. */
  handed({ trial, rung }: Way): void {
    this.away.add(trial);
    const { compare } = modeOf(this.context.study.objective);
    const ranking = this.results
      .flatMap((result, one) => (result === null ? [] : [{ one, result }]))
      .sort((a, b) => compare(a.result, b.result) || a.one - b.one)
      .map(({ one }) => one);
    const among = shareOf(ranking.length, this.context.settings.quantile);
    if (rung === 0 || ranking.indexOf(trial) < ranking.length - among) return;
    const donor = ranking[exploit(this.context, rung - 1, trial, among).donor] as number;
    this.took[trial]?.push({ rung: rung - 1, donor, at: (this.reached[donor] as number) - 1, among });
  }

  going({ trial, rung }: Way): Going {
    const took = this.took[trial]?.at(-1);
    const always = { holds: true, recordFirst: true } as const;
    if (!took) return { exploits: [], ...always };
    const config = this.configAt(trial, rung);
    const exploits = took.rung === rung - 1 ? [{ trial, donor: took.donor, epoch: this.epochAt(took.at), config }] : [];
    const shift = this.ageAt(took.donor, took.at) - this.epochAt(took.rung);
    return { exploits, configs: { [trial]: config }, ...(shift === 0 ? {} : { shift }), ...always };
  }

  drew(trials: readonly Trial[]): void {
    for (const { index, config } of trials) this.configs[index] = config;
  }

  came({ trial, rung }: Way, result: Result | null): readonly Source[] {
    this.away.delete(trial);
    this.reached[trial] = result === null ? null : rung + 1;
    this.results[trial] = result;
    if (result !== null) this.held = [...this.held, { trial, rung }];
    const needed = this.needed();
    const released = this.held.filter((one) => !needed.has(keyOf(one)));
    this.held = this.held.filter((one) => needed.has(keyOf(one)));
    return released.map((one) => ({ trial: trialId(this.bracket, one.trial), epoch: this.epochAt(one.rung) }));
  }

  /** Whether a trial has still to go to a rung, and is on its way to none. */
  private waits(trial: number): boolean {
    const reached = this.reached[trial] ?? null;
    return reached !== null && reached < this.rounds.length && !this.away.has(trial);
  }

  /** The latest checkpoints, as long as somebody may start from them, and those that are being copied. */
  private needed(): ReadonlySet<string> {
    const last = this.rounds.length - 1;
    const decides = this.reached.some((reached, trial) => {
      return reached !== null && (this.waits(trial) ? reached > 0 || last > 0 : reached < last);
    });
    const latest = this.reached.flatMap((reached, trial) => (reached ? [{ trial, rung: reached - 1 }] : []));
    const copied = [...this.away].flatMap((trial) => {
      const took = this.took[trial]?.at(-1);
      return took && took.rung + 1 === this.reached[trial] ? [{ trial: took.donor, rung: took.at }] : [];
    });
    return new Set([...(decides ? latest : []), ...copied].map(keyOf));
  }

  /** The epochs that a trial itself has trained at a rung. */
  private epochAt(rung: number): number {
    return this.rounds[rung]?.to ?? 0;
  }

  /** The epochs that the checkpoint of a trial at a rung holds. */
  private ageAt(trial: number, rung: number): number {
    let [one, at, age] = [trial, rung, 0];
    for (let took = this.tookBefore(one, at); took; took = this.tookBefore(one, at)) {
      age += this.epochAt(at) - this.epochAt(took.rung);
      [one, at] = [took.donor, took.at];
    }
    return age + this.epochAt(at);
  }

  /** The configuration with which a trial trains to a rung. @throws RangeError when nobody told what was drawn */
  private configAt(trial: number, rung: number): Config {
    const way: { readonly key: string; readonly trial: number; readonly took: Took }[] = [];
    let [one, at] = [trial, rung];
    let config: Config | undefined;
    while (!config) {
      const took = this.tookBefore(one, at);
      const key = `${one} ${took?.rung ?? ''}`;
      config = took ? this.explored.get(key) : this.configs[one];
      if (config) break;
      if (!took) throw new RangeError(`nobody told the configuration of trial ${trialId(this.bracket, one)}`);
      way.push({ key, trial: one, took });
      [one, at] = [took.donor, took.at];
    }
    for (const { key, trial: taker, took } of way.reverse()) {
      config = exploit(this.context, took.rung, taker, took.among).explored(config);
      this.explored.set(key, config);
    }
    return config;
  }

  /** How a trial came to what it trains on its way to a rung; absent: as it was drawn. */
  private tookBefore(trial: number, rung: number): Took | undefined {
    return this.took[trial]?.findLast((one) => one.rung < rung);
  }
}

function keyOf({ trial, rung }: Way): string {
  return `${trial} ${rung}`;
}
