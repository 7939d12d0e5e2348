import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { PredictionRequest } from '../../../core/predictors/request.js';
import { residualDeviation } from '../../../core/predictors/cross-validate.js';
import { plainPredictors, type PlainPredictor } from '../../../core/predictors/index.js';
import { predict } from '../../../core/predictors/predict.js';
import { stream } from '../../../core/rng.js';
import type { AnnealerPredictor } from '../../../core/study.js';

const types = Object.keys(plainPredictors) as PlainPredictor['type'][];

function request(type: PlainPredictor['type'], curves = 16, more: Partial<PredictionRequest> = {}): PredictionRequest {
  const random = stream(2);
  const rows = Array.from({ length: curves + 3 }, () => {
    const [low, drop] = [random.uniform(), 1 + random.uniform()];
    return Array.from({ length: 12 }, (_, e) => low + drop / (e + 1) + 0.02 * random.uniform());
  });
  return {
    predictor: { type },
    seed: 9,
    epochs: 6,
    training: { curves: rows.slice(0, curves), targets: rows.slice(0, curves).map((row) => row[11] as number) },
    candidates: rows.slice(curves),
    ...more,
  };
}

describe('every predictor', () => {
  for (const type of types) {
    describe(type, () => {
      it('comes near the truth, the same every time, from the known epochs alone', () => {
        const asked = request(type);
        const answer = predict(asked);
        assert.ok(answer.outcome === 'predicted');
        assert.equal(answer.deviation, undefined);
        answer.losses.forEach((loss, i) => assert.ok(Math.abs(loss - (asked.candidates[i]?.[11] as number)) < 0.4));
        assert.deepEqual(predict(asked), answer);
        const known = (curves: readonly (readonly number[])[]) => curves.map((curve) => curve.slice(0, 6));
        const { training, candidates } = asked;
        const cut = { curves: known(training.curves), targets: training.targets };
        assert.deepEqual(predict({ ...asked, training: cut, candidates: known(candidates) }), answer);
      });

      it('gives a deviation when asked for one, and the same losses', () => {
        const plain = predict(request(type));
        const { deviation, ...answer } = predict(request(type, 16, { uncertainty: true })) as typeof plain & {
          deviation: number;
        };
        assert.deepEqual(answer, plain);
        assert.ok(deviation > 0 && deviation < 0.4, String(deviation));
      });

      it('never throws and predicts numbers or nothing', () => {
        const loss = fc.oneof(fc.double(), fc.double({ min: -10, max: 10, noNaN: true }), fc.constant(1));
        const curves = fc.array(fc.array(loss, { minLength: 3, maxLength: 3 }), { maxLength: 8 });
        fc.assert(
          fc.property(curves, fc.array(loss, { maxLength: 8 }), fc.boolean(), (rows, targets, uncertainty) => {
            const training = { curves: rows, targets: [...targets, 1, 2, 3, 4, 5, 6, 7, 8].slice(0, rows.length) };
            const answer = predict({
              predictor: { type },
              seed: 0,
              epochs: 3,
              training,
              candidates: rows.slice(0, 2),
              uncertainty,
            });
            if (answer.outcome === 'impossible') assert.notEqual(answer.reason, '');
            else assert.ok([...answer.losses, answer.deviation ?? 0].every(Number.isFinite));
          }),
          { numRuns: 60 }
        );
      });
    });
  }
});

describe('predict', () => {
  it('answers with the last value for `last`', () => {
    const asked = request('last', 4, { candidates: [[9, 8, 7, 6, 5, 4, 3]] });
    assert.deepEqual(predict(asked), { outcome: 'predicted', losses: [4] });
  });

  it('takes the deviation of the residuals, five folds by index', () => {
    const curves = [1, 2, 3, 4, 5, 6].map((value) => [value]);
    // `last` leaves residuals 1, -1, 1, -1, 1, -1 around their mean of 10.
    const training = { curves, targets: [12, 11, 14, 13, 16, 15] };
    const answer = predict({
      ...request('last'),
      epochs: 1,
      training,
      candidates: [],
      uncertainty: true,
    });
    assert.deepEqual(answer, { outcome: 'predicted', losses: [], deviation: 1 });
  });

  it('leaves a fifth out in every fold, one curve when there are fewer than five', () => {
    const trainedOn = (n: number) => {
      const seen: number[][] = [];
      const numbers = Array.from({ length: n }, (_, i) => i);
      const deviation = residualDeviation(
        numbers.map((i) => [i]),
        numbers,
        (_, targets) => {
          seen.push(targets.slice());
          return { predict: () => targets.reduce((sum, y) => sum + y, 0) / targets.length };
        }
      );
      return { seen, deviation };
    };
    // Means of the other two: 1.5, 1, .5. Residuals -1.5, 0, 1.5.
    assert.deepEqual(trainedOn(3), {
      seen: [
        [1, 2],
        [0, 2],
        [0, 1],
      ],
      deviation: Math.sqrt(1.5),
    });
    assert.deepEqual(trainedOn(7).seen, [
      [1, 2, 3, 4, 6],
      [0, 2, 3, 4, 5],
      [0, 1, 3, 4, 5, 6],
      [0, 1, 2, 4, 5, 6],
      [0, 1, 2, 3, 5, 6],
    ]);
  });

  it('gives no deviation where a fold cannot be learnt from', () => {
    const answer = predict(request('svr', 2, { uncertainty: true }));
    assert.ok(answer.outcome === 'impossible');
    assert.match(answer.reason, /in a fold, 1 curves to learn from/);
    assert.equal(predict(request('svr', 3, { uncertainty: true })).outcome, 'predicted');
  });

  it('does not stand in for an activity', () => {
    const predictor = { type: 'activity', taskQueue: 'mine', activity: 'predict', settings: null } as const;
    const answer = predict({ ...request('svr'), predictor });
    assert.ok(answer.outcome === 'impossible');
    assert.match(answer.reason, /is an activity of task queue mine/);
  });

  it('names the fallback that answered for an annealer that cannot be sampled here', () => {
    const predictor: AnnealerPredictor = {
      ...{ type: 'annealer', solver: 'dwave', taskQueue: 'q', reads: 10, sweeps: 10, combination: 'sound' },
      fallback: 'isotonic',
    };
    const { fallback, ...answer } = predict({ ...request('svr'), predictor }) as { fallback?: string };
    assert.deepEqual(answer, predict(request('isotonic')));
    assert.match(String(fallback), /^isotonic, because /);
    assert.equal(predict({ ...request('svr'), predictor: { ...predictor, fallback: null } }).outcome, 'impossible');
    // What the fallback cannot learn from either keeps the annealer's own reason.
    const one = predict({ ...request('svr', 1), predictor });
    assert.ok(one.outcome === 'impossible');
    assert.match(one.reason, /1 curves/);
  });
});
