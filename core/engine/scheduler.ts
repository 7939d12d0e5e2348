/**
 * What a scheduler is: a pure state machine, synchronous and free of I/O, time and randomness of its own. All it knows
 * is what it was told. A scheduler is a file in `core/schedulers/` that defines one, and a line in its index.
 */
import type { Numbers } from '../curve.js';
import type { Objective } from '../objectives/index.js';
import type { Options, Refusal } from '../options.js';
import type { PrunerSettings } from '../pruners/index.js';
import type { Json, Limits, SearchSpace } from '../settings.js';
import type { Source } from '../trial.js';
import type { ClosedGroup } from './group-run.js';
import type { Ground } from './round.js';
import type { Ended, Event, Group, Work } from './work.js';

/** What decides, beside what a scheduler is told. */
export interface SchedulerContext<Settings> {
  readonly settings: Settings;
  readonly study: Ground & {
    readonly objective: Objective;
    readonly space: SearchSpace;
    readonly pruner: PrunerSettings;
    readonly limits: Limits;
  };
  /** How many trials a sampler that learns proposes at once; null: it does not learn. */
  readonly wave: number | null;
}

/** Who goes on after a round, as decided when it closed. */
export interface Promotion {
  readonly group: string;
  /** Indexes inside the bracket, in trial order. */
  readonly promoted: readonly number[];
}

/** What an answer led to. */
export interface Consequence {
  /** Set when a round has closed. */
  readonly promotion?: Promotion;
  /** Set when a trial alone has come to the end of its way to a rung. */
  readonly closed?: { readonly group: Group; readonly result: ClosedGroup };
  /** Checkpoints that groups have held, and from which nobody starts any more. */
  readonly released?: readonly Source[];
}

export interface Scheduler {
  /**
   * Work for `free` more trials. What is handed out stays out until it is answered; follow-ups of what is out need no
   * free place. Where nothing decides by order of arrival, `free` changes when work is handed out, never what is decided.
   */
  next(free: number): readonly Work[];
  /** Takes in an answer, or what an operator did. @throws RangeError for an answer to what is not out */
  tell(event: Event): Consequence;
  /** Why the study has ended; null while anything is out or still to come. */
  readonly ended: Ended | null;
  /** Whether what trains has to end as soon as it is saved. */
  readonly halted: boolean;
  /**
   * Plain JSON from which another machine goes on, what its groups remember included. It travels in one message, so that
   * it has to stay below 1 MiB at 100,000 trials.
   */
  readonly state: Json;
  /** How everything stands, for pages, status, record and report. */
  view(): View;
}

/** The best trial so far. */
export interface Best {
  readonly trial: string;
  /** Metric at `budget`. */
  readonly value: number;
  readonly budget: number;
  /** The further metrics that the study names, there; absent: it names none. */
  readonly metrics?: Numbers;
}

export interface View {
  readonly brackets: readonly BracketView[];
  readonly epochs: number;
  readonly best: Best | null;
}

export interface BracketView {
  readonly id: string;
  readonly state: 'waiting' | 'running' | 'done';
  /** What its steps are called: trials come to a round together, to a rung one by one. */
  readonly step: 'round' | 'rung';
  readonly rounds: readonly RoundView[];
}

export interface RoundView {
  readonly index: number;
  readonly from: number;
  readonly to: number;
  /** Trials that the plan has here; null where it does not say. */
  readonly planned: number | null;
  readonly state: 'waiting' | 'running' | 'done';
  readonly entered: number;
  readonly stopped: number;
  readonly diverged: number;
  readonly failed: number;
  readonly promoted: number;
  readonly epochs: number;
  /** The best trial that came to the rung, with its metric there. */
  readonly best: Best | null;
}

/** One bracket of the plan, most of it in numbers of trials and budgets. */
interface Shape {
  readonly s: number;
  readonly trials: number;
  readonly rungs: readonly number[];
}

/** What a definition looks at to refuse a combination; parts that are wrong by themselves are left out. */
export interface Combination<Settings> {
  readonly settings: Settings;
  readonly pruner?: PrunerSettings | undefined;
  /** Whether the sampler learns, and its name: its own, or what the field calls it together with the scheduler. */
  readonly sampler?: { readonly name: string; readonly learns: boolean } | undefined;
  readonly limits?: Limits | undefined;
  /** Names of the further metrics that objective and pruner name. */
  readonly metrics?: readonly string[] | undefined;
  readonly trainer?: { readonly type: string } | undefined;
}

export interface SchedulerDefinition<Settings extends { readonly type: string; readonly maxBudget: number }> {
  readonly options: Options<Settings>;
  /** The name in a sentence: `Hyperband`. */
  readonly title: string;
  /** What a trial goes through: rounds with a barrier, or rungs that it comes to by itself. */
  readonly step: 'round' | 'rung';
  /** Whether trials may go on from others' checkpoints, so that a record has their lineage. @default false */
  readonly exploits?: true;
  /** The brackets of one iteration, in the order they run. */
  shapes(settings: Settings): readonly Shape[];
  /** Trials that go on after a round of `entered`. */
  kept(settings: Settings, entered: number): number;
  /** How often the brackets run; Infinity when only a limit ends it. @default 1 */
  iterations?(settings: Settings): number;
  /** Whether the brackets of an iteration run at the same time and share nothing. @default false */
  together?(settings: Settings): boolean;
  /** Whether it trains until a limit, so that the plan says nothing of its size. @default false */
  endless?(settings: Settings): boolean;
  /** The same scheduler with so much to do that at least `epochs` are trained; absent: it ends by itself. */
  endlessly?(settings: Settings, epochs: number): Settings;
  /** The settings of an endless study that has drawn so many trials, for its plan. */
  bounded?(settings: Settings, drawn: { readonly trials: number; readonly iterations: number }): Settings;
  /** A sentence below the table of the plan: what it does not say. */
  planNote?(settings: Settings, trials: number): string | null;
  /** Keys of a study file that have no meaning with it. */
  readonly ignores?: readonly string[];
  /** Most trials at once; absent: 10,000. */
  readonly maxParallelism?: number;
  /** What makes no sense together. */
  refuse?(combination: Combination<Settings>): readonly Refusal[];
  create(context: SchedulerContext<Settings>, state: Json | null): Scheduler;
}
