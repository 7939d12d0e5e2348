/**
 * Quantum-trained support vector regression (Pasetto et al. 2022): its dual as a QUBO, sampled by an annealer. The
 * embedded one simulates; one on D-Wave's Ocean SDK is an activity of a Python worker.
 */
import type { Options, Refusal } from '../options.js';
import { quboRequest } from './annealer/elsewhere.js';
import { annealerFit, problemOf, regressorFrom } from './annealer/fit.js';
import { decodeSamples, type QuboAnswer } from './annealer/wire.js';
import type { AskedBy, PredictorDefinition } from './definition.js';
import { scaled } from './features.js';

export interface AnnealerPredictor {
  readonly type: 'annealer';
  /** `simulated`: embedded, in TypeScript. `dwave`: a Python worker on D-Wave's Ocean SDK. @default "simulated" */
  readonly solver: 'simulated' | 'dwave';
  /** Task queue of the Python worker; only for `dwave`. @default "everband-qubo" */
  readonly taskQueue: string;
  /** @default 100 simulated, 1000 dwave */
  readonly reads: number;
  /** Sweeps per read of the simulated annealer. @default 300 */
  readonly sweeps: number;
  /** `sound`: our default. `faithful`: as the authors published it, slips included. @default "sound" */
  readonly combination: 'sound' | 'faithful';
  /** Predictor asked when the solver fails or its limits are reached; null: everybody goes on. @default "svr" */
  readonly fallback: string | null;
  /** Most seconds of QPU access time a study may use; only for `dwave`. */
  readonly maxQpuSeconds?: number | undefined;
  /** Most a study's QPU access time may cost, in the currency of `qpuPricePerHour`; only for `dwave`. */
  readonly maxQpuCost?: number | undefined;
  readonly qpuPricePerHour?: number | undefined;
}

/** `standIns`: the predictors that may answer for it. */
export function annealer(standIns: readonly string[]): PredictorDefinition<AnnealerPredictor> {
  return {
    options: optionsOf(standIns),
    nameWith: { swift: 'Quantum-Swift' },
    fit: scaled((rows, targets, { settings, seed, solved }) => {
      if (settings.solver === 'simulated') return annealerFit(rows, targets, settings, seed);
      if (!solved) return { impossible: 'nobody has sampled its QUBO' };
      const problem = problemOf(rows, targets, seed);
      return regressorFrom(problem, decodeSamples(problem.qubo, solved as QuboAnswer), settings.combination);
    }),
    elsewhere(settings) {
      if (settings.solver === 'simulated') return null;
      const { taskQueue } = settings;
      return {
        taskQueue,
        activity: 'sampleQubo',
        fix: `Fix: \`python -m everband.qubo --task-queue ${taskQueue} --solver qpu\`.`,
        problem: (study, request) => quboRequest(study, request, settings),
      };
    },
    fallback: (settings) => settings.fallback,
    simulated(settings) {
      if (settings.solver === 'simulated') return { settings, note: null };
      const accounts = { maxQpuSeconds: undefined, maxQpuCost: undefined, qpuPricePerHour: undefined };
      const note = 'D-Wave is not simulated; the embedded simulated annealer answers for it';
      return { settings: { ...settings, solver: 'simulated', ...accounts }, note };
    },
    refuse: refusalsOf,
  };
}

function optionsOf(standIns: readonly string[]): Options<AnnealerPredictor> {
  return {
    solver: {
      kind: 'word',
      of: ['simulated', 'dwave'],
      default: 'simulated',
      says: 'Who samples the QUBO: the embedded simulated annealer, or a Python worker on the Ocean SDK of D-Wave.',
    },
    taskQueue: { kind: 'text', default: 'everband-qubo', says: 'Task queue of that Python worker.' },
    reads: {
      kind: 'whole',
      max: 10_000,
      default: 100,
      // The answers of a quantum processor are noisier, and cheap to repeat.
      defaultWhere: { option: 'solver', is: 'dwave', default: 1000 },
      says: 'Samples taken of each QUBO; with the solver dwave it is 1000 unless said.',
    },
    sweeps: { kind: 'whole', max: 100_000, default: 300, says: 'Sweeps per sample of the simulated annealer.' },
    combination: {
      kind: 'word',
      of: ['sound', 'faithful'],
      default: 'sound',
      says: 'How the best samples are combined: our way, or as published, slips included.',
    },
    fallback: {
      kind: 'word',
      of: standIns,
      orNull: true,
      default: 'svr',
      says: 'The predictor that answers when the solver fails or a limit is reached; with null every trial goes on.',
    },
    maxQpuSeconds: {
      kind: 'number',
      above: 0,
      optional: true,
      says: 'Most seconds of access time on the quantum processor that the study may use.',
    },
    maxQpuCost: {
      kind: 'number',
      above: 0,
      optional: true,
      says: 'Most that this access time may cost, in the currency of qpuPricePerHour.',
    },
    qpuPricePerHour: { kind: 'number', above: 0, optional: true, says: 'Price of an hour of access time.' },
  };
}

function refusalsOf(settings: AnnealerPredictor, by: AskedBy): Refusal[] {
  const accounts = (['maxQpuSeconds', 'maxQpuCost', 'qpuPricePerHour'] as const).filter(
    (key) => settings[key] !== undefined
  );
  if (settings.solver !== 'dwave') {
    return accounts.map((key) => ({ path: key, value: settings[key], rule: 'only solver: dwave uses a QPU' }));
  }
  const refusals: Refusal[] = [];
  if ((settings.maxQpuCost === undefined) !== (settings.qpuPricePerHour === undefined)) {
    const rule = 'a limit of cost needs both maxQpuCost and qpuPricePerHour';
    const path = accounts.at(-1) ?? 'maxQpuCost';
    refusals.push({ path, value: settings.maxQpuCost ?? settings.qpuPricePerHour, rule });
  }
  if (by.onePerRound) {
    const rule =
      'Fast-Hyperband trains hundreds of predictors, each a QPU problem: take the simulated annealer, or swift';
    refusals.push({ path: 'solver', value: 'dwave', rule });
  }
  if (settings.reads > 2000) {
    refusals.push({ path: 'reads', value: settings.reads, rule: 'at most 2000 for dwave: answers are kept' });
  }
  if (accounts[0] !== undefined && by.together) {
    const rule = 'brackets together share no account of it: run them one after the other';
    refusals.push({ path: accounts[0], value: settings[accounts[0]], rule });
  }
  return refusals;
}
