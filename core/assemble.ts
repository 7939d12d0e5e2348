/** Puts the canonical record together from what each bracket proposed and each closed round came to. */
import { better, type Best } from './bracket.js';
import { planIteration, planStudy, iterationsOf } from './plan.js';
import type { Proposal } from './propose.js';
import type { BracketRecord, StudyRecord, StudyResult, TrialRecord } from './record.js';
import type { ClosedRound } from './round.js';
import type { RoundOutcome } from './runner.js';
import type { Study } from './study.js';
import type { Fate, Trial } from './trial.js';

export interface BracketMaterial {
  readonly id: string;
  readonly proposal: Proposal;
  /** In order; the values of every round's epochs included. */
  readonly rounds: readonly ClosedRound[];
  /** Asynchronous schedulers: everything that decided, in the order it happened. */
  readonly order?: readonly string[];
}

/** `ended` null: the study still runs, and what is not closed yet counts as unfinished. */
export function assembleRecord(
  study: Study,
  material: readonly BracketMaterial[],
  ended: StudyResult['ended'] | null
): StudyRecord {
  const iterations = iterationsOf(study.scheduler);
  const perIteration = planIteration(study.scheduler, study.predictor, 1).length;
  const seen = Math.max(1, Math.ceil(material.length / perIteration));
  const endless = study.scheduler.type === 'asha' && study.scheduler.trials === 'untilLimit';
  const drawn = material.reduce((sum, { proposal }) => sum + proposal.trials.length, 0);
  const scheduler = endless ? { ...study.scheduler, trials: drawn } : study.scheduler;
  const plan = planStudy(scheduler, study.predictor, iterations === Infinity ? seen : iterations);
  /** Whether a trial that was outranked may still be promoted. */
  const open = study.scheduler.type === 'asha' && ended === null;
  const byId = new Map(material.map((bracket) => [bracket.id, bracket]));
  const brackets: BracketRecord[] = [];
  const trials: TrialRecord[] = [];
  let best: Best | null = null;
  for (const { id, iteration, s, rounds: planned } of plan.brackets) {
    const bracket = byId.get(id);
    if (!bracket) continue;
    const { order } = bracket;
    brackets.push({ id, iteration, s, rounds: bracket.rounds.map(({ record }) => record), ...(order && { order }) });
    for (const { record } of bracket.rounds) {
      const first = record.ranking[0];
      if (first) best = better(study.objective, best, { ...first, budget: record.to });
    }
    for (const trial of bracket.proposal.trials) {
      const record = trialRecord(trial, bracket.rounds, planned.length);
      trials.push(open && record.fate === 'outranked' ? { ...record, fate: 'unfinished' } : record);
    }
  }
  const configs = new Map(trials.map((trial) => [trial.id, trial.config]));
  const fates: Record<Fate, number> = { completed: 0, outranked: 0, stopped: 0, diverged: 0, failed: 0, unfinished: 0 };
  for (const trial of trials) fates[trial.fate]++;
  const proposals = material.map((bracket) => bracket.proposal);
  return {
    format: 'everband-record/1',
    study: study.name,
    seed: study.seed,
    objective: study.objective,
    sampler: study.sampler,
    scheduler: study.scheduler,
    predictor: study.predictor,
    brackets,
    trials,
    result: {
      ended: ended ?? 'stopped',
      best: best && {
        ...best,
        config: configs.get(best.trial) ?? {},
        reachedMaxBudget: best.budget === study.scheduler.maxBudget,
      },
      trials: trials.length,
      epochs: brackets.flatMap((bracket) => bracket.rounds).reduce((sum, round) => sum + round.epochs, 0),
      plannedEpochs: plan.epochs,
      fates,
      modelsTrained: brackets
        .flatMap((bracket) => bracket.rounds)
        .reduce((sum, round) => sum + (round.decision?.modelsTrained ?? 0), 0),
      duplicatesAvoided: proposals.reduce((sum, proposal) => sum + proposal.duplicatesAvoided, 0),
      duplicatesKept: proposals.reduce((sum, proposal) => sum + proposal.duplicatesKept, 0),
    },
  };
}

function trialRecord(trial: Trial, rounds: readonly ClosedRound[], planned: number): TrialRecord {
  const values: number[] = [];
  let fate: Fate = 'unfinished';
  let last: RoundOutcome | undefined;
  for (const round of rounds) {
    const outcome = round.outcomes.find((one) => one.index === trial.index);
    if (!outcome) break;
    last = outcome;
    values.push(...outcome.values);
    fate = fateOf(outcome, round, planned);
  }
  return {
    id: trial.id,
    bracket: trial.bracket,
    index: trial.index,
    config: trial.config,
    seed: trial.seed,
    values,
    fate,
    ...(last?.end === 'diverged' ? { divergedAt: values.length + 1 } : {}),
    ...(last?.nonFinite === undefined ? {} : { nonFinite: last.nonFinite }),
    ...(last?.reason === undefined ? {} : { reason: last.reason }),
  };
}

/** How a trial stands after `round`: promoted ones are unfinished until their next round closes. */
export function fateOf(outcome: RoundOutcome, round: ClosedRound, plannedRounds: number): Fate {
  if (outcome.end !== 'rung') return outcome.end;
  if (round.record.index === plannedRounds - 1) return 'completed';
  return round.record.promoted.includes(outcome.id) ? 'unfinished' : 'outranked';
}
