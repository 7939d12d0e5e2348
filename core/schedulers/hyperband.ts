/** Hyperband (Li et al. 2017, algorithm 1): a portfolio of successive-halving brackets. */
import { largestBracket, Plan, roundHalfEven } from '../engine/plan.js';
import type { Combination, SchedulerDefinition } from '../engine/scheduler.js';
import { pow } from '../math.js';
import type { Refusal } from '../options.js';
import { eta, maxBudget, minBudget, withoutRungs } from './options.js';
import { Rounds, topOf } from './rounds.js';

export interface HyperbandScheduler {
  readonly type: 'hyperband';
  /** R: most epochs a trial may train. */
  readonly maxBudget: number;
  /** Integer, at least 2. @default 3 */
  readonly eta: number;
  /** r_min: the smallest budget of a rung. @default 1 */
  readonly minBudget: number;
  /** How many brackets, most aggressive first, or all of them. @default "all" */
  readonly brackets: 'all' | number;
  /** Rounding of a bracket's size: ceil gives 143 configurations at R=81, eta=3, floor 128. @default "ceil" */
  readonly bracketFormula: 'ceil' | 'floor';
  /** One after the other (records shared between brackets) or together. @default "sequential" */
  readonly order: 'sequential' | 'together';
  /** How often the whole portfolio runs; "untilLimit" needs a limit. @default 1 */
  readonly iterations: number | 'untilLimit';
}

export const hyperband: SchedulerDefinition<HyperbandScheduler> = {
  title: 'Hyperband',
  step: 'round',
  options: {
    maxBudget,
    eta,
    minBudget,
    brackets: { kind: 'whole', or: 'all', default: 'all', says: 'How many brackets, the most aggressive first.' },
    bracketFormula: {
      kind: 'word',
      of: ['ceil', 'floor'],
      default: 'ceil',
      says: "Rounding of a bracket's size: ceil gives 143 configurations at R=81 and eta=3, floor gives 128.",
    },
    order: {
      kind: 'word',
      of: ['sequential', 'together'],
      default: 'sequential',
      says: 'Whether brackets run one after the other and learn from each other, or at the same time and share nothing.',
    },
    iterations: {
      kind: 'whole',
      or: 'untilLimit',
      default: 1,
      says: 'How often the whole portfolio of brackets runs; "untilLimit" needs a limit.',
    },
  },
  shapes(settings) {
    const { brackets, bracketFormula } = settings;
    const sMax = largestBracket(settings);
    const wanted = brackets === 'all' ? sMax + 1 : Math.min(brackets, sMax + 1);
    return Array.from({ length: wanted }, (_, k) => {
      const s = sMax - k;
      const width = pow(settings.eta, s);
      const trials =
        bracketFormula === 'ceil'
          ? Math.floor(((sMax + 1) * width + s) / (s + 1))
          : Math.floor((sMax + 1) / (s + 1)) * width;
      const rungs = Array.from({ length: s + 1 }, (_, i) =>
        roundHalfEven(settings.maxBudget * pow(settings.eta, i), width)
      );
      return { s, trials, rungs };
    });
  },
  kept: (settings, entered) => Math.max(Math.floor(entered / settings.eta), 1),
  iterations: ({ iterations }) => (iterations === 'untilLimit' ? Infinity : iterations),
  together: ({ order }) => order === 'together',
  planNote: ({ iterations }) =>
    iterations === 'untilLimit' ? 'Hyperband: one iteration is shown; it repeats until a limit ends it' : null,
  endlessly: (settings) => ({ ...settings, iterations: 'untilLimit' }),
  bounded: (settings, { iterations }) => ({ ...settings, iterations }),
  refuse(combination) {
    const { settings } = combination;
    return [...withoutRungs(settings), ...tooManyBrackets(settings), ...togetherRules(combination)];
  },
  create(context, state) {
    const { settings } = context;
    const places = (round: { readonly trials: number }) => hyperband.kept(settings, round.trials);
    return new Rounds(
      {
        context,
        plan: new Plan({ definition: hyperband, settings, pruner: context.study.pruner }),
        together: settings.order === 'together',
        places,
        promote: (closed) => topOf(closed, places(closed.round)),
        holds: false,
      },
      state
    );
  },
};

function tooManyBrackets(settings: HyperbandScheduler): Refusal[] {
  const { brackets, maxBudget: R, eta: base, minBudget: least } = settings;
  const steps = largestBracket(settings);
  if (brackets === 'all' || steps === 0 || brackets <= steps + 1) return [];
  const rule = `at most ${steps + 1}: there are no more at R = ${R}, eta = ${base}, minBudget = ${least}`;
  return [{ path: 'scheduler.brackets', value: brackets, rule }];
}

/** What brackets at the same time cannot be. */
function togetherRules({ settings, sampler, limits }: Combination<HyperbandScheduler>): Refusal[] {
  if (settings.order !== 'together') return [];
  const refusals: Refusal[] = [];
  if (settings.iterations === 'untilLimit') {
    const rule = 'needs brackets one after the other: leave order out';
    refusals.push({ path: 'scheduler.iterations', value: settings.iterations, rule });
  }
  if (sampler?.learns) {
    const rule = `the sampler ${sampler.name} needs brackets one after the other: with brackets together its proposals would depend on timing`;
    refusals.push({ path: 'scheduler.order', value: 'together', rule });
  }
  if (limits?.epochs !== undefined || limits?.target !== undefined) {
    const rule =
      'epoch limits and targets need brackets one after the other: with brackets together the outcome would depend on timing';
    refusals.push({ path: 'scheduler.order', value: 'together', rule });
  }
  return refusals;
}
