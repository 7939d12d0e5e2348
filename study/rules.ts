/** Rules over more than one key: what the schema alone cannot say. Each names the path, the value seen and the reason. */
import { ashaTrialBound } from '../core/asha.js';
import { largestBracket, mostParallel, planStudy } from '../core/plan.js';
import { mostSobolDimensions } from '../core/sobol.js';
import { checkConfig, gridOf } from '../core/space.js';
import type { Study } from '../core/study.js';
import type { Problem } from './problem.js';

type Refuse = (path: string, value: unknown, rule: string) => void;

/** Everything that is wrong with a study whose keys are right, one by one. */
export function crossRules(study: Study): Problem[] {
  const problems: Problem[] = [];
  const refuse: Refuse = (path, value, rule) => void problems.push({ path, value, rule });
  spaceRules(study, refuse);
  // What follows counts on a sound space.
  if (problems.length > 0) return problems;
  schedulerRules(study, refuse);
  combinationRules(study, refuse);
  if (problems.length === 0) sizeRules(study, refuse);
  study.tryFirst.forEach((config, i) => {
    for (const problem of checkConfig(study.space, config)) refuse(`tryFirst.${i}`, config, problem);
  });
  return problems;
}

function spaceRules({ space, trainer, sampler, tryFirst }: Study, refuse: Refuse): void {
  const names = Object.keys(space);
  for (const [name, parameter] of Object.entries(space)) {
    const at = `space.${name}`;
    if (parameter.type === 'float' || parameter.type === 'int') {
      if (parameter.low > parameter.high) refuse(at, [parameter.low, parameter.high], 'low must not exceed high');
      if (parameter.log && parameter.low <= 0) refuse(`${at}.low`, parameter.low, 'must be above 0 with log: true');
    }
    if (parameter.when && names.indexOf(parameter.when.parameter) >= names.indexOf(name)) {
      refuse(`${at}.when.parameter`, parameter.when.parameter, 'must name a parameter further up');
    } else if (parameter.when && !names.includes(parameter.when.parameter)) {
      refuse(`${at}.when.parameter`, parameter.when.parameter, `no such parameter; there are ${names.join(', ')}`);
    }
  }
  if (trainer.type !== 'replay') {
    if (names.length === 0) refuse('space', space, 'name at least one parameter');
  } else {
    if (names.length > 0) refuse('space', names, 'recorded curves bring their own configurations: leave the space out');
    if (sampler.type === 'grid' || sampler.type === 'sobol') {
      const rule = 'recorded curves have their own configurations, one a row, which random and tpe can choose from';
      refuse('sampler.type', sampler.type, rule);
    }
    if (tryFirst.length > 0) refuse('tryFirst', tryFirst.length, 'recorded curves are drawn row by row: leave it out');
  }
  if (sampler.type === 'sobol' && names.length > mostSobolDimensions) {
    refuse('sampler.type', 'sobol', `has ${mostSobolDimensions} dimensions, the space ${names.length}: take random`);
  }
}

function schedulerRules({ scheduler, limits }: Study, refuse: Refuse): void {
  if (scheduler.type === 'full') return;
  const { maxBudget, minBudget } = scheduler;
  const unlimited = limits.epochs === undefined && limits.deadlineSeconds === undefined && limits.target === undefined;
  const needsLimit = 'needs a limit: limits.epochs, limits.deadlineSeconds or limits.target';
  if (maxBudget < minBudget) {
    refuse('scheduler.maxBudget', maxBudget, `must be at least minBudget (${minBudget})`);
    return;
  }
  switch (scheduler.type) {
    case 'hyperband':
      if (largestBracket(scheduler) === 0) {
        const least = scheduler.eta * minBudget;
        const rule = `must be at least eta * minBudget = ${least}, or there is but one rung`;
        refuse('scheduler.maxBudget', maxBudget, rule);
      }
      if (scheduler.iterations === 'untilLimit' && unlimited) refuse('scheduler.iterations', 'untilLimit', needsLimit);
      return;
    case 'asha':
      if (maxBudget === minBudget) {
        refuse(
          'scheduler.maxBudget',
          maxBudget,
          `must exceed minBudget (${minBudget}), or there is nothing to promote to`
        );
      }
      if (scheduler.trials === 'untilLimit' && unlimited) refuse('scheduler.trials', 'untilLimit', needsLimit);
      return;
    case 'successiveHalving':
      return;
  }
}

/** Combinations of scheduler, sampler and stopping rule that make no sense, and why. */
function combinationRules({ scheduler, sampler, predictor, limits }: Study, refuse: Refuse): void {
  const together = scheduler.type === 'hyperband' && scheduler.order === 'together';
  if (together) {
    const { iterations } = scheduler;
    if (iterations === 'untilLimit') {
      refuse('scheduler.iterations', iterations, 'needs brackets one after the other: leave order out');
    }
    if (sampler.type === 'tpe') {
      const rule =
        'tpe (BOHB) needs brackets one after the other: with brackets together its proposals would depend on timing';
      refuse('scheduler.order', 'together', rule);
    }
    if (limits.epochs !== undefined || limits.target !== undefined) {
      const rule =
        'epoch limits and targets need brackets one after the other: with brackets together the outcome would depend on timing';
      refuse('scheduler.order', 'together', rule);
    }
  }
  if (predictor.type === 'swift' && scheduler.type === 'full') {
    refuse('predictor', 'swift', 'Swift decides between rungs; full training has none to promote to');
  }
  if (predictor.type === 'fast' && scheduler.type === 'asha') {
    const rule = 'Fast-Hyperband trains one trial after the other, ASHA never waits: take swift (Swift-ASHA) or median';
    refuse('predictor', 'fast', rule);
  }
  if (predictor.type !== 'swift' && predictor.type !== 'fast') return;
  const { model } = predictor;
  if (model.type !== 'annealer') return;
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
  if (predictor.type === 'fast') {
    const rule = 'Fast-Hyperband trains hundreds of models, each a QPU problem: take the simulated annealer, or swift';
    refuse('predictor.model.solver', 'dwave', rule);
  }
  if (model.reads > 2000) refuse('predictor.model.reads', model.reads, 'at most 2000 for dwave: answers are kept');
  if (accounts[0] !== undefined && together) {
    const rule = 'brackets together share no account of it: run them one after the other';
    refuse(`predictor.model.${accounts[0]}`, model[accounts[0]], rule);
  }
}

function sizeRules({ scheduler, predictor, sampler, space, limits, parallelism }: Study, refuse: Refuse): void {
  if (parallelism > mostParallel(scheduler)) {
    refuse('parallelism', parallelism, `at most ${mostParallel(scheduler)} trials at once for ${scheduler.type}`);
  }
  if (scheduler.type === 'asha' && scheduler.trials !== 'untilLimit') {
    const most = ashaTrialBound({ scheduler, predictor, sampler });
    const rule = `at most ${most}: what an ASHA study remembers travels in one message`;
    if (scheduler.trials > most) refuse('scheduler.trials', scheduler.trials, rule);
  }
  const iterations = scheduler.type === 'hyperband' && scheduler.iterations !== 'untilLimit' ? scheduler.iterations : 1;
  if (predictor.type === 'fast') {
    const one = planStudy(scheduler, predictor, 1).epochsFromScratch;
    const endless = scheduler.type === 'hyperband' && scheduler.iterations === 'untilLimit';
    const values = endless ? (limits.epochs ?? Infinity) : one * iterations;
    const rule =
      'Fast-Hyperband keeps every complete curve, at most 60,000 values: take swift, a smaller R or fewer iterations';
    if (values > 60_000) refuse('predictor', 'fast', endless ? `${rule}, or limits.epochs` : rule);
  }
  const trials = planStudy(scheduler, predictor, 1).trials * iterations;
  if (trials > 100_000) refuse('scheduler', trials, 'at most 100,000 trials a study');
  if (sampler.type !== 'grid') return;
  try {
    gridOf(space, sampler.pointsPerDimension, 1_000_000);
  } catch {
    refuse('sampler', sampler, 'the grid has more than a million points');
  }
}
