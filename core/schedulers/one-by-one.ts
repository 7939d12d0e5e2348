/**
 * Rungs that trials come to one by one: the state machine of every asynchronous scheduler. A trial on its way to a rung
 * is one group; the scheduler's own rule says what a free place does next. No barrier, no clock: the order of what is
 * handed out and told decides everything, and the record holds it.
 */
import { bestOf, better } from '../engine/best.js';
import { GroupRun, resultsOf, type Judged } from '../engine/group-run.js';
import { emptyMemory, type Memory } from '../engine/memory.js';
import type { BracketPlan, Plan, RoundPlan } from '../engine/plan.js';
import type { Proposal } from '../engine/propose.js';
import type { Shared } from '../engine/round.js';
import { epochsOf } from '../engine/trial-run.js';
import type { Best, Consequence, RoundView, Scheduler, SchedulerContext, View } from '../engine/scheduler.js';
import type { Ended, Event, Group, Work } from '../engine/work.js';
import type { Result } from '../objectives/definition.js';
import { modeOf } from '../objectives/index.js';
import type { Json } from '../settings.js';
import { trialId, type Source, type Trial } from '../trial.js';

/** A trial, by its index, and the rung that it is to come to, by its 0-based index. */
export interface Way {
  readonly trial: number;
  readonly rung: number;
}

/** How a trial goes to a rung. */
export type Going = Pick<Group, 'exploits' | 'configs' | 'shift' | 'holds' | 'recordFirst'>;

/** What an asynchronous scheduler decides by itself. */
export interface OneByOneRule<Settings extends { readonly type: string; readonly maxBudget: number }> {
  readonly context: SchedulerContext<Settings>;
  readonly plan: Plan<Settings>;
  /** Most trials that are started. */
  readonly maxTrials: number;
  /** Share of the trials at a rung that one has to be as good as, for a pruner. */
  readonly share: number;
  /** What a free place does next; null when there is nothing for now. */
  choose(): Way | null;
  /** What was chosen is handed out. */
  handed(way: Way): void;
  /** How a trial on its way goes there. @default from its own checkpoint, from which nobody else may start */
  going?(way: Way): Going;
  /** Trials were drawn. */
  drew?(trials: readonly Trial[]): void;
  /**
   * A trial came to its rung with this result; null: it ended before, without one there. Gives the checkpoints that were
   * held and from which nobody starts any more.
   */
  came(way: Way, result: Result | null): readonly Source[];
  /** The q-quantile of the losses at a rung; null when it has none, or nobody asks. */
  quantile?(rung: number, q: number): number | null;
  /** Small plain JSON from which the rule goes on, under names that {@link State} does not have. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** Trials drawn together by a sampler that does not learn. */
const block = 50;

interface Flight extends Way {
  readonly run: GroupRun;
}

interface State {
  /** Trials drawn so far. */
  readonly drawn: number;
  readonly rows: readonly RoundView[];
  /** In the order they were handed out. */
  readonly flights: readonly (Way & { readonly judged: Judged | null })[];
  readonly epochs: number;
  readonly best: Best | null;
  readonly memory: Memory;
  readonly ending: Ended | null;
  readonly halted: boolean;
}

export class OneByOne<Settings extends { readonly type: string; readonly maxBudget: number }> implements Scheduler {
  halted: boolean;
  private readonly bracket: BracketPlan;
  private readonly rows: RoundView[];
  private readonly flights = new Map<string, Flight>();
  private memory: Memory;
  private drawn: number;
  private epochs: number;
  private best: Best | null;
  private ending: Ended | null;

  constructor(
    private readonly rule: OneByOneRule<Settings>,
    carried: Json | null
  ) {
    const state = carried as unknown as State | null;
    const { plan } = rule;
    this.bracket = plan.first[0] as BracketPlan;
    const planned = plan.keepsAll ? this.bracket.trials : null;
    this.rows = [...(state?.rows ?? this.bracket.rounds.map((round) => waiting(round, planned)))];
    this.memory = state?.memory ?? emptyMemory;
    this.drawn = state?.drawn ?? 0;
    this.epochs = state?.epochs ?? 0;
    this.best = state?.best ?? null;
    this.ending = state?.ending ?? null;
    this.halted = state?.halted ?? false;
    for (const { trial, rung, judged } of state?.flights ?? []) this.depart({ trial, rung }, judged);
  }

  get state(): Json {
    const own: State = {
      drawn: this.drawn,
      rows: this.rows,
      flights: [...this.flights.values()].map(({ trial, rung, run }) => ({ trial, rung, judged: run.judged })),
      epochs: this.epochs,
      best: this.best,
      memory: this.memory,
      ending: this.ending,
      halted: this.halted,
    };
    return { ...this.rule.state, ...own } as unknown as Json;
  }

  get ended(): Ended | null {
    if (this.flights.size > 0) return null;
    return this.ending ?? (this.rule.choose() === null ? 'finished' : null);
  }

  next(free: number): readonly Work[] {
    const works: Work[] = [];
    const hand = ({ run }: Flight) => {
      for (const task of run.next()) works.push({ type: 'task', group: run.group, task });
    };
    for (const flight of this.flights.values()) hand(flight);
    for (; free > 0 && this.ending === null; free--) {
      const way = this.rule.choose();
      if (way === null) break;
      if (this.exceeds(way.rung)) {
        this.ending = 'epochLimit';
        break;
      }
      this.rule.handed(way);
      if (way.rung > 0) {
        const below = this.rows[way.rung - 1] as RoundView;
        this.rows[way.rung - 1] = { ...below, promoted: below.promoted + 1 };
      }
      hand(this.depart(way, null));
    }
    return works;
  }

  tell(event: Event): Consequence {
    switch (event.type) {
      case 'stopped':
        this.ending ??= event.by;
        this.halted = true;
        return {};
      case 'closed': {
        const { title } = this.rule.plan;
        throw new RangeError(`group ${event.closing.group}: ${title} has no groups that close as a whole`);
      }
      case 'answered': {
        const flight = this.flights.get(event.group);
        if (!flight) throw new RangeError(`group ${event.group} is not out`);
        flight.run.tell(event.task, event.answer);
        const { task } = event;
        if (task.type === 'propose') {
          this.drawn = Math.max(this.drawn, task.first + task.count);
          this.rule.drew?.((event.answer as Proposal).trials);
        }
        if (!flight.run.closed) return {};
        const released = this.land(flight);
        return {
          closed: { group: flight.run.group, result: flight.run.closed },
          ...(released.length > 0 ? { released } : {}),
        };
      }
    }
  }

  view(): View {
    const over = this.ended !== null;
    const { id } = this.bracket;
    const rounds = this.rows.map((row): RoundView => (over ? { ...row, state: 'done' } : row));
    const begun = this.rows[0]?.state !== 'waiting';
    return {
      brackets: [{ id, state: over ? 'done' : begun ? 'running' : 'waiting', step: 'rung', rounds }],
      epochs: this.epochs,
      best: this.best,
    };
  }

  /** Whether the study would train more epochs than it may, with all that is out. */
  private exceeds(rung: number): boolean {
    const { epochs } = this.rule.context.study.limits;
    if (epochs === undefined) return false;
    const cost = (k: number) => (this.bracket.rounds[k]?.to ?? 0) - (this.bracket.rounds[k]?.from ?? 0);
    const out = [...this.flights.values()].reduce((sum, flight) => sum + cost(flight.rung), this.epochs);
    return out + cost(rung) > epochs;
  }

  private depart({ trial, rung }: Way, judged: Judged | null): Flight {
    const { rule, bracket } = this;
    const { context, plan, maxTrials } = rule;
    const round = bracket.rounds[rung] as RoundPlan;
    const { wave } = context;
    const size = wave === null ? block : 1;
    const first = trial - (trial % size);
    const draws = { wave, block: { first, count: Math.min(size, maxTrials - first) } };
    const going = rule.going?.({ trial, rung }) ?? { exploits: [], holds: false };
    const group: Group = {
      id: `${trialId(bracket.id, trial)}-r${rung}`,
      bracket: bracket.id,
      round: rung,
      offset: bracket.offset,
      members: [trial],
      from: round.from,
      to: round.to,
      places: 0,
      share: rule.share,
      decisionPoint: round.decisionPoint,
      points: plan.pointsOf(round.to),
      passes: plan.passes(round.from, round.to),
      draws: rung === 0 && trial >= this.drawn ? draws : null,
      observed: wave !== null,
      ...going,
    };
    const flight = { trial, rung, run: new GroupRun(context.study, group, this.shared(rung), judged) };
    this.flights.set(group.id, flight);
    this.rows[rung] = { ...(this.rows[rung] as RoundView), state: 'running' };
    return flight;
  }

  /** One memory for all trials: what one teaches, the next to be asked about knows. */
  private shared(rung: number): Shared {
    const read = () => this.memory;
    const write = (memory: Memory) => void (this.memory = memory);
    return {
      get memory() {
        return read();
      },
      set memory(memory: Memory) {
        write(memory);
      },
      quantile: (q) => this.rule.quantile?.(rung, q) ?? null,
    };
  }

  /** Gives the checkpoints that nobody starts from any more. */
  private land({ trial, rung, run }: Flight): readonly Source[] {
    const { objective, limits } = this.rule.context.study;
    this.flights.delete(run.group.id);
    const { outcomes, closing } = run.closed as NonNullable<typeof run.closed>;
    const outcome = outcomes[0] as (typeof outcomes)[number];
    const result = resultsOf(closing)[0] ?? null;
    const row = this.rows[rung] as RoundView;
    const mode = modeOf(objective);
    const id = trialId(this.bracket.id, trial);
    const reached = result && bestOf(objective, id, result, run.group.to);
    this.epochs += epochsOf(outcome);
    this.best = better(objective, this.best, reached);
    this.rows[rung] = {
      ...row,
      entered: row.entered + 1,
      stopped: row.stopped + (outcome.end === 'stopped' ? 1 : 0),
      diverged: row.diverged + (outcome.end === 'diverged' ? 1 : 0),
      failed: row.failed + (outcome.end === 'failed' ? 1 : 0),
      epochs: row.epochs + epochsOf(outcome),
      best: better(objective, row.best, reached),
    };
    if (outcome.end === 'unfinished') {
      this.ending ??= 'stopped';
      return [];
    }
    const released = this.rule.came({ trial, rung }, result);
    if (result !== null && limits.target !== undefined && mode.reached(result, limits.target)) {
      this.ending = 'target';
      this.halted = true;
    }
    return released;
  }
}

function waiting({ index, from, to }: RoundPlan, planned: number | null): RoundView {
  return {
    ...{ index, from, to, planned, state: 'waiting', entered: 0, stopped: 0, diverged: 0, failed: 0 },
    ...{ promoted: 0, epochs: 0, best: null },
  };
}
