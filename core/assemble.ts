/** Puts the canonical record together from what was proposed, what each closed group came to, and the log. */
import { cut, epochAt, GrowingCurve, numbersAt } from './curve.js';
import { better, resultOf } from './engine/best.js';
import { merged, type Decision } from './engine/decision.js';
import { parseEntry } from './engine/log.js';
import { oneByOne, type KeptGroup, type Material } from './engine/material.js';
import type { BracketPlan, StudyPlan } from './engine/plan.js';
import { epochsOf, type Outcome } from './engine/trial-run.js';
import type { Best } from './engine/scheduler.js';
import type { Ended } from './engine/work.js';
import { modeOf } from './objectives/index.js';
import { digestsOf, recordFormat, type BracketRecord, type DecisionRecord, type RoundRecord } from './record.js';
import type { ExploitRecord, StudyRecord, StudyResult, TrialRecord } from './record.js';
import { scheduleOf } from './schedule.js';
import { schedulerOf } from './schedulers/index.js';
import { planOf, type Study } from './study.js';
import { trialId, type Fate, type Trial } from './trial.js';

/** `ended` null: the study still runs, and what is not closed yet counts as unfinished. */
export function assembleRecord(study: Study, material: Material, ended: Ended | null): StudyRecord {
  const started = startedOf(material);
  const trialsBy = new Map<string, Trial[]>();
  for (const { trials } of material.proposals) {
    for (const trial of trials) {
      // Drawn with others in a block, and never started.
      if (started && !started.has(`${trial.id}-r0`)) continue;
      const own = trialsBy.get(trial.bracket) ?? [];
      own.push(trial);
      trialsBy.set(trial.bracket, own);
    }
  }
  const plan = planFor(study, trialsBy);
  const groupsBy = groupedBy(material.closed);
  const lastBy = lastOutcomes(material.closed);
  const lineages = lineagesOf(material.closed);
  const brackets: BracketRecord[] = [];
  const trials: TrialRecord[] = [];
  let best: Best | null = null;
  for (const bracket of plan.brackets) {
    const own = trialsBy.get(bracket.id);
    if (!own) continue;
    const rounds = roundsOf(study, bracket, groupsBy, material, started);
    brackets.push({ id: bracket.id, iteration: bracket.iteration, s: bracket.s, rounds });
    for (const round of rounds) {
      const first = round.ranking[0];
      const outcome = first && lastBy.get(first.trial)?.find((one) => one.round === round.index)?.outcome;
      const metrics = outcome && numbersAt(outcome, outcome.values.length - 1);
      if (first) best = better(study.objective, best, { ...first, budget: round.to, ...(metrics ? { metrics } : {}) });
    }
    const promoted = rounds.map((round) => new Set(round.promoted));
    for (const trial of own.sort((a, b) => a.index - b.index)) {
      const plain = trialRecord(trial, lastBy.get(trial.id) ?? [], promoted, bracket.rounds.length);
      const lineage = lineages.get(trial.id);
      const record = lineage ? { ...plain, lineage } : plain;
      // Whoever is outranked in a study without barriers may still be promoted while it runs.
      const open = ended === null && oneByOne(study) && record.fate === 'outranked';
      trials.push(open ? { ...record, fate: 'unfinished' } : record);
    }
  }
  const byId = new Map(trials.map((trial) => [trial.id, trial]));
  const schedule = best && byId.has(best.trial) ? scheduleOf(byId, best.trial, best.budget) : [];
  const fates: Record<Fate, number> = { completed: 0, outranked: 0, stopped: 0, diverged: 0, failed: 0, unfinished: 0 };
  for (const trial of trials) fates[trial.fate]++;
  const rounds = brackets.flatMap((bracket) => bracket.rounds);
  const { proposals } = material;
  const result: StudyResult = {
    ended: ended ?? 'open',
    best: best && {
      ...best,
      config: schedule.at(-1)?.config ?? {},
      ...(schedule.length > 1 ? { schedule } : {}),
      reachedMaxBudget: best.budget === study.scheduler.maxBudget,
    },
    trials: trials.length,
    epochs: rounds.reduce((sum, round) => sum + round.epochs, 0),
    plannedEpochs: plan.epochs,
    fates,
    predictorsTrained: rounds.reduce((sum, round) => sum + (round.decision?.predictorsTrained ?? 0), 0),
    duplicatesAvoided: proposals.reduce((sum, proposal) => sum + proposal.duplicatesAvoided, 0),
    duplicatesKept: proposals.reduce((sum, proposal) => sum + proposal.duplicatesKept, 0),
  };
  const { seed, objective, space, sampler, scheduler, pruner, limits, tryFirst } = study;
  const record = {
    format: recordFormat,
    study: study.name,
    ...{ seed, objective, space, sampler, scheduler, pruner, limits, tryFirst },
    ...{ brackets, trials, log: material.log, result },
  } as const;
  return { ...record, digests: digestsOf(record) };
}

/** Groups of trials alone that were started; null for a study of rounds. */
function startedOf({ log }: Material): ReadonlySet<string> | null {
  const started = log.flatMap((line) => {
    const { type, of } = parseEntry(line);
    return type === 'start' ? [of] : [];
  });
  return started.length > 0 ? new Set(started) : null;
}

/** The table of the study; as large as the study has become where only a limit ends it. */
function planFor(study: Study, trialsBy: ReadonlyMap<string, readonly Trial[]>): StudyPlan {
  const plan = planOf(study);
  if (!plan.table().endless) return plan.table();
  const definition = schedulerOf(study.scheduler);
  const trials = [...trialsBy.values()].reduce((sum, own) => sum + own.length, 0);
  const iterations = Math.max(1, Math.ceil(trialsBy.size / plan.first.length));
  const bounded = definition.bounded?.(study.scheduler, { trials, iterations }) ?? study.scheduler;
  return planOf({ ...study, scheduler: bounded }).table();
}

function groupedBy(closed: readonly KeptGroup[]): ReadonlyMap<string, readonly KeptGroup[]> {
  const groups = new Map<string, KeptGroup[]>();
  for (const group of closed) {
    const key = `${group.bracket} ${group.round}`;
    const own = groups.get(key) ?? [];
    own.push(group);
    groups.set(key, own);
  }
  return groups;
}

function lastOutcomes(closed: readonly KeptGroup[]): ReadonlyMap<string, { round: number; outcome: Outcome }[]> {
  const outcomes = new Map<string, { round: number; outcome: Outcome }[]>();
  for (const { round, outcomes: own } of closed) {
    for (const outcome of own) {
      const all = outcomes.get(outcome.id) ?? [];
      all.push({ round, outcome });
      outcomes.set(outcome.id, all);
    }
  }
  for (const all of outcomes.values()) all.sort((a, b) => a.round - b.round);
  return outcomes;
}

/** Exploits by trial, in order; those of trials that have none are absent. */
function lineagesOf(closed: readonly KeptGroup[]): ReadonlyMap<string, readonly ExploitRecord[]> {
  const lineages = new Map<string, ExploitRecord[]>();
  for (const { bracket, from, exploits = [] } of [...closed].sort((a, b) => a.round - b.round)) {
    for (const { trial, donor, epoch, config } of exploits) {
      const id = trialId(bracket, trial);
      const lineage = lineages.get(id) ?? [];
      const other = epoch === from ? {} : { donorEpoch: epoch };
      lineage.push({ epoch: from, donor: trialId(bracket, donor), ...other, config });
      lineages.set(id, lineage);
    }
  }
  return lineages;
}

function roundsOf(
  study: Study,
  bracket: BracketPlan,
  groupsBy: ReadonlyMap<string, readonly KeptGroup[]>,
  material: Material,
  started: ReadonlySet<string> | null
): RoundRecord[] {
  const mode = modeOf(study.objective);
  const { keepsAll } = planOf(study);
  const wentOn = ({ id, end }: Outcome, round: number) =>
    started?.has(`${id}-r${round + 1}`) || (keepsAll && end === 'rung' && round < bracket.rounds.length - 1);
  const rounds = bracket.rounds.map((round): RoundRecord => {
    const groups = groupsBy.get(`${bracket.id} ${round.index}`) ?? [];
    const outcomes = groups.flatMap((group) => group.outcomes).sort((a, b) => a.index - b.index);
    const ranking = outcomes
      .flatMap((outcome) => {
        const last = outcome.end === 'rung' ? epochAt(outcome, outcome.values.length - 1) : null;
        if (last === null) return [];
        const { id: trial, index } = outcome;
        return [{ trial, index, value: last.value, result: resultOf(study.objective, last) }];
      })
      .sort((a, b) => mode.compare(a.result, b.result) || a.index - b.index)
      .map(({ trial, value }) => ({ trial, value }));
    const promoted = started
      ? outcomes.filter((outcome) => wentOn(outcome, round.index)).map(({ id }) => id)
      : groups.flatMap(({ id }) => (material.promotions.get(id) ?? []).map((index) => trialId(bracket.id, index)));
    const decision = started ? merged(groups.map((group) => group.decision)) : (groups[0]?.decision ?? null);
    const answers = groups.flatMap(({ id, answers: own }) => (own ? [[id, own] as const] : []));
    return {
      bracket: bracket.id,
      index: round.index,
      from: round.from,
      to: round.to,
      trials: outcomes.map(({ id }) => id),
      ranking,
      promoted,
      decision: decision && decisionRecord(decision, (loss) => (loss === null ? null : mode.value(loss))),
      ...(answers.length > 0 ? { answers: Object.fromEntries(answers) } : {}),
      epochs: outcomes.reduce((sum, outcome) => sum + epochsOf(outcome), 0),
    };
  });
  const last = rounds.findLastIndex(({ trials }) => trials.length > 0);
  return rounds.slice(0, last + 1);
}

/** A decision in values of the metric. */
function decisionRecord(decision: Decision, valueOf: (loss: number | null) => number | null): DecisionRecord {
  return {
    ...decision,
    threshold: valueOf(decision.threshold),
    predictions: decision.predictions.map(({ threshold, ...verdict }) => ({
      ...verdict,
      predicted: valueOf(verdict.predicted),
      ...(threshold === undefined ? {} : { threshold: valueOf(threshold) as number }),
    })),
  };
}

function trialRecord(
  trial: Trial,
  outcomes: readonly { readonly round: number; readonly outcome: Outcome }[],
  promoted: readonly ReadonlySet<string>[],
  planned: number
): TrialRecord {
  const whole = new GrowingCurve();
  for (const { outcome } of outcomes) whole.add(outcome);
  const curve = cut(whole, 0);
  const last = outcomes.at(-1);
  const fate = last ? fateOf(last.outcome, last.round, promoted, planned) : 'unfinished';
  return {
    id: trial.id,
    bracket: trial.bracket,
    index: trial.index,
    config: trial.config,
    seed: trial.seed,
    ...curve,
    fate,
    ...(last?.outcome.end === 'diverged' ? { divergedAt: curve.values.length + 1 } : {}),
    ...(last?.outcome.nonFinite === undefined ? {} : { nonFinite: last.outcome.nonFinite }),
    ...(last?.outcome.reason === undefined ? {} : { reason: last.outcome.reason }),
  };
}

/** How a trial stands after its last round: promoted ones are unfinished until their next round closes. */
function fateOf(outcome: Outcome, round: number, promoted: readonly ReadonlySet<string>[], planned: number): Fate {
  if (outcome.end !== 'rung') return outcome.end;
  if (round === planned - 1) return 'completed';
  return promoted[round]?.has(outcome.id) ? 'unfinished' : 'outranked';
}
