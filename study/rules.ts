/** Rules over more than one key: what the schema alone cannot say. Each names the path, the value seen and the reason. */
import type { Option } from '../core/options.js';
import { namedMetrics } from '../core/metrics.js';
import { prunerOf } from '../core/pruners/index.js';
import { refusals } from '../core/refuse.js';
import { samplerOf, samplers } from '../core/samplers/index.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { maxParallelism, planOf, type SchedulerSettings, type SearchSpace } from '../core/study.js';
import type { Problem } from './problem.js';
import type { Sections } from './sections.js';
import { isMapping } from './short-forms.js';
import { spaceProblems, tryFirstProblems } from './space-rules.js';

type Refuse = (path: string, value: unknown, rule: string) => void;

/** Most trials of one bracket, and of a study: what is above has not been shown to run. */
const maxBracketTrials = 20_000;
const maxStudyTrials = 100_000;
/** Most epochs of a round that trains trial by trial: what it has come to travels in one message. */
const maxRoundEpochs = 60_000;

/**
 * Everything that is wrong between the sections that are right by themselves. `given`: the study as its file says it,
 * before defaults.
 */
export function crossRules(study: Sections, given: Readonly<Record<string, unknown>>): Problem[] {
  const { space, scheduler, tryFirst } = study;
  const problems: Problem[] = [];
  const refuse: Refuse = (path, value, rule) => void problems.push({ path, value, rule });
  const wrong = (at: string) => problems.some(({ path }) => path === at || path.startsWith(`${at}.`));
  if (space) problems.push(...spaceProblems(space));
  useOfSpace(study, refuse);
  problems.push(...refusals(study));
  if (scheduler) ignoredRules(scheduler, study, given, refuse);
  if (scheduler && !wrong('scheduler')) sizeRules(study, scheduler, refuse);
  if (!wrong('space') && !wrong('sampler')) samplerRule(study, refuse);
  if (space && tryFirst && !wrong('tryFirst')) {
    problems.push(...tryFirstProblems(space, tryFirst, (name) => wrong(`space.${name}`)));
  }
  return problems;
}

/** Whether trainer and sampler can do with this space. */
function useOfSpace({ space, trainer, sampler, tryFirst }: Sections, refuse: Refuse): void {
  const names = Object.keys(space ?? {});
  if (trainer && trainer.type !== 'replay') {
    if (space && names.length === 0) refuse('space', space, 'name at least one parameter');
  } else if (trainer) {
    if (names.length > 0) refuse('space', names, 'recorded curves bring their own configurations: leave the space out');
    if (sampler && !samplerOf(sampler).tableDraws) {
      const able = Object.keys(samplers).filter((type) => samplerOf({ type } as typeof sampler).tableDraws);
      const rule = `recorded curves have their own configurations, one a row, which ${able.join(' and ')} can choose from`;
      refuse('sampler.type', sampler.type, rule);
    }
    if (tryFirst?.length) refuse('tryFirst', tryFirst.length, 'recorded curves are drawn row by row: leave it out');
  }
}

/** Keys that the scheduler would not look at; a study that is filled in has them with their defaults. */
function ignoredRules(
  scheduler: SchedulerSettings,
  { sampler, pruner }: Sections,
  given: Readonly<Record<string, unknown>>,
  refuse: Refuse
): void {
  const { ignores = [], title } = schedulerOf(scheduler);
  const options: Readonly<Record<string, Readonly<Record<string, Option>>>> = {
    sampler: sampler ? samplerOf(sampler).options : {},
    pruner: pruner ? prunerOf(pruner).options : {},
  };
  for (const path of ignores) {
    const [section = '', key = ''] = path.split('.');
    const inside = given[section];
    const value = isMapping(inside) ? inside[key] : undefined;
    if (value === undefined || value === options[section]?.[key]?.default) continue;
    refuse(path, value, `has no meaning with ${title}: leave it out`);
  }
}

function sizeRules({ pruner, parallelism, objective }: Sections, scheduler: SchedulerSettings, refuse: Refuse): void {
  /** What every epoch and every result has. */
  const numbers = 1 + (pruner && objective ? namedMetrics({ objective, pruner }).length : 0);
  const most = maxParallelism({ scheduler });
  if (parallelism !== undefined && parallelism > most) {
    refuse(
      'parallelism',
      parallelism,
      `must be at most ${most}, the largest number of trials that ${scheduler.type} trains at once`
    );
  }
  // The table does not depend on who stops a trial.
  const plan = planOf({ scheduler, pruner: { type: 'none' } });
  const { brackets, trials, endless, step } = plan.table(1);
  const iterations = plan.iterations === Infinity ? 1 : plan.iterations;
  if (pruner && prunerOf(pruner).onePerRound) {
    const rounds = brackets.flatMap((bracket) => bracket.rounds);
    const epochs = Math.max(...rounds.map((round) => round.trials * (round.to - round.from)));
    const fit = Math.floor(maxRoundEpochs / numbers);
    if (epochs > fit) {
      const rule = `makes a round of ${inWords(epochs)} epochs that trains trial by trial, and at most ${inWords(fit)} epochs fit into one message: take a pruner with one decision point in each round, or a smaller R`;
      refuse('pruner', pruner.type, rule);
    }
  }
  const [largest] = [...brackets].sort((a, b) => b.trials - a.trials);
  const rankable = Math.floor(maxBracketTrials / numbers);
  if (step === 'round' && largest && largest.trials > rankable) {
    const rule = `bracket ${largest.id} has ${inWords(largest.trials)} trials, and a bracket may have at most ${inWords(rankable)}, for they are ranked together`;
    refuse('scheduler', largest.trials, rule);
  }
  const all = trials * iterations;
  if (!endless && all > maxStudyTrials) {
    refuse(
      'scheduler',
      all,
      `the study has ${inWords(all)} trials, and a study may have at most ${inWords(maxStudyTrials)}`
    );
  }
}

function inWords(count: number): string {
  return count.toLocaleString('en');
}

function samplerRule({ space, sampler }: Sections, refuse: Refuse): void {
  if (!space || !sampler || Object.values(space).includes(null)) return;
  const rule = samplerOf(sampler).refuseSpace?.(sampler, space as SearchSpace) ?? null;
  if (rule !== null) refuse('sampler', sampler.type, rule);
}
