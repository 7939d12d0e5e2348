/** Takes up a study from its record: what a scheduler came to there, and what goes on from it. */
import { oneByOne, type KeptGroup } from './engine/material.js';
import type { Exploit, Group, TrainTask } from './engine/work.js';
import { Fold, type Recorded } from './fold.js';
import { canonicalJson } from './record.js';
import type { Json } from './settings.js';
import type { Study } from './study.js';
import type { SegmentOutcome } from './trial.js';

/** Who came to a round, and from which checkpoints they began it. */
export interface EnteredRound extends Pick<Group, 'id' | 'members' | 'from' | 'to'> {
  readonly exploits: readonly Exploit[];
}

export function enteredOf({ id, members, from, to, exploits }: Group): EnteredRound {
  return { id, members, from, to, exploits };
}

/** What is left of a study whose workflows are gone. */
export interface Remains {
  readonly recorded: Recorded;
  /** In the order of the record. */
  readonly closed: readonly KeptGroup[];
  /** Rounds that others led to and that have begun, closed or not. */
  readonly entered: readonly EnteredRound[];
  /** Of a study whose trials come to rungs one by one. */
  readonly log: readonly string[];
  /** Who has ended it early. */
  readonly stop: 'stopped' | 'deadline' | null;
  readonly parallelism: number;
  /** What a trial alone came to that no record has; null where it is on its way still. */
  ended(group: Group, task: TrainTask): SegmentOutcome | null;
}

/** A trial that goes on, and from which epoch. */
export interface GoingOn {
  readonly group: Group;
  readonly task: TrainTask;
}

export interface TakenUp {
  /** The scheduler's state. */
  readonly scheduler: Json;
  readonly halted: boolean;
  /** Groups that are out. */
  readonly open: readonly string[];
  readonly goingOn: readonly GoingOn[];
  /** What follows on the recorded log, and the groups that closed with it. */
  readonly log: readonly string[];
  readonly closed: readonly KeptGroup[];
}

/** @throws RangeError where the record has a gap, or something in it does not follow */
export function takeUp(study: Study, remains: Remains): TakenUp {
  const fold = new Fold(study, remains.recorded);
  const { run } = fold;
  const alone = oneByOne(study);
  if (alone) fold.log(remains.log);
  else fold.rounds(remains.stop);
  requireSame(remains.closed, run.closed);
  requireEntered(remains.entered, [...run.closed, ...fold.open.map(({ group }) => group)]);
  const recorded = run.closed.length;
  if (alone) {
    const stops = remains.log.some((line) => line.startsWith('stop '));
    if (remains.stop !== null && !stops) run.stop(remains.stop);
    fold.settle(remains.parallelism, (group, task) => remains.ended(group, task));
  }
  const trains = fold.open.flatMap(({ group, task }) => (task.type === 'train' ? [{ group, task }] : []));
  const asked = fold.open.find(({ task }) => task.type === 'predict');
  if (alone && asked) {
    throw new RangeError(`the predictor elsewhere was asked about ${asked.group.id}, and its answer is not recorded`);
  }
  return {
    scheduler: run.state,
    halted: run.halted,
    open: alone ? run.open : [],
    goingOn: trains,
    log: alone ? run.log.slice(remains.log.length) : [],
    closed: alone ? run.closed.slice(recorded) : [],
  };
}

/** Every group that the record has closed must follow, and come to what is recorded. */
function requireSame(kept: readonly KeptGroup[], again: readonly KeptGroup[]): void {
  const byId = new Map(again.map((group) => [group.id, group]));
  for (const group of kept) {
    const other = byId.get(group.id);
    if (!other) throw new RangeError(`${group.id} is recorded, and something before it is missing`);
    // What a version of before kept nothing of, this one may say more about; where it says none, it had none.
    const same = covers({ answers: [], exploits: [], ...other }, { answers: [], exploits: [], ...group });
    if (!same) throw new RangeError(`what is recorded of ${group.id} does not follow`);
  }
}

/** A round that has begun must follow, with the trials that came to it: some may have trained there already. */
function requireEntered(
  entered: readonly EnteredRound[],
  again: readonly (Omit<EnteredRound, 'exploits'> & Partial<EnteredRound>)[]
): void {
  const byId = new Map(again.map((group) => [group.id, group]));
  for (const round of entered) {
    const other = byId.get(round.id);
    if (!other) throw new RangeError(`${round.id} has begun, and something before it is missing`);
    if (!covers({ exploits: [], ...other }, round)) {
      throw new RangeError(`the trials that came to ${round.id} do not follow from the rounds before it`);
    }
  }
}

/** Whether `known` says all that `recorded` says, and nothing else about it. */
function covers(known: unknown, recorded: unknown): boolean {
  if (recorded === null || known === null || typeof recorded !== 'object' || typeof known !== 'object') {
    return canonicalJson(known) === canonicalJson(recorded);
  }
  if (Array.isArray(recorded)) {
    return (
      Array.isArray(known) && known.length === recorded.length && recorded.every((one, i) => covers(known[i], one))
    );
  }
  const other = known as Readonly<Record<string, unknown>>;
  return Object.entries(recorded).every(([key, value]) => key in other && covers(other[key], value));
}
