/** The median rule (Golovin et al. 2017, section 3.2.2), at one decision point between two rungs. */
import { between, decisionPointOption, type PrunerDefinition } from '../engine/pruner.js';
import type { Verdict } from '../engine/decision.js';
import { quantile } from '../quantile.js';

/** Stop at the decision point when worse than the median of earlier trials there. */
export interface MedianPruner {
  readonly type: 'median';
  /** c: where the decision point lies between two rungs. @default 0.5 */
  readonly decisionPoint: number;
  /** Earlier trials needed before anybody is stopped. @default 5 */
  readonly minTrials: number;
}

export const median: PrunerDefinition<MedianPruner> = {
  options: {
    decisionPoint: decisionPointOption,
    minTrials: { kind: 'whole', default: 5, says: 'Earlier trials needed before anybody is stopped.' },
  },
  describe: ({ minTrials }) => `median rule, at least ${minTrials} trials`,
  compares: 'loss',
  movingThreshold: true,
  decisionPoint: (settings, from, to) => between(settings.decisionPoint, from, to),
  points: (settings, from, to) => {
    const p = between(settings.decisionPoint, from, to);
    return p === null ? [] : [p];
  },
  predictor: () => null,
  planNote: () => 'median: the table is an upper bound, for trials stop early',

  /** A trial stops when it is worse at `p` than the median of what at least `minTrials` earlier trials had there. */
  *run(round, { minTrials }) {
    const { from, to, decisionPoint: p } = round.group;
    yield* round.open(() => p ?? to);
    // What all trials of the group had at the decision points they passed, for those who come there later.
    const note = (after: number, until: number) => {
      for (const epoch of round.group.passes.filter((one) => one > after && one <= until)) {
        round.noteSeen(
          epoch,
          round.trials.flatMap(({ losses }) => losses[epoch - from - 1] ?? [])
        );
      }
    };
    if (p === null || round.interrupted) {
      note(from, to);
      return null;
    }
    const earlier = [...(round.memory.seen[String(p)] ?? [])];
    const arrived = round.trials.filter((trial) => trial.end === 'rung');
    const predictions: Verdict[] = [];
    let last: number | null = null;
    for (const trial of arrived) {
      const threshold = earlier.length >= minTrials ? quantile(earlier, 0.5) : null;
      const loss = trial.loss();
      earlier.push(loss);
      if (threshold === null) continue;
      last = threshold;
      const goesOn = loss <= threshold;
      if (!goesOn) trial.end = 'stopped';
      predictions.push({ trial: trial.id, predicted: null, threshold, goesOn });
    }
    note(from, p);
    const goOn = arrived.filter((trial) => trial.end === 'rung');
    const asked = new Set(predictions.map(({ trial }) => trial));
    const decision = {
      epoch: p,
      sentOn: arrived.filter((trial) => !asked.has(trial.id)).map((trial) => trial.id),
      threshold: last,
      trainedOn: 0,
      predictorsTrained: 0,
      predictions,
    };
    yield* round.conclude(goOn, { decision, teaches: false });
    note(p, to);
    return decision;
  },
};
