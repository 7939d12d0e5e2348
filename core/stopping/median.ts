/** The median rule (Golovin et al. 2017, section 3.2.2), at one decision point of the round. */
import { quantile } from '../quantile.js';
import type { DecisionRecord } from '../record.js';
import type { Round } from '../round.js';
import type { MedianPredictor } from '../study.js';

/** A trial stops when it is worse at `p` than the median of what at least `minTrials` earlier trials had there. */
export async function medianRule(
  round: Round,
  rule: MedianPredictor,
  p: number | null
): Promise<DecisionRecord | null> {
  const { plan } = round.input;
  await round.open(() => p ?? plan.to);
  if (p === null || round.interrupted) return null;
  const earlier = [...(round.memory.seen[String(p)] ?? [])];
  const arrived = round.runners.filter((runner) => runner.end === 'rung');
  const predictions: DecisionRecord['predictions'][number][] = [];
  let last: number | null = null;
  for (const runner of arrived) {
    const median = earlier.length >= rule.minTrials ? quantile(earlier, 0.5) : null;
    const loss = runner.loss();
    earlier.push(loss);
    if (median === null) continue;
    last = median;
    const goesOn = loss <= median;
    if (!goesOn) runner.end = 'stopped';
    predictions.push({ trial: runner.id, predicted: null, threshold: round.metric(median), goesOn });
  }
  const goOn = arrived.filter((runner) => runner.end === 'rung');
  await Promise.all(goOn.map((runner) => round.train(runner, p, plan.to)));
  const asked = new Set(predictions.map(({ trial }) => trial));
  return {
    epoch: p,
    sentOn: arrived.filter((runner) => !asked.has(runner.id)).map((runner) => runner.id),
    threshold: last === null ? null : round.metric(last),
    trainedOn: 0,
    modelsTrained: 0,
    predictions,
  };
}
