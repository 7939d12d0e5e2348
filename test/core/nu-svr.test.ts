import assert from 'node:assert/strict';
import type { PredictionAnswer } from '../../core/predictors/request.js';
import { features } from '../../core/predictors/features.js';
import { predict } from '../../core/predictors/predict.js';
import { agrees, committed, compare } from './nu-svr-reference.js';

describe('nu-SVR', function () {
  this.timeout(120_000);

  it('predicts what scikit-learn predicted on the committed problems, to 1e-9 and in as many iterations', () => {
    agrees(compare(committed()));
  });
});

describe('predict', () => {
  const curve = [3, 2, 1];
  const ask = (curves: number[][], targets: number[], candidates = [curve], epochs = 3) =>
    predict({ predictor: { type: 'svr' }, seed: 0, epochs, training: { curves, targets }, candidates });

  it('says why it cannot learn and never throws', () => {
    const rising = [1, 2, 3];
    assert.match(reason(ask([], [])), /2 needed/);
    assert.match(reason(ask([curve], [1])), /2 needed/);
    assert.match(reason(ask([curve, rising], [1])), /as many targets/);
    assert.match(reason(ask([curve, rising], [1, 1])), /same loss/);
    assert.match(reason(ask([curve, [3, 2, NaN]], [1, 2])), /training curve is not finite/);
    assert.match(reason(ask([curve, rising], [1, Infinity])), /training curve is not finite/);
    assert.match(reason(ask([curve, rising], [1, 2], [[1, NaN, 1]])), /to predict for is not finite/);
    assert.match(reason(ask([curve, [3, 2]], [1, 2])), /shorter/);
    assert.match(reason(ask([curve, rising], [1, 2], [[3, 2]])), /shorter/);
    assert.match(reason(ask([curve, rising], [1, 2], [curve], 0)), /no curve is known/);
    assert.match(reason(ask([curve, rising], [-1.7e308, 1.7e308])), /too far apart/);
    assert.match(
      reason(
        ask(
          [
            [0, 0, -1.7e308],
            [0, 0, 1.7e308],
          ],
          [1, 2]
        )
      ),
      /too far apart/
    );
  });

  it('answers for as many as it is asked about, constant columns included', () => {
    const answer = ask(
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
      [1, 3],
      [curve, curve]
    );
    assert.deepEqual(answer, { outcome: 'predicted', losses: [2, 2] });
    assert.deepEqual(ask([curve, [1, 2, 3]], [1, 2], []), { outcome: 'predicted', losses: [] });
  });

  it('looks at the known values only, at most 128 of them', () => {
    const long = Array.from({ length: 1000 }, (_, i) => i);
    assert.deepEqual(features(long, 4), [0, 1, 2, 3]);
    assert.deepEqual(features(long, 12, 5), [7, 8, 9, 10, 11]);
    assert.deepEqual(features(long, 3, 5), [0, 1, 2]);
    assert.equal(features(long, 128).length, 128);
    const thinned = features(long, 900);
    assert.deepEqual([thinned.length, thinned[0], thinned[127]], [128, 0, 899]);
    const steps = thinned.slice(1).map((x, i) => x - (thinned[i] as number));
    assert.deepEqual([...new Set(steps)].sort(), [7, 8]);
  });
});

function reason(answer: PredictionAnswer): string {
  return answer.outcome === 'impossible' ? answer.reason : '';
}
