/** What a study's record is put together from. */
import { schedulerOf } from '../schedulers/index.js';
import type { Config, Study } from '../study.js';
import type { PredictionAnswer } from '../predictors/request.js';
import { createScheduler } from './create.js';
import type { Decision } from './decision.js';
import { epochAt } from '../curve.js';
import { resultOf } from './best.js';
import { closingResults, configsDrawn } from './group-run.js';
import { logEntry } from './log.js';
import { emptyMemory } from './memory.js';
import type { Proposal } from './propose.js';
import { epochsOf, type Outcome } from './trial-run.js';
import type { Closing, Ended, Exploit, Group } from './work.js';

/** What is kept of a closed group. */
export interface KeptGroup extends Pick<Group, 'id' | 'bracket' | 'round' | 'members' | 'from' | 'to'> {
  /** In trial order. */
  readonly outcomes: readonly Outcome[];
  readonly decision: Decision | null;
  readonly answers?: readonly PredictionAnswer[];
  /** Members that began it from another trial's checkpoint; absent: none. */
  readonly exploits?: readonly Exploit[];
}

export interface Material {
  readonly proposals: readonly Proposal[];
  /** In the order they closed. */
  readonly closed: readonly KeptGroup[];
  /** Group to who goes on after it. */
  readonly promotions: ReadonlyMap<string, readonly number[]>;
  readonly log: readonly string[];
}

/** Closed rounds told to the study's scheduler again: in what order they can have closed, and who went on. */
export function foldRounds(
  study: Study,
  kept: readonly KeptGroup[],
  ended: Ended | null,
  proposals: readonly Proposal[]
): Pick<Material, 'closed' | 'promotions' | 'log'> {
  const scheduler = createScheduler(study, null);
  const byId = new Map(kept.map((group) => [group.id, group]));
  const promotions = new Map<string, readonly number[]>();
  const closed: KeptGroup[] = [];
  const log: string[] = [];
  const interrupted: KeptGroup[] = [];
  const holding = new Set<string>();
  const close = (group: KeptGroup) => {
    closed.push(group);
    log.push(logEntry.close(group.id));
    const configs = holding.has(group.id) ? configsDrawn(group, configsOf(group.bracket, proposals)) : {};
    const { promotion } = scheduler.tell({ type: 'closed', closing: { ...closingOf(study, group), ...configs } });
    if (promotion) promotions.set(promotion.group, promotion.promoted);
  };
  for (let more = true; more;) {
    more = false;
    for (const { group } of scheduler.next(Infinity)) {
      const known = byId.get(group.id);
      if (!known) continue;
      if (group.draws && group.holds) holding.add(group.id);
      // What an operator ended comes after everything that closed by itself.
      if (known.outcomes.some(({ end }) => end === 'unfinished')) interrupted.push(known);
      else {
        close(known);
        more = true;
      }
    }
  }
  if (ended === 'stopped' || ended === 'deadline') {
    log.push(logEntry.stop(ended));
    scheduler.tell({ type: 'stopped', by: ended });
  }
  for (const group of interrupted) close(group);
  return { closed, promotions, log };
}

/** What the scheduler is told of a closed round, without what its memory would teach others. */
function closingOf(study: Study, { id, outcomes, from, to }: KeptGroup): Closing {
  return {
    group: id,
    ends: outcomes.map(({ end }) => end),
    ...closingResults(
      outcomes.map((outcome) => {
        const last = outcome.end === 'rung' ? epochAt(outcome, to - from - 1) : null;
        return last && resultOf(study.objective, last);
      })
    ),
    epochs: outcomes.reduce((sum, outcome) => sum + epochsOf(outcome), 0),
    memory: emptyMemory,
  };
}

/** Configurations by index inside the bracket. */
function configsOf(bracket: string, proposals: readonly Proposal[]): ReadonlyMap<number, Config> {
  const trials = proposals.flatMap((proposal) => proposal.trials).filter((trial) => trial.bracket === bracket);
  return new Map(trials.map(({ index, config }) => [index, config]));
}

/** Whether trials of this study come to rungs one by one. */
export function oneByOne({ scheduler }: Pick<Study, 'scheduler'>): boolean {
  return schedulerOf(scheduler).step === 'rung';
}
