/** A trial's way through a round. */
import { flip } from './objective.js';
import type { Objective } from './study.js';
import type { NonFinite, SegmentOutcome } from './trial.js';

/** A trial as it enters a round. */
export interface Contender {
  readonly id: string;
  readonly index: number;
  /** Metric of the epochs so far; only filled when the study has a predictor. */
  readonly values: readonly number[];
}

export type RoundEnd = 'rung' | 'stopped' | 'diverged' | 'failed' | 'unfinished';

/** What a round made of one trial. */
export interface RoundOutcome {
  readonly id: string;
  readonly index: number;
  readonly end: RoundEnd;
  /** Epochs trained in this round, the diverging one included. */
  readonly epochs: number;
  /** Metric at the last finite epoch of this round; null when there is none. */
  readonly value: number | null;
  /** Metric of this round's epochs. */
  readonly values: readonly number[];
  readonly nonFinite?: NonFinite;
  readonly reason?: string;
}

export class Runner {
  readonly values: number[] = [];
  /** `rung` as long as it is in the race. */
  end: RoundEnd = 'rung';
  private nonFinite: NonFinite | undefined;
  private reason: string | undefined;

  constructor(
    readonly contender: Contender,
    private readonly objective: Objective
  ) {}

  get id(): string {
    return this.contender.id;
  }

  /** Takes in what training came to. */
  absorb(outcome: SegmentOutcome): void {
    this.values.push(...outcome.values);
    if (outcome.outcome === 'completed') return;
    this.end = outcome.outcome;
    if (outcome.outcome === 'diverged') this.nonFinite = outcome.nonFinite;
    if (outcome.outcome === 'failed') this.reason = outcome.reason;
  }

  /** Losses from the first epoch on. */
  curve(): number[] {
    return [...this.contender.values, ...this.values].map((value) => flip(this.objective, value));
  }

  /** Metric at the last known epoch. @throws RangeError without one */
  value(): number {
    const last = this.values.at(-1);
    if (last === undefined) throw new RangeError(`trial ${this.id} has no value in this round`);
    return last;
  }

  loss(): number {
    return flip(this.objective, this.value());
  }

  outcome(): RoundOutcome {
    const { id, index } = this.contender;
    return {
      id,
      index,
      end: this.end,
      epochs: this.values.length + (this.end === 'diverged' ? 1 : 0),
      value: this.values.at(-1) ?? null,
      values: this.values,
      ...(this.nonFinite === undefined ? {} : { nonFinite: this.nonFinite }),
      ...(this.reason === undefined ? {} : { reason: this.reason }),
    };
  }
}

/** Those still in the race, best loss first, ties by trial index. */
export function rank(runners: readonly Runner[]): Runner[] {
  return runners
    .filter((runner) => runner.end === 'rung')
    .sort((a, b) => a.loss() - b.loss() || a.contender.index - b.contender.index);
}
