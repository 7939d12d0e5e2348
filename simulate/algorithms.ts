/** Algorithms by name, as the command line has them: each is a study over the same curves. */
import { largestBracket } from '../core/engine/plan.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { planOf, type Objective, type Study } from '../core/study.js';
import { nearest } from '../study/nearest.js';
import { parseStudy } from '../study/parse.js';

/** What all algorithms of a comparison share. */
export interface Setting {
  readonly objective: Objective;
  /** R */
  readonly maxBudget: number;
  readonly eta: number;
  /** The file the curves come from; nothing reads it here. */
  readonly file: string;
  /** An earlier study whose own settings `study` stands for. */
  readonly study?: Study | undefined;
  /** Why there is no `study`. */
  readonly withoutStudy?: string | undefined;
}

/** Scheduler, sampler and pruner, in the form of a study file. */
interface Choice {
  readonly scheduler: object;
  readonly sampler?: object;
  readonly pruner?: object;
  readonly limits?: object;
}

interface Algorithm {
  readonly describe: string;
  /** Settings that may follow the name: `swift:d=5:k=1`. */
  readonly settings: readonly (keyof typeof settingKeys)[];
  choose(at: Point): Choice;
}

/** R, eta and the epochs and trials of one Hyperband iteration there. */
interface Point {
  readonly R: number;
  readonly eta: number;
  readonly epochs: number;
  readonly trials: number;
  /** What was given after the name, by key of a study file. */
  readonly given: Readonly<Record<string, number | string>>;
}

/** Short name of a setting to its key in a study file. */
const settingKeys = {
  eta: 'eta',
  brackets: 'brackets',
  r: 'minBudget',
  trials: 'trials',
  d: 'minCurves',
  k: 'completeShare',
  c: 'decisionPoint',
  confidence: 'confidence',
  predictor: 'predictor',
  wave: 'wave',
  reads: 'reads',
  sweeps: 'sweeps',
} as const;

const hyperband = ({ R, eta, given }: Point) => {
  return { type: 'hyperband', R, eta, ...pick(given, ['brackets', 'minBudget']) };
};
const stopping = ({ given }: Point) => pick(given, ['minCurves', 'completeShare', 'decisionPoint', 'confidence']);
const asha = ({ R, eta, epochs, given }: Point): Pick<Choice, 'scheduler' | 'limits'> => {
  const { trials } = given;
  return {
    scheduler: { type: 'asha', R, eta, trials: trials ?? 'untilLimit', ...pick(given, ['minBudget']) },
    ...(trials === undefined ? { limits: { epochs } } : {}),
  };
};
const predictor = ({ given }: Point) => pick(given, ['predictor']);

const table = {
  full: {
    describe: 'every configuration Hyperband starts, trained to R',
    settings: ['eta', 'trials'],
    choose: ({ R, trials, given }) => ({ scheduler: { type: 'full', R, trials: given['trials'] ?? trials } }),
  },
  random: {
    describe: 'as many configurations trained to R as the epochs of Hyperband pay for',
    settings: ['eta'],
    choose: ({ R, epochs }) => ({ scheduler: { type: 'full', R, trials: Math.max(1, Math.floor(epochs / R)) } }),
  },
  'successive-halving': {
    describe: 'one bracket from r epochs up, of the size that leaves one trial at R',
    settings: ['eta', 'trials', 'r'],
    choose: ({ R, eta, given }) => {
      const minBudget = Number(given['minBudget'] ?? 1);
      const trials = given['trials'] ?? eta ** largestBracket({ maxBudget: R, eta, minBudget });
      return { scheduler: { type: 'successiveHalving', R, eta, minBudget, trials } };
    },
  },
  hyperband: {
    describe: 'all brackets, or the most aggressive ones',
    settings: ['eta', 'brackets', 'r'],
    choose: (at) => ({ scheduler: hyperband(at) }),
  },
  median: {
    describe: 'Hyperband with the median rule half-way between two rungs',
    settings: ['eta', 'brackets', 'r', 'c'],
    choose: (at) => ({ scheduler: hyperband(at), pruner: { type: 'median', ...stopping(at) } }),
  },
  fast: {
    describe: 'Fast-Hyperband: every epoch a decision point, trials one after the other',
    settings: ['eta', 'brackets', 'r', 'd', 'k', 'confidence', 'predictor'],
    choose: (at) => ({ scheduler: hyperband(at), pruner: { type: 'fast', ...predictor(at), ...stopping(at) } }),
  },
  swift: {
    describe: 'Swift-Hyperband: one decision point a round',
    settings: ['eta', 'brackets', 'r', 'd', 'k', 'c', 'predictor'],
    choose: (at) => ({ scheduler: hyperband(at), pruner: { type: 'swift', ...predictor(at), ...stopping(at) } }),
  },
  'quantum-swift': {
    describe: 'Swift-Hyperband with the simulated annealer as its predictor',
    settings: ['eta', 'brackets', 'r', 'd', 'k', 'c', 'reads', 'sweeps'],
    choose: (at) => {
      const annealer = { type: 'annealer', ...pick(at.given, ['reads', 'sweeps']) };
      return { scheduler: hyperband(at), pruner: { type: 'swift', predictor: annealer, ...stopping(at) } };
    },
  },
  asha: {
    describe: 'asynchronous successive halving, with the epochs of Hyperband',
    settings: ['eta', 'trials', 'r'],
    choose: (at) => asha(at),
  },
  'swift-asha': {
    describe: 'ASHA that asks about promoted trials half-way to their next rung',
    settings: ['eta', 'trials', 'r', 'd', 'c', 'predictor'],
    choose: (at) => ({ ...asha(at), pruner: { type: 'swift', ...predictor(at), ...stopping(at) } }),
  },
  bohb: {
    describe: "Hyperband with BOHB's sampler; on recorded curves it draws unused rows",
    settings: ['eta', 'brackets', 'r', 'wave'],
    choose: (at) => ({ scheduler: hyperband(at), sampler: { type: 'tpe', ...pick(at.given, ['wave']) } }),
  },
} satisfies Record<string, Algorithm>;

export const algorithms: Readonly<Record<string, Algorithm>> = table;
export const algorithmNames = Object.keys(table);

/** Name and its settings, e.g. `swift:d=5:k=1`; also `study`, the settings of the study the curves came with. */
export type AlgorithmName = string;

/**
 * The study that `name` stands for.
 *
 * @throws RangeError for an unknown algorithm or setting, or a combination that no study may have
 */
export function studyOf(name: AlgorithmName, setting: Setting): Study {
  const [word = '', ...more] = name.split(':');
  if (word === 'study' && setting.study) {
    if (more.length > 0) throw new RangeError(`${name}: the study has the settings of its file`);
    return setting.study;
  }
  const algorithm = algorithms[word];
  if (!algorithm) {
    const known = [...algorithmNames, ...(setting.study ? ['study'] : [])];
    const meant = nearest(word, known);
    if (word === 'study')
      throw new RangeError(`there is no "study": ${setting.withoutStudy ?? 'the curves are those of no study file'}`);
    const hint = meant ? `; did you mean ${meant}?` : '.';
    throw new RangeError(`no algorithm is called "${word}"${hint} There are ${known.join(', ')}.`);
  }
  const given: Record<string, number | string> = {};
  for (const one of more) {
    const [key = '', value = ''] = one.split('=');
    if (key === 'model') throw new RangeError(`${name}: model is called predictor now: write predictor=${value}`);
    if (!(algorithm.settings as readonly string[]).includes(key) || value === '')
      throw new RangeError(`${name}: "${one}" is no setting; ${word} has ${algorithm.settings.join(', ')}`);
    given[settingKeys[key as keyof typeof settingKeys]] = Number.isFinite(Number(value)) ? Number(value) : value;
  }
  const eta = Number(given['eta'] ?? setting.eta);
  const one = yardstick(setting.maxBudget, eta);
  const choice: Choice = algorithm.choose({ R: setting.maxBudget, eta, ...one, given });
  const { metric, mode } = setting.objective;
  const parsed = parseStudy(
    {
      name: 'simulated',
      objective: { metric, mode },
      trainer: { replay: setting.file, columns: '-' },
      ...choice,
    },
    { baseDir: '.', checkFiles: false }
  );
  if (parsed.ok) return parsed.study;
  const rules = parsed.problems.map((problem) => `${problem.path}: ${problem.rule}`);
  throw new RangeError(`${name}: ${rules.join('; ')}`);
}

/** Epochs and trials of one Hyperband iteration with (R, eta): what all others are measured by. */
export function yardstick(maxBudget: number, eta: number): { readonly epochs: number; readonly trials: number } {
  const scheduler = {
    type: 'hyperband',
    maxBudget,
    eta,
    minBudget: 1,
    brackets: 'all',
    bracketFormula: 'ceil',
    order: 'sequential',
    iterations: 1,
  } as const;
  return planOf({ scheduler, pruner: { type: 'none' } }).table();
}

/** The study repeated until at least `epochs` are spent, or null when its scheduler ends by itself. */
export function endless(study: Study, epochs: number): Study | null {
  const { scheduler } = study;
  const longer = schedulerOf(scheduler).endlessly?.(scheduler, epochs);
  if (!longer) return null;
  const bounded = planOf({ ...study, scheduler: longer }).table(1).endless;
  // Room for the last round: one that would exceed the limit does not start.
  const limits = { epochs: 3 * epochs + planOf(study).table(1).epochs };
  return { ...study, limits: bounded ? limits : {}, scheduler: longer };
}

function pick(from: Point['given'], keys: readonly string[]): Record<string, number | string> {
  return Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])));
}
