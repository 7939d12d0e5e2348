/** docs/paper.md: our figures beside the known ones. */
import { shownMatch } from '../../scripts/summary-table.js';
import { modeOf } from '../../core/objectives/index.js';
import type { Run } from '../../simulate/comparison.js';
import { meanOf, type Summary } from '../../simulate/summary.js';
import { checksPart, digitsPart } from './elsewhere.js';
import { markdown } from './markdown.js';
import { matchColumns, type DataSet } from './sets.js';
import { divergingPart, type Diverging } from './taskset.js';

export interface Makespan {
  readonly workers: number;
  readonly hyperbandHours: number;
  readonly swiftHours: number;
  /** Whether every seed's record is byte for byte the one of a single worker. */
  readonly same: boolean;
}

export interface SetResult {
  readonly set: DataSet;
  /** Rows of the data set. */
  readonly models: number;
  readonly runs: ReadonlyMap<string, readonly Run[]>;
  readonly summaries: readonly Summary[];
  readonly matched: readonly Summary[];
  readonly learners: readonly Summary[];
  readonly varied: readonly Summary[];
  readonly makespans: readonly Makespan[];
}

export interface Counts {
  readonly seeds: number;
  readonly matchSeeds: number;
  readonly learnSeeds: number;
}

export function paperText(results: readonly SetResult[], taskset: Diverging | null, counts: Counts): string {
  const { seeds, matchSeeds, learnSeeds } = counts;
  const parts = [
    `# The comparison of the papers, repeated

<!-- Written by \`npm run paper\`: change bench/paper/ instead. -->

\`EVERBAND_DATA=<folder with curves/> npm run paper -- --seeds ${seeds} --match-seeds ${matchSeeds}\` wrote this page: seeds 0 to
${seeds - 1}, epochs to match over seeds 0 to ${matchSeeds - 1}. Recorded curves are replayed by the code that runs in the workflows; a run
draws the rows of its data set without replacement. eta is 2 everywhere. Intervals in brackets are 95 %, by bootstrap over seeds;
± is the standard deviation of single runs. "Published" are figures of the algorithms' authors (García Amboage et al. 2023),
"replayed" those of an independent replay of the same rules.

![epochs against final value](paper.svg)

## Hyperband's epochs

${markdown(
  ['data set', 'models', 'R', 'epochs to reach', 'epochs here', ''],
  results.map(({ set, models, summaries }) => {
    const { epochs } = find(summaries, 'hyperband');
    const exact = epochs.low === set.hyperbandEpochs && epochs.high === set.hyperbandEpochs;
    return [set.title, models, set.maxBudget, set.hyperbandEpochs, round(epochs.mean, 0), exact ? 'exact' : 'differs'];
  })
)}`,
    ...results.map(setPart),
    predictorsPart(results),
    bohbPart(results),
    fastPart(results),
    makespanPart(results, seeds),
    matchPart(results, matchSeeds, Math.min(matchSeeds, learnSeeds)),
    ...(taskset ? [divergingPart(taskset)] : []),
    digitsPart(),
    checksPart(),
  ];
  return parts.join('\n\n') + '\n';
}

function setPart({ set, summaries, runs }: SetResult): string {
  const { decimals, objective } = set;
  const plain = new Map(runs.get('hyperband')?.map((run) => [run.seed, run.measures.value]));
  const rows = summaries.map((summary) => {
    const own = runs.get(summary.algorithm) ?? [];
    const against = own.flatMap(({ seed, measures }) => {
      const other = plain.get(seed) ?? null;
      return measures.value === null || other === null
        ? []
        : [modeOf(objective).loss(measures.value) - modeOf(objective).loss(other)];
    });
    const share = (holds: (difference: number) => boolean) =>
      `${round((100 * against.filter(holds).length) / own.length, 1)} %`;
    return [
      summary.algorithm,
      `${round(summary.epochs.mean, 0)} ± ${round(deviation(own), 0)}`,
      `${round(100 * summary.share, 1)} %`,
      summary.value
        ? `${round(summary.value.mean, decimals)} (${round(summary.value.low, decimals)} to ${round(summary.value.high, decimals)})`
        : '-',
      share((difference) => difference === 0),
      share((difference) => difference <= 0),
      summary.rank ? round(summary.rank.mean, 1) : '-',
      summary.stopped === 0 ? '-' : `${round(summary.wrongStops, 1)} of ${round(summary.stopped, 1)}`,
      set.known[summary.algorithm] ?? '',
    ];
  });
  const head = [
    'algorithm',
    'epochs',
    'share',
    `final ${objective.metric}`,
    'equal',
    'no worse',
    'rank',
    'wrong stops',
    'known',
  ];
  return `## ${set.title}\n\n${markdown(head, rows)}`;
}

function predictorsPart(results: readonly SetResult[]): string {
  const names = ['fast', 'swift', 'quantum-swift', 'swift-asha'];
  const rows = names.map((name) => [
    name,
    ...results.map(({ summaries }) => round(find(summaries, name).predictorsTrained, 1)),
  ]);
  return `"Equal" and "no worse" compare the final value with that of Hyperband with the same seed. "Rank" is the place among all
models of the data set. A stop is wrong when the trial would have been promoted, had all trials of its round trained to the rung. ASHA and
random search spend the epochs of one Hyperband iteration; ASHA runs on 8 workers with epochs of equal length.

## Predictors trained

${markdown(['algorithm', ...results.map(({ set }) => set.title)], rows)}

Fast-Hyperband trains a predictor for every epoch at which it asks, Swift-Hyperband one for every decision point.`;
}

function bohbPart(results: readonly SetResult[]): string {
  const rows = results.flatMap(({ set, runs, summaries }) =>
    ['hyperband', 'random'].map((other) => {
      const theirs = new Map(runs.get(other)?.map(({ seed, measures }) => [seed, measures.value]));
      const differences = (runs.get('bohb') ?? []).flatMap(({ seed, measures: { value } }) => {
        const against = theirs.get(seed) ?? null;
        return value === null || against === null
          ? []
          : [modeOf(set.objective).loss(value) - modeOf(set.objective).loss(against)];
      });
      const count = (holds: (difference: number) => boolean) => differences.filter(holds).length;
      return [
        set.title,
        other,
        round(find(summaries, 'bohb').value?.mean ?? NaN, set.decimals),
        round(find(summaries, other).value?.mean ?? NaN, set.decimals),
        count((difference) => difference < 0),
        count((difference) => difference === 0),
        count((difference) => difference > 0),
      ];
    })
  );
  return `## BOHB against random draws

"hyperband" is the same schedule with random draws, "random" trains each of fewer configurations to R. Seeds in which BOHB's final value
is better, equal and worse.

${markdown(['data set', 'against', 'BOHB', 'the other', 'better', 'equal', 'worse'], rows)}

Here BOHB chooses among the recorded rows, all of which it weighs. Left to draw from a continuous space its defaults do no better than random search,
and worse inside one Hyperband on made-up power laws: [tpe.md](algorithms/tpe.md) has those figures, the reason, and settings that help;
[bohb.md](algorithms/bohb.md) says when to take it.`;
}

function fastPart(results: readonly SetResult[]): string {
  const one = results.find(({ varied }) => varied.length > 0);
  if (!one) return '';
  const { set, varied, summaries } = one;
  const plain = find(summaries, 'hyperband');
  const of = (name: string) => varied.find(({ algorithm }) => algorithm === name);
  const ds = varied.flatMap(({ algorithm }) => /^fast:d=(\d+)$/.exec(algorithm)?.[1] ?? []);
  const cells = (summary: Summary | undefined) => [
    round(summary?.epochs.mean ?? NaN, 1),
    round(summary?.value?.mean ?? NaN, set.decimals + 1),
    round(summary?.predictorsTrained ?? NaN, 1),
    `${round(summary?.wrongStops ?? NaN, 1)} of ${round(summary?.stopped ?? NaN, 1)}`,
  ];
  const rows = ds.map((d) => [d, ...cells(of(`fast:d=${d}`)), ...cells(of(`swift:d=${d}`))]);
  const value = (name: string, d: string) => modeOf(set.objective).loss(of(`${name}:d=${d}`)?.value?.mean ?? NaN);
  const fewer = ds.filter((d) => (of(`fast:d=${d}`)?.epochs.mean ?? NaN) < (of(`swift:d=${d}`)?.epochs.mean ?? NaN));
  const better = ds.filter((d) => value('fast', d) < value('swift', d));
  const list = (some: readonly string[]) => (some.length === 0 ? 'no d' : `d = ${some.join(', ')}`);
  return `## Fast-Hyperband on ${set.title}, by d

The authors find Fast ahead of Swift on this set alone. Hyperband comes to ${round(plain.value?.mean ?? NaN, set.decimals + 1)} with ${set.hyperbandEpochs} epochs.

${markdown(['d', 'fast: epochs', 'value', 'predictors', 'wrong stops', 'swift: epochs', 'value', 'predictors', 'wrong stops'], rows)}

Fast spends fewer epochs than Swift at ${list(fewer)}, and comes to the better mean value at ${list(better)}. Why: with R = ${set.maxBudget}
a rung sees ${set.maxBudget} epochs at most and 43 trials share five of them, so with d = 15 most rungs never have enough complete curves and neither
algorithm asks much. A smaller d gives both a predictor, and then they differ in what a prediction may do. Swift stops whoever is predicted worse than the
best quarter of the complete trials: a coin toss among the many trials of nearly equal accuracy, learned from a handful of curves, so it saves
epochs and loses places. Fast waits for n_next complete trials, takes the n_next-th best as its threshold, and stops only at 95 %
probability: few stops, hardly a wrong one, the final value kept. Fast is ahead where values count, Swift where epochs do.`;
}

function makespanPart(results: readonly SetResult[], seeds: number): string {
  const rows = (results[0]?.makespans ?? []).map(({ workers }, i) => [
    workers,
    ...results.flatMap(({ makespans }) => {
      const one = makespans[i];
      return one ? [round(one.swiftHours, 2), round(one.swiftHours / one.hyperbandHours, 3)] : ['', ''];
    }),
  ]);
  const same = results.every(({ makespans }) => makespans.every((one) => one.same));
  const head = ['workers', ...results.flatMap(({ set }) => [`${set.name}: hours`, 'of Hyperband’s'])];
  return `## Swift-Hyperband in parallel

Epochs of a minute on a virtual cluster, means over ${seeds} seeds; "of Hyperband's" is the makespan divided by that of plain Hyperband on as many
workers. ${same ? 'Every record is byte for byte the one of a single worker: the decisions are the same on any number.' : 'The records DIFFER between numbers of workers.'}

${markdown(head, rows)}

On few workers the ratio is that of the epochs. On many, a round lasts as long as its longest trial in both, and Swift trains it in two steps (to the
decision point, then on), so that what it saves is time of workers and no longer time on the clock.`;
}

function matchPart(results: readonly SetResult[], seeds: number, learnSeeds: number): string {
  const rows = results.flatMap(({ set, matched }) => [
    [set.title, ...Object.keys(matchColumns).map((name) => shownMatch(find(matched, name).match))],
    ['known', ...Object.keys(matchColumns).map((name) => set.knownMatch[name] ?? '')],
  ]);
  const learners = results[0]?.learners.map(({ algorithm }) => algorithm) ?? [];
  return `## Epochs to match

A scheduler repeats its brackets for ever, drawing rows without replacement (reshuffled when exhausted). Where does the mean over seeds of its
best final value so far first reach what one Hyperband iteration (eta 2) has reached at its end, as a multiple of that iteration's epochs? Below 1 is better
than Hyperband; ">2": not reached by twice the epochs. Grid step .01; one worker, trials in the order in which they are asked for, a value
counts from the epoch that completes it. ${seeds} seeds; below each line the known figures, over 100 seeds, in brackets over 2,000.

${markdown(['data set', ...Object.values(matchColumns)], rows)}

${outsideText(results)}

The algorithms that learn, over ${learnSeeds} seeds:

${markdown(
  ['data set', ...learners],
  results.map((one) => [one.set.title, ...learners.map((name) => shownMatch(find(one.learners, name).match))])
)}`;
}

/** Known figures that our intervals do not hold. */
function outsideText(results: readonly SetResult[]): string {
  const outside = results.flatMap(({ set, matched }) =>
    Object.keys(matchColumns).flatMap((name) => {
      const text = set.knownMatch[name] ?? '';
      const { match } = find(matched, name);
      const figure = text.replace(/[[\]]/g, '');
      if (figure === '' || !match) return [];
      const known = figure === '>2' ? Infinity : Number(figure);
      // Grid points are hundredths, which binary fractions only come near to.
      if (known >= match.low - 1e-9 && known <= match.high + 1e-9) return [];
      const over = text.startsWith('[') ? '2,000' : '100';
      return [`${set.title}, \`${name}\`: ${figure} over ${over} seeds, here ${shownMatch(match)}`];
    })
  );
  if (outside.length === 0) return 'Every known figure lies inside the interval found here.';
  return `Known figures that lie outside the interval found here (those over 100 seeds scatter widely: batches of a hundred came to anything from .81 to 1.74
on CIFAR-10 with eta 4):

${outside.map((one) => `- ${one}`).join('\n')}`;
}

function find(summaries: readonly Summary[], name: string): Summary {
  const summary = summaries.find(({ algorithm }) => algorithm === name);
  if (!summary) throw new RangeError(`${name} did not run`);
  return summary;
}

/** Standard deviation of the epochs of single runs. */
function deviation(runs: readonly Run[]): number {
  const epochs = runs.map(({ measures }) => measures.epochs);
  const mean = meanOf(epochs)?.mean ?? 0;
  return Math.sqrt(epochs.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(epochs.length - 1, 1));
}

function round(value: number, decimals: number): string {
  return value.toFixed(decimals);
}
