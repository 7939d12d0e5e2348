/** What a scheduler hands out, and the events that answer it. */
import type { PredictionAnswer, Solution } from '../predictors/request.js';
import type { PredictorSettings } from '../predictors/index.js';
import type { Numbers } from '../curve.js';
import type { Config } from '../settings.js';
import type { SegmentOutcome } from '../trial.js';
import type { Memory } from './memory.js';
import type { Proposal, ProposalRequest } from './propose.js';

/** A trial that goes on from another trial's checkpoint with another configuration (population-based training). */
export interface Exploit {
  /** Index of the trial inside its bracket. */
  readonly trial: number;
  readonly donor: number;
  /** The donor's: what it had trained itself by then. The trial goes on counting its own epochs. */
  readonly epoch: number;
  readonly config: Config;
}

/** Trials on their way to one rung: a whole round, or one trial alone. */
export interface Group {
  /** `b4-r2`; of a trial alone `b4-t017-r2`. */
  readonly id: string;
  readonly bracket: string;
  /** 0-based index of the round or rung. */
  readonly round: number;
  /** Global index of the bracket's first trial. */
  readonly offset: number;
  /** Indexes inside the bracket, in trial order. */
  readonly members: readonly number[];
  /** Budget they come with. */
  readonly from: number;
  /** r_i: the rung they train to. */
  readonly to: number;
  /** n_next: places in the next round; 0 where none has to be filled. */
  readonly places: number;
  /** Share of the complete trials that one has to be as good as, to be worth finishing. */
  readonly share: number;
  /** p: where the pruner asks; null: it does not, or after every epoch. */
  readonly decisionPoint: number | null;
  /** All decision points this rung ever has: once each has its predictor, no curve is kept any more. */
  readonly points: readonly number[];
  /** Every epoch after `from`, up to `to`, at which the plan asks about trials of any bracket. */
  readonly passes: readonly number[];
  /**
   * How the members are drawn by this group: `wave` at once, null all; `block`: others are drawn with them. Null: they
   * are there.
   */
  readonly draws: {
    readonly wave: number | null;
    readonly block?: { readonly first: number; readonly count: number };
  } | null;
  /** Whether a sampler learns from the losses at the rung. */
  readonly observed: boolean;
  /** Members that begin this round from another trial's checkpoint. */
  readonly exploits: readonly Exploit[];
  /** Configurations of members, by index inside the bracket, where they are other than the ones drawn. */
  readonly configs?: Readonly<Record<number, Config>>;
  /**
   * How many epochs more than the trial's own count its checkpoints hold, since it went on from another trial's; its
   * trainer counts those. Negative: fewer. @default 0
   */
  readonly shift?: number;
  /** Whether the checkpoint at the rung has to stay until it is released, for others may start from it. */
  readonly holds: boolean;
  /** The epoch of the members' checkpoints that were held, and from which nobody starts any more as it begins. */
  readonly releases?: number;
  /**
   * Whether everything before it has to be recorded before it is carried out: told in another order, it might train from
   * another checkpoint, and what it has trained would be lost.
   */
  readonly recordFirst?: true;
}

export interface ProposeTask extends ProposalRequest {
  readonly type: 'propose';
  readonly first: number;
}
export interface TrainTask {
  readonly type: 'train';
  /** Id of the trial. */
  readonly trial: string;
  /** Index inside its bracket. */
  readonly index: number;
  readonly from: number;
  readonly to: number;
  /** Set when the trial starts here from another trial's checkpoint. */
  readonly exploit?: Exploit;
}
/** A question to a predictor; curves are named by their trials. */
export interface PredictTask {
  readonly type: 'predict';
  readonly predictor: PredictorSettings;
  readonly seed: number;
  /** r_i: the rung whose loss is predicted. */
  readonly rung: number;
  /** p: how many losses of a curve are known. */
  readonly epochs: number;
  /** Trials whose curves reached the rung. */
  readonly training: readonly string[];
  /** Trials to predict for. */
  readonly candidates: readonly string[];
  readonly uncertainty: boolean;
  readonly solved?: Solution;
  readonly qpuSecondsUsed?: number;
}
export type Task = ProposeTask | TrainTask | PredictTask;
export type Answer<T extends Task = Task> = T extends ProposeTask
  ? Proposal
  : T extends TrainTask
    ? SegmentOutcome
    : PredictionAnswer;

/** What becomes of a trial in a group. `rung`: it came to the rung. */
export type GroupEnd = 'rung' | 'stopped' | 'diverged' | 'failed' | 'unfinished';

/** What the scheduler needs to know of a group that has closed. */
export interface Closing {
  readonly group: string;
  /** One per member, in trial order. */
  readonly ends: readonly GroupEnd[];
  /** Loss at the rung, one per member; null for a trial that has none there. */
  readonly losses: readonly (number | null)[];
  /** The further metrics that the study names, there and with it; absent: it names none. */
  readonly metrics?: readonly (Numbers | null)[];
  /**
   * The configurations drawn, one per member; of a group that draws them and whose checkpoints others may start from.
   * Later ones a scheduler knows, for it made them.
   */
  readonly configs?: readonly Config[];
  readonly epochs: number;
  readonly memory: Memory;
}

/** What a scheduler hands out. `group`: a barrier, answered as a whole; `task`: answered by itself. */
export type Work =
  | { readonly type: 'group'; readonly group: Group; readonly memory: Memory }
  | { readonly type: 'task'; readonly group: Group; readonly task: Task };

/** Every answer is an event, and what an operator did that decides. */
export type Event =
  | { readonly type: 'closed'; readonly closing: Closing }
  | { readonly type: 'answered'; readonly group: string; readonly task: Task; readonly answer: Answer }
  | { readonly type: 'stopped'; readonly by: 'stopped' | 'deadline' };

/** Why a study has ended. `finished`: the plan ran to its end. The others: what ended it early. */
export type Ended = 'finished' | 'epochLimit' | 'target' | 'deadline' | 'stopped';
