/** Rules over more than one key: what the schema alone cannot say. Each names the path, the value seen and the reason. */
import { ashaTrialBound } from '../core/asha.js';
import { largestBracket, mostParallel, planStudy } from '../core/plan.js';
import { mostSobolDimensions } from '../core/sobol.js';
import { gridOf } from '../core/space.js';
import type { AnnealerModel, Limits, Predictor, Scheduler, SearchSpace } from '../core/study.js';
import type { Problem } from './problem.js';
import type { Sections } from './sections.js';
import { spaceProblems, tryFirstProblems } from './space-rules.js';

type Refuse = (path: string, value: unknown, rule: string) => void;

/** Everything that is wrong between the sections that are right by themselves. */
export function crossRules(study: Sections): Problem[] {
  const { space, scheduler, limits, tryFirst } = study;
  const problems: Problem[] = [];
  const refuse: Refuse = (path, value, rule) => void problems.push({ path, value, rule });
  const wrong = (at: string) => problems.some(({ path }) => path === at || path.startsWith(`${at}.`));
  if (space) problems.push(...spaceProblems(space));
  useOfSpace(study, refuse);
  if (scheduler) schedulerRules(scheduler, limits, refuse);
  combinationRules(study, refuse);
  if (scheduler && !wrong('scheduler')) sizeRules(study, scheduler, refuse);
  if (!wrong('space') && !wrong('sampler')) gridRule(study, refuse);
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
    if (sampler?.type === 'grid' || sampler?.type === 'sobol') {
      const rule = 'recorded curves have their own configurations, one a row, which random and tpe can choose from';
      refuse('sampler.type', sampler.type, rule);
    }
    if (tryFirst?.length) refuse('tryFirst', tryFirst.length, 'recorded curves are drawn row by row: leave it out');
  }
  if (sampler?.type === 'sobol' && names.length > mostSobolDimensions) {
    refuse('sampler.type', 'sobol', `has ${mostSobolDimensions} dimensions, the space ${names.length}: take random`);
  }
}

function schedulerRules(scheduler: Scheduler, limits: Limits | undefined, refuse: Refuse): void {
  if (scheduler.type === 'full') return;
  const { maxBudget, minBudget, eta } = scheduler;
  const steps = largestBracket(scheduler);
  if (maxBudget < minBudget) {
    refuse('scheduler.maxBudget', maxBudget, `must be at least minBudget (${minBudget})`);
  } else if (steps === 0) {
    const rule = `must be at least eta * minBudget = ${eta * minBudget}, or there is no rung of eta times the first`;
    refuse('scheduler.maxBudget', maxBudget, rule);
  } else if (scheduler.type === 'hyperband' && scheduler.brackets !== 'all' && scheduler.brackets > steps + 1) {
    const rule = `at most ${steps + 1}: there are no more at R = ${maxBudget}, eta = ${eta}, minBudget = ${minBudget}`;
    refuse('scheduler.brackets', scheduler.brackets, rule);
  }
  const ends = limits && [limits.epochs, limits.deadlineSeconds, limits.target].some((limit) => limit !== undefined);
  const key = scheduler.type === 'hyperband' ? 'iterations' : 'trials';
  const wanted = scheduler.type === 'hyperband' ? scheduler.iterations : scheduler.trials;
  if (wanted === 'untilLimit' && ends === false) {
    refuse(`scheduler.${key}`, wanted, 'needs a limit: limits.epochs, limits.deadlineSeconds or limits.target');
  }
}

/** Combinations of scheduler, sampler and stopping rule that make no sense, and why. */
function combinationRules({ scheduler, sampler, predictor, limits }: Sections, refuse: Refuse): void {
  const together = scheduler?.type === 'hyperband' && scheduler.order === 'together';
  if (together) {
    const { iterations } = scheduler;
    if (iterations === 'untilLimit') {
      refuse('scheduler.iterations', iterations, 'needs brackets one after the other: leave order out');
    }
    if (sampler?.type === 'tpe') {
      const rule =
        'tpe (BOHB) needs brackets one after the other: with brackets together its proposals would depend on timing';
      refuse('scheduler.order', 'together', rule);
    }
    if (limits?.epochs !== undefined || limits?.target !== undefined) {
      const rule =
        'epoch limits and targets need brackets one after the other: with brackets together the outcome would depend on timing';
      refuse('scheduler.order', 'together', rule);
    }
  }
  if (predictor?.type === 'swift' && scheduler?.type === 'full') {
    refuse('predictor', 'swift', 'Swift decides between rungs; full training has none to promote to');
  }
  if (predictor?.type === 'fast' && scheduler?.type === 'asha') {
    const rule = 'Fast-Hyperband trains one trial after the other, ASHA never waits: take swift (Swift-ASHA) or median';
    refuse('predictor', 'fast', rule);
  }
  if (predictor?.type !== 'swift' && predictor?.type !== 'fast') return;
  if (predictor.model.type === 'annealer') annealerRules(predictor.model, predictor.type, together, refuse);
}

function annealerRules(model: AnnealerModel, asker: Predictor['type'], together: boolean, refuse: Refuse): void {
  const accounts = (['maxQpuSeconds', 'maxQpuCost', 'qpuPricePerHour'] as const).filter(
    (key) => model[key] !== undefined
  );
  if (model.solver !== 'dwave') {
    for (const key of accounts) refuse(`predictor.model.${key}`, model[key], 'only solver: dwave uses a QPU');
    return;
  }
  if ((model.maxQpuCost === undefined) !== (model.qpuPricePerHour === undefined)) {
    const rule = 'a limit of cost needs both maxQpuCost and qpuPricePerHour';
    refuse(`predictor.model.${accounts.at(-1)}`, model.maxQpuCost ?? model.qpuPricePerHour, rule);
  }
  if (asker === 'fast') {
    const rule = 'Fast-Hyperband trains hundreds of models, each a QPU problem: take the simulated annealer, or swift';
    refuse('predictor.model.solver', 'dwave', rule);
  }
  if (model.reads > 2000) refuse('predictor.model.reads', model.reads, 'at most 2000 for dwave: answers are kept');
  if (accounts[0] !== undefined && together) {
    const rule = 'brackets together share no account of it: run them one after the other';
    refuse(`predictor.model.${accounts[0]}`, model[accounts[0]], rule);
  }
}

function sizeRules(study: Sections, scheduler: Scheduler, refuse: Refuse): void {
  const { predictor, sampler, limits, parallelism } = study;
  if (parallelism !== undefined && parallelism > mostParallel(scheduler)) {
    refuse('parallelism', parallelism, `at most ${mostParallel(scheduler)} trials at once for ${scheduler.type}`);
  }
  if (scheduler.type === 'asha' && scheduler.trials !== 'untilLimit' && predictor && sampler) {
    const most = ashaTrialBound({ scheduler, predictor, sampler });
    const rule = `at most ${most}: what an ASHA study remembers travels in one message`;
    if (scheduler.trials > most) refuse('scheduler.trials', scheduler.trials, rule);
  }
  const iterations = scheduler.type === 'hyperband' && scheduler.iterations !== 'untilLimit' ? scheduler.iterations : 1;
  // Neither depends on who stops a trial.
  const one = planStudy(scheduler, { type: 'none' }, 1);
  const endless = scheduler.type === 'hyperband' && scheduler.iterations === 'untilLimit';
  if (predictor?.type === 'fast' && scheduler.type !== 'asha' && limits) {
    const values = endless ? (limits.epochs ?? Infinity) : one.epochsFromScratch * iterations;
    const rule =
      'Fast-Hyperband keeps every complete curve, at most 60,000 values: take swift, a smaller R or fewer iterations';
    if (values > 60_000) refuse('predictor', 'fast', endless ? `${rule}, or limits.epochs` : rule);
  }
  const trials = one.trials * iterations;
  if (trials > 100_000) refuse('scheduler', trials, 'at most 100,000 trials a study');
}

function gridRule({ space, sampler }: Sections, refuse: Refuse): void {
  if (!space || sampler?.type !== 'grid' || Object.values(space).includes(null)) return;
  try {
    gridOf(space as SearchSpace, sampler.pointsPerDimension, 1_000_000);
  } catch {
    refuse('sampler', sampler, 'the grid has more than a million points');
  }
}
