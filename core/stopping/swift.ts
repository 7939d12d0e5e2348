/** Swift-Hyperband's round (García Amboage et al. 2023), steps 1 to 3. */
import { rungOf } from '../memory.js';
import { ceilShare } from '../plan.js';
import { quantile } from '../quantile.js';
import type { DecisionRecord } from '../record.js';
import type { Round } from '../round.js';
import type { Runner } from '../runner.js';
import type { SwiftPredictor } from '../study.js';
import { ask, type Asked } from './ask.js';

/** `p`: the decision point. */
export async function swiftRule(round: Round, swift: SwiftPredictor, p: number): Promise<DecisionRecord> {
  const { plan, next } = round.input;
  // Step 1: the first m by index go on at once, the rest wait at p.
  const { count } = rungOf(round.memory, plan.to);
  const m = Math.min(round.runners.length, Math.max(ceilShare(swift.completeShare, next), swift.minCurves - count));
  await round.open((_, position) => (position < m ? plan.to : p));
  // Who was lost before p is skipped, the next by index goes on instead; who is lost later is not replaced.
  const first = round.runners.slice(0, m).filter((runner) => plan.from + runner.values.length >= p);
  const others = round.runners.slice(m).filter((runner) => runner.end === 'rung');
  const instead = round.interrupted ? [] : others.slice(0, m - first.length);
  await Promise.all(instead.map((runner) => round.train(runner, p, plan.to)));
  const sentOn = [...first, ...instead];
  const complete = sentOn.filter((runner) => runner.end === 'rung');
  const waiting = others.slice(instead.length);
  round.remember(complete);
  const record = {
    epoch: p,
    sentOn: sentOn.map((runner) => runner.id),
    threshold: null,
    trainedOn: 0,
    modelsTrained: 0,
    predictions: [],
  };
  if (round.interrupted || waiting.length === 0) return record;

  // Step 2: the model for (r_i, p) is trained once on D[r_i], which now holds this round's complete curves.
  const losses = complete.map((runner) => runner.loss());
  const { answer, trainedOn, fresh }: Asked =
    losses.length === 0 ? nothingToCompare : await ask(round, swift, p, waiting, { uncertainty: false });
  const threshold = losses.length === 0 ? null : quantile(losses, 0.25);
  const modelsTrained = fresh ? 1 : 0;

  // Step 3: who is predicted to end below the best quarter goes on; the best predicted fill up to n_next.
  const asked = waiting.map((runner, i) => {
    return { runner, predicted: answer.outcome === 'predicted' ? (answer.losses[i] as number) : null };
  });
  const goesOn = new Set<Runner>();
  for (const { runner, predicted } of asked) {
    if (predicted === null || threshold === null || predicted < threshold) goesOn.add(runner);
  }
  const byPrediction = [...asked].sort(
    (a, b) => (a.predicted ?? 0) - (b.predicted ?? 0) || a.runner.contender.index - b.runner.contender.index
  );
  for (const { runner } of byPrediction) {
    if (complete.length + goesOn.size >= next) break;
    goesOn.add(runner);
  }
  for (const runner of waiting) if (!goesOn.has(runner)) runner.end = 'stopped';
  await Promise.all([...goesOn].map((runner) => round.train(runner, p, plan.to)));
  return {
    ...record,
    threshold: threshold === null ? null : round.metric(threshold),
    trainedOn,
    modelsTrained,
    predictions: asked.map(({ runner, predicted }) => ({
      trial: runner.id,
      predicted: predicted === null ? null : round.metric(predicted),
      goesOn: goesOn.has(runner),
    })),
    ...(answer.outcome === 'impossible' ? { error: answer.reason } : {}),
    ...(answer.outcome === 'predicted' && answer.fallback !== undefined ? { fallback: answer.fallback } : {}),
  };
}

const nothingToCompare: Asked = {
  answer: { outcome: 'impossible', reason: 'no trial of this round reached the rung to compare with' },
  trainedOn: 0,
  fresh: false,
};
