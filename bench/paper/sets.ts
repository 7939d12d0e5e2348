/** The four data sets, and what others (and an independent replay of the same rules) have measured on them. */
import type { Objective } from '../../core/study.js';

export interface DataSet {
  readonly name: string;
  readonly title: string;
  readonly columns: string;
  readonly objective: Objective;
  /** R */
  readonly maxBudget: number;
  /** Epochs of one Hyperband iteration, eta 2. */
  readonly hyperbandEpochs: number;
  /** Digits behind the point that tell final values apart. */
  readonly decimals: number;
  /** By algorithm: what is known of it. */
  readonly known: Readonly<Record<string, string>>;
  /** By algorithm: the epochs to match that are known. */
  readonly knownMatch: Readonly<Record<string, string>>;
}

const objective = (metric: string, mode: Objective['mode']): Objective => ({ metric, mode });

/** Columns of the table of epochs to match, each an algorithm. */
export const matchColumns = {
  hyperband: 'Hyperband eta 2',
  'hyperband:eta=3': 'eta 3',
  'hyperband:eta=4': 'eta 4',
  'hyperband:brackets=1': 'most aggressive bracket, eta 2',
  'hyperband:eta=4:brackets=1': 'eta 4',
  'hyperband:brackets=3': 'three most aggressive, eta 2',
  asha: 'ASHA eta 2',
  'asha:eta=4': 'eta 4',
  random: 'random',
} as const;

const known = (...figures: string[]): Record<string, string> =>
  Object.fromEntries(Object.keys(matchColumns).map((name, i) => [name, figures[i] ?? '']));

export const dataSets: readonly DataSet[] = [
  {
    name: 'mlpf',
    title: 'MLPF (particle flow)',
    columns: 'loss_',
    objective: objective('validation loss', 'minimise'),
    maxBudget: 100,
    hyperbandEpochs: 3213,
    decimals: 3,
    known: {
      hyperband: '3213; 442.492 over 200 seeds',
      swift: '2926 (2878 to 2993), published, 10 runs; 2943 ± 53, equal in 94.5 %, replayed, 200 seeds',
      'quantum-swift':
        '2953 (2841 to 3042), published, D-Wave Advantage, 10 runs; 2957 ± 54, equal in 99 %, replayed, 100 seeds',
      fast: '3080, 116 predictors, replayed, 5 seeds',
    },
    knownMatch: known('1', '.72', '.64', '.39', '.33', '.49', '.39', '.37', '>2'),
  },
  {
    name: 'cifar10',
    title: 'CIFAR-10, first 100 epochs',
    columns: 'acc_',
    objective: objective('validation accuracy', 'maximise'),
    maxBudget: 100,
    hyperbandEpochs: 3213,
    decimals: 4,
    known: {
      hyperband: '3213; .8182',
      swift: '2941 ± 49, equal in 89.5 %, replayed, 200 seeds',
      fast: '3030, 133 predictors, replayed, 5 seeds',
    },
    knownMatch: known('1', '1.04', '[1.18]', '>2', '>2', '[>2]', '>2', '>2', '[1.25]'),
  },
  {
    name: 'svhn',
    title: 'SVHN',
    columns: 'acc_',
    objective: objective('validation accuracy', 'maximise'),
    maxBudget: 20,
    hyperbandEpochs: 341,
    decimals: 4,
    known: {
      hyperband: '341; .9482',
      swift: '337 ± 1, equal in 98 %, replayed, 200 seeds',
      fast: '341, 5 predictors, replayed, 5 seeds',
    },
    knownMatch: known('1', '1.04', '1.03', '.66', '.56', '.67', '.58', '.51', '>2'),
  },
  {
    name: 'ptb',
    title: 'Penn Treebank',
    columns: 'ep_',
    objective: objective('validation perplexity', 'minimise'),
    maxBudget: 60,
    hyperbandEpochs: 1514,
    decimals: 2,
    known: {
      hyperband: '1514; 65.63',
      swift: '1424 ± 20, equal in 78.5 %, replayed, 200 seeds',
      fast: '1502, 54 predictors, replayed, 5 seeds',
    },
    knownMatch: known('1', '[1.29]', '[1.16]', '1.00', '[1.02]', '[.86]', '>2', '>2', '[>2]'),
  },
];
