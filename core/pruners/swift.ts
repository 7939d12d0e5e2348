/** Swift-Hyperband's rule (García Amboage et al. 2023): one decision point between two rungs. */
import type { PrunerDefinition } from '../engine/pruner.js';
import {
  between,
  ceilShare,
  completeShareOption,
  decisionPointOption,
  minCurvesOption,
  predictorOption,
} from '../engine/pruner.js';
import { rungOf } from '../engine/memory.js';
import type { Asked } from '../engine/round.js';
import type { TrialRun } from '../engine/trial-run.js';
import { predictorOf, type PredictorSettings } from '../predictors/index.js';

export interface SwiftPruner {
  readonly type: 'swift';
  readonly predictor: PredictorSettings;
  /** d: complete curves needed before a predictor is trained. @default 15 */
  readonly minCurves: number;
  /** k: share of the next round's places completed before anybody is asked about. @default 0.5 */
  readonly completeShare: number;
  /** c: where the decision point lies between two rungs. @default 0.5 */
  readonly decisionPoint: number;
}

const nothingToCompare: Asked = {
  answer: { outcome: 'impossible', reason: 'no trial of this round reached the rung to compare with' },
  trainedOn: 0,
  fresh: false,
};

const nothing = { threshold: null, trainedOn: 0, predictorsTrained: 0, predictions: [] };

export const swift: PrunerDefinition<SwiftPruner> = {
  options: {
    predictor: predictorOption,
    minCurves: minCurvesOption,
    completeShare: { ...completeShareOption, default: 0.5 },
    decisionPoint: decisionPointOption,
  },
  describe({ predictor, minCurves }, scheduler) {
    const name = predictorOf(predictor).nameWith?.['swift'] ?? 'Swift';
    return `${name}-${scheduler} on ${predictor.type}, at least ${minCurves} curves`;
  },
  compares: 'prediction',
  decisionPoint: (settings, from, to) => between(settings.decisionPoint, from, to),
  points: (settings, from, to) => {
    const p = between(settings.decisionPoint, from, to);
    return p === null ? [] : [p];
  },
  predictor: (settings) => settings.predictor,
  planNote: ({ minCurves }, shared) =>
    shared
      ? `swift: the table is an upper bound, for trials predicted to lose stop at their decision point (d=${minCurves})`
      : 'swift: the table is an upper bound; brackets together share no curves and save less than one after the other',
  needsRungs: 'Swift decides between rungs; full training has none to promote to',

  *run(round, settings) {
    const { from, to, decisionPoint: p, places, share } = round.group;
    if (p === null) {
      yield* round.open(() => to);
      round.remember(round.trials);
      return null;
    }
    // Step 1: the first m by index go on at once, the rest wait at p.
    const { count } = rungOf(round.memory, to);
    const m = Math.min(
      round.trials.length,
      Math.max(ceilShare(settings.completeShare, places), settings.minCurves - count)
    );
    if (m === round.trials.length) {
      const sentOn = round.trials.map((trial) => trial.id);
      round.settled = { decision: { ...nothing, epoch: p, sentOn }, teaches: true };
    }
    yield* round.open((_, position) => (position < m ? to : p));
    // Who was lost before p is skipped, the next by index goes on instead; who is lost later is not replaced.
    // A trial alone is sent on when it starts, which another machine that goes on with it knows.
    const first = round.trials.slice(0, m).filter((trial) => places === 0 || from + trial.losses.length >= p);
    const others = round.trials.slice(m).filter((trial) => trial.end === 'rung');
    const instead = round.interrupted ? [] : others.slice(0, Math.max(0, m - first.length));
    yield* round.train(instead.map((trial) => [trial, to]));
    const sentOn = [...first, ...instead];
    const complete = sentOn.filter((trial) => trial.end === 'rung');
    const waiting = others.slice(instead.length);
    round.remember(complete);
    const record = { ...nothing, epoch: p, sentOn: sentOn.map((trial) => trial.id) };
    if (round.interrupted || waiting.length === 0) return record;

    // Step 2: the predictor for (r_i, p) is trained once on D[r_i], which now holds this round's complete curves.
    const threshold = round.shared.quantile(
      share,
      complete.map((trial) => trial.loss())
    );
    const { answer, trainedOn, fresh } = threshold === null ? nothingToCompare : yield* round.ask(settings, p, waiting);

    // Step 3: who is predicted to end below the threshold goes on; the best predicted fill up to n_next.
    const asked = waiting.map((trial, i) => {
      return { trial, predicted: answer.outcome === 'predicted' ? (answer.losses[i] as number) : null };
    });
    const goesOn = new Set<TrialRun>();
    for (const { trial, predicted } of asked) {
      if (predicted === null || threshold === null || predicted < threshold) goesOn.add(trial);
    }
    const byPrediction = [...asked].sort(
      (a, b) => (a.predicted ?? 0) - (b.predicted ?? 0) || a.trial.index - b.trial.index
    );
    for (const { trial } of byPrediction) {
      if (complete.length + goesOn.size >= places) break;
      goesOn.add(trial);
    }
    for (const { trial } of asked) if (!goesOn.has(trial)) trial.end = 'stopped';
    const decision = {
      ...record,
      threshold,
      trainedOn,
      predictorsTrained: fresh ? 1 : 0,
      predictions: asked.map(({ trial, predicted }) => ({
        trial: trial.id,
        predicted,
        goesOn: goesOn.has(trial),
      })),
      ...(answer.outcome === 'impossible' ? { error: answer.reason } : {}),
      ...(answer.outcome === 'predicted' && answer.fallback !== undefined ? { fallback: answer.fallback } : {}),
    };
    // In a round, D holds the curves of those sent on unasked; a trial alone has no others that could teach.
    return yield* round.conclude([...goesOn], { decision, teaches: places === 0 });
  },
};
