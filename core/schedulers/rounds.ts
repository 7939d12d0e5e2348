/**
 * Brackets of rounds with a barrier behind each: the state machine of every synchronous scheduler. A round is one
 * group; when it has closed, the scheduler's own rule says who goes on.
 */
import { bestOf, better } from '../engine/best.js';
import { resultsOf } from '../engine/group-run.js';
import { emptyMemory, type Memory } from '../engine/memory.js';
import type { BracketPlan, Plan, RoundPlan } from '../engine/plan.js';
import type {
  Best,
  BracketView,
  Consequence,
  Promotion,
  RoundView,
  Scheduler,
  SchedulerContext,
  View,
} from '../engine/scheduler.js';
import type { Closing, Ended, Event, Exploit, Group, Work } from '../engine/work.js';
import type { Result } from '../objectives/definition.js';
import { modeOf } from '../objectives/index.js';
import type { Config, Json } from '../settings.js';
import { trialId } from '../trial.js';

/** A round that has closed, as the rule of promotion sees it. */
export interface Closed {
  readonly bracket: BracketPlan;
  readonly round: RoundPlan;
  /** Its members that have a result at the rung, by index, best first, ties by trial. */
  readonly ranking: readonly (Result & { readonly trial: number })[];
  /**
   * The configuration that a member trained with, where other trials may start from its checkpoint.
   * @throws RangeError where the group closed without configurations
   */
  configOf(trial: number): Config;
}

/** Who goes on, in trial order, and who of them from another trial's checkpoint. */
export interface Next {
  readonly promoted: readonly number[];
  readonly exploits: readonly Exploit[];
}

export interface RoundsRule<Settings extends { readonly type: string; readonly maxBudget: number }> {
  readonly context: SchedulerContext<Settings>;
  readonly plan: Plan<Settings>;
  /** Whether the brackets of an iteration run at the same time, each with a memory of its own. */
  readonly together: boolean;
  /** Places after a round; its own number of trials is the plan's, however many entered. */
  places(round: RoundPlan): number;
  promote(closed: Closed): Next;
  /** Whether other trials may start from the checkpoints at the rungs. */
  readonly holds: boolean;
}

/** A bracket of the iteration under way. */
interface Standing {
  /** The round that runs or comes next. */
  readonly round: number;
  /** Who enters it, by index in the bracket; null: all. */
  readonly members: readonly number[] | null;
  readonly exploits: readonly Exploit[];
  /** Only where others may start from checkpoints: of those who enter, what was drawn, and what they have instead. */
  readonly drawn: Configs;
  readonly changed: Configs;
  readonly out: boolean;
  readonly done: boolean;
  readonly rows: readonly RoundView[];
}

/** By index in the bracket. */
type Configs = Readonly<Record<number, Config>>;

interface State {
  readonly iteration: number;
  readonly brackets: readonly Standing[];
  /** One for all brackets, or one for each that runs together with others. */
  readonly memories: readonly Memory[];
  readonly epochs: number;
  readonly best: Best | null;
  readonly ending: Ended | null;
  readonly halted: boolean;
  /** Brackets of earlier iterations, the latest. */
  readonly closed: readonly BracketView[];
}

/** Brackets of earlier iterations that a view shows; the record has them all. */
const maxClosed = 60;

const atStart: Standing = {
  ...{ round: 0, members: null, exploits: [], drawn: {}, changed: {}, out: false, done: false, rows: [] },
};

export class Rounds<Settings extends { readonly type: string; readonly maxBudget: number }> implements Scheduler {
  private now: State;
  private brackets: readonly BracketPlan[];
  /** Positions of the brackets whose group this machine has handed out. */
  private readonly handed = new Set<number>();

  constructor(
    private readonly rule: RoundsRule<Settings>,
    state: Json | null
  ) {
    this.now = (state as unknown as State | null) ?? this.opened(1, null);
    this.brackets = rule.plan.iteration(this.now.iteration);
  }

  get state(): Json {
    return this.now as unknown as Json;
  }

  get halted(): boolean {
    return this.now.halted;
  }

  get ended(): Ended | null {
    if (this.now.brackets.some(({ out }) => out)) return null;
    if (this.now.ending !== null) return this.now.ending;
    return this.now.brackets.every(({ done }) => done) ? 'finished' : null;
  }

  next(free: number): readonly Work[] {
    const works: Work[] = [];
    for (const [position, standing] of this.now.brackets.entries()) {
      if (standing.out && !this.handed.has(position)) {
        // Another machine had handed it out, and nobody carries it out any more.
        works.push({ type: 'group', group: this.groupOf(position, standing), memory: this.memory(position) });
        this.handed.add(position);
      } else if (free > 0 && this.now.ending === null && !standing.done && !standing.out) {
        const group = this.groupOf(position, standing);
        if (this.exceeds(group)) {
          this.now = { ...this.now, ending: 'epochLimit' };
          break;
        }
        works.push({ type: 'group', group, memory: this.memory(position) });
        this.set(position, { out: true });
        this.handed.add(position);
        free--;
      }
      if (!this.rule.together && !standing.done) break;
    }
    return works;
  }

  tell(event: Event): Consequence {
    switch (event.type) {
      case 'stopped':
        this.now = { ...this.now, ending: this.now.ending ?? event.by, halted: true };
        return {};
      case 'closed':
        return { promotion: this.close(event.closing) };
      case 'answered':
        throw new RangeError(`group ${event.group} is answered as a whole`);
    }
  }

  view(): View {
    const { closed, epochs, best } = this.now;
    const open = this.brackets.map((bracket, position): BracketView => {
      const { out, done, round: current, members, rows } = this.now.brackets[position] as Standing;
      const over = done || (this.now.ending !== null && !out && rows.length > 0);
      const state = over ? 'done' : out || rows.length > 0 ? 'running' : 'waiting';
      return {
        id: bracket.id,
        state,
        step: 'round',
        rounds: bracket.rounds.map((round) => {
          const row = rows[round.index];
          if (row) return row;
          const running = out && round.index === current;
          return {
            ...blank(round),
            state: running ? 'running' : 'waiting',
            entered: running ? (members?.length ?? round.trials) : 0,
          };
        }),
      };
    });
    return { brackets: [...closed, ...open], epochs, best };
  }

  private opened(iteration: number, before: State | null): State {
    const brackets = this.rule.plan.iteration(iteration);
    const memory = before?.memories[0] ?? emptyMemory;
    const memories = this.rule.together ? brackets.map(() => emptyMemory) : [memory];
    const past = before ? [...before.closed, ...this.view().brackets.slice(before.closed.length)] : [];
    return {
      epochs: 0,
      best: null,
      ending: null,
      halted: false,
      ...before,
      iteration,
      brackets: brackets.map(() => atStart),
      memories,
      closed: past.slice(-maxClosed),
    };
  }

  private memory(position: number): Memory {
    return this.now.memories[this.rule.together ? position : 0] as Memory;
  }

  private set(position: number, change: Partial<Standing>): void {
    const brackets = this.now.brackets.map((one, i) => (i === position ? { ...one, ...change } : one));
    this.now = { ...this.now, brackets };
  }

  private groupOf(position: number, { round: index, members, exploits, changed }: Standing): Group {
    const { rule } = this;
    const bracket = this.brackets[position] as BracketPlan;
    const round = bracket.rounds[index] as RoundPlan;
    const { wave } = rule.context;
    return {
      id: `${bracket.id}-r${index}`,
      bracket: bracket.id,
      round: index,
      offset: bracket.offset,
      members: members ?? Array.from({ length: bracket.trials }, (_, i) => i),
      from: round.from,
      to: round.to,
      places: round.last ? 1 : rule.places(round),
      // Swift-Hyperband's threshold (García Amboage et al. 2023, step 3).
      share: 0.25,
      decisionPoint: round.decisionPoint,
      points: rule.plan.pointsOf(round.to),
      passes: rule.plan.passes(round.from, round.to),
      draws: index === 0 ? { wave } : null,
      observed: wave !== null,
      exploits,
      ...(Object.keys(changed).length > 0 ? { configs: changed } : {}),
      holds: rule.holds && !round.last,
      // Whoever starts from a donor of the round before may still do so; of the one before that, everybody has.
      ...(rule.holds && index >= 2 ? { releases: (bracket.rounds[index - 2] as RoundPlan).to } : {}),
    };
  }

  /** A round that would train more epochs than the study may does not start. */
  private exceeds({ members, from, to }: Group): boolean {
    const { epochs } = this.rule.context.study.limits;
    return epochs !== undefined && this.now.epochs + members.length * (to - from) > epochs;
  }

  private close(closing: Closing): Promotion {
    const position = this.brackets.findIndex(({ id }) => closing.group.startsWith(`${id}-r`));
    const standing = this.now.brackets[position];
    const bracket = this.brackets[position];
    if (!standing?.out || !bracket || closing.group !== `${bracket.id}-r${standing.round}`) {
      throw new RangeError(`group ${closing.group} is not out`);
    }
    const { study } = this.rule.context;
    const round = bracket.rounds[standing.round] as RoundPlan;
    const members = standing.members ?? Array.from({ length: bracket.trials }, (_, i) => i);
    const mode = modeOf(study.objective);
    const ranking = resultsOf(closing)
      .flatMap((result, i) => (result === null ? [] : [{ trial: members[i] as number, ...result }]))
      .sort((a, b) => mode.compare(a, b) || a.trial - b.trial);
    const interrupted = closing.ends.includes('unfinished');
    const drawn = closing.configs ? byMember(members, closing.configs) : standing.drawn;
    const configOf = (trial: number): Config => {
      const config = standing.changed[trial] ?? drawn[trial];
      if (!config) throw new RangeError(`group ${closing.group} closed without the configuration of trial ${trial}`);
      return config;
    };
    const next = interrupted || round.last ? nobody : this.rule.promote({ bracket, round, ranking, configOf });
    const first = ranking[0];
    const best = first ? bestOf(study.objective, trialId(bracket.id, first.trial), first, round.to) : null;
    const target = study.limits.target;
    const reached = target !== undefined && ranking.some((one) => mode.reached(one, target));
    const count = (end: string) => closing.ends.filter((one) => one === end).length;
    const row: RoundView = {
      ...blank(round),
      state: 'done',
      entered: members.length,
      stopped: count('stopped'),
      diverged: count('diverged'),
      failed: count('failed'),
      promoted: next.promoted.length,
      epochs: closing.epochs,
      best,
    };
    this.handed.delete(position);
    this.set(position, {
      out: false,
      round: standing.round + 1,
      members: next.promoted,
      exploits: next.exploits,
      ...(this.rule.holds ? configsAfter(next, drawn, standing.changed) : {}),
      done: next.promoted.length === 0,
      rows: [...standing.rows, row],
    });
    this.now = {
      ...this.now,
      memories: this.now.memories.map((one, i) => (i === (this.rule.together ? position : 0) ? closing.memory : one)),
      epochs: this.now.epochs + closing.epochs,
      best: better(study.objective, this.now.best, best),
      ending: this.now.ending ?? (interrupted ? 'stopped' : reached ? 'target' : null),
    };
    const { iteration, brackets, ending } = this.now;
    if (ending === null && brackets.every(({ done }) => done) && iteration < this.rule.plan.iterations) {
      this.now = this.opened(iteration + 1, this.now);
      this.brackets = this.rule.plan.iteration(iteration + 1);
    }
    return { group: closing.group, promoted: next.promoted };
  }
}

function byMember(members: readonly number[], configs: readonly Config[]): Configs {
  return Object.fromEntries(members.map((trial, i) => [trial, configs[i] as Config]));
}

/** The configurations of those who go on. */
function configsAfter(
  { promoted, exploits }: Next,
  drawn: Configs,
  before: Configs
): Pick<Standing, 'drawn' | 'changed'> {
  const all: Configs = { ...before, ...Object.fromEntries(exploits.map(({ trial, config }) => [trial, config])) };
  const of = (configs: Configs, trials: readonly number[]): Configs =>
    Object.fromEntries(trials.flatMap((trial) => (configs[trial] ? [[trial, configs[trial]] as const] : [])));
  const kept = promoted.filter((trial) => !all[trial]);
  return { drawn: of(drawn, kept), changed: of(all, promoted) };
}

const nobody: Next = { promoted: [], exploits: [] };

function blank({ index, from, to, trials }: RoundPlan): RoundView {
  return {
    ...{ index, from, to, planned: trials, state: 'waiting', entered: 0, stopped: 0, diverged: 0, failed: 0 },
    ...{ promoted: 0, epochs: 0, best: null },
  };
}

/** The first `places` of the ranking, in trial order. */
export function topOf({ ranking }: Closed, places: number): Next {
  const promoted = ranking
    .slice(0, places)
    .map(({ trial }) => trial)
    .sort((a, b) => a - b);
  return { promoted, exploits: [] };
}
