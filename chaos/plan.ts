/** A round as it was drawn from a seed: studies, and faults with their times. Nothing here depends on where it runs. */
import { stream } from '../core/rng.js';
import { faults, type Kind } from './faults/index.js';
import type { Drawn } from './faults/fault.js';
import { asksElsewhere, drawStudy, oneOf, type StudyPlan } from './studies.js';

interface PlannedFault {
  /** Its number in the round, which stays when others are left out. */
  readonly number: number;
  readonly kind: Kind;
  /** Milliseconds after the studies were started. */
  readonly at: number;
  readonly drawn: Drawn;
}

export interface RoundPlan {
  readonly seed: number;
  readonly round: number;
  readonly studies: readonly StudyPlan[];
  readonly faults: readonly PlannedFault[];
  /** Events of a history after which a workflow goes on in a new run. */
  readonly historyEvents: number;
  readonly orchestrators: number;
}

/** Which part of a round is carried out: numbers of studies and of faults; null: all of them. */
export interface Selection {
  readonly studies: readonly number[] | null;
  readonly faults: readonly number[] | null;
}

/** Milliseconds in which the faults of a round begin. */
const window = 20_000;
const firstAt = 2500;

export function drawRound(seed: number, round: number, kinds: readonly Kind[], studies: number): RoundPlan {
  const random = stream(seed, 'round', round);
  const count = 3 + random.below(5);
  const planned: Omit<PlannedFault, 'number'>[] = [];
  // A kind that was asked for alone has to come, too, where it does not get on with another.
  for (let tries = 0; planned.length < count && tries < 100; tries++) {
    const kind = oneOf(random, kinds);
    const one = { kind, at: firstAt + random.below(window - firstAt), drawn: faults[kind].draw(random) };
    if (planned.every((other) => together(one.kind, other.kind))) planned.push(one);
  }
  planned.sort((a, b) => a.at - b.at);
  const asks = planned.some(({ kind }) => kind.startsWith('predictor-'));
  const drawn = Array.from({ length: studies }, (_, i) => {
    const own = stream(seed, 'study', round, i);
    for (;;) {
      const study = drawStudy(own, `c${i}`);
      // A predictor that lies needs somebody who asks it.
      if (i > 0 || !asks || asksElsewhere(study)) return study;
    }
  });
  return {
    ...{ seed, round, studies: drawn },
    faults: planned.map((fault, number) => ({ number, ...fault })),
    historyEvents: oneOf(random, [60, 150, 1000]),
    orchestrators: 1 + random.below(2),
  };
}

/** Whether two faults may come in one round: each alone is survived, and the two together lose what nobody else has. */
function together(one: Kind, other: Kind): boolean {
  const alone = [one, other].filter((kind) => faults[kind].once);
  if (one === other && alone.length > 0) return false;
  const damages = [one, other].some((kind) => faults[kind].damages);
  const takesUp = [one, other].some((kind) => faults[kind].takesUp);
  return !(damages && takesUp);
}

/** The part of a round that a selection names. @throws Error for a number that it does not have */
export function selected(plan: RoundPlan, { studies, faults: chosen }: Selection): RoundPlan {
  const missing = [
    ...(studies ?? []).filter((i) => plan.studies[i] === undefined).map((i) => `study ${i}`),
    ...(chosen ?? []).filter((i) => plan.faults[i] === undefined).map((i) => `fault ${i}`),
  ];
  if (missing.length > 0) {
    const has = `${plan.studies.length} studies and ${plan.faults.length} faults, counted from 0`;
    throw new Error(`round ${plan.round} of seed ${plan.seed} has no ${missing.join(', ')}: it has ${has}`);
  }
  return {
    ...plan,
    studies: studies ? studies.map((i) => plan.studies[i] as StudyPlan) : plan.studies,
    faults: plan.faults.filter(({ number }) => chosen === null || chosen.includes(number)),
  };
}
