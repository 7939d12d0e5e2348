import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PredictionAnswer } from '../../core/predictor.js';
import { fitNuSvr } from '../../core/predictors/nu-svr.js';
import { features } from '../../core/predictors/features.js';
import { predict } from '../../core/predictors/predict.js';

/** What nu_svr_reference.py prints. */
interface Reference {
  readonly problems: readonly {
    readonly nu: number;
    readonly c: number;
    readonly rows: number[][];
    readonly targets: number[];
    readonly asked: number[][];
    readonly iterations: number;
    readonly predicted: number[];
  }[];
  readonly curves: readonly {
    readonly curves: number[][];
    readonly targets: number[];
    readonly asked: number[][];
    readonly predicted: Readonly<Record<'svr' | 'svr-tail', number[]>>;
  }[];
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** Largest difference, in units of the targets' range. */
function difference(targets: readonly number[], ours: readonly number[], theirs: readonly number[]): number {
  assert.equal(ours.length, theirs.length);
  const range = Math.max(...targets) - Math.min(...targets) || 1;
  // Not Math.max alone: a NaN must not pass as small.
  return ours.reduce((most, x, i) => {
    const d = Math.abs(x - (theirs[i] as number)) / range;
    return d <= most ? most : Number.isNaN(d) ? Infinity : d;
  }, 0);
}

function compare({ problems, curves }: Reference) {
  let fits = 0;
  let otherIterations = 0;
  for (const { nu, c, rows, targets, asked, iterations, predicted } of problems) {
    const model = fitNuSvr(rows, targets, { nu, c });
    const ours = asked.map((row) => model.predict(row));
    fits = Math.max(fits, difference(targets, ours, predicted));
    if (model.iterations !== iterations) otherIterations++;
  }
  let predictions = 0;
  for (const { curves: known, targets, asked, predicted } of curves) {
    for (const model of ['svr', 'svr-tail'] as const) {
      const epochs = known[0]?.length ?? 0;
      const answer = predict({
        model: { type: model },
        seed: 0,
        epochs,
        training: { curves: known, targets },
        candidates: asked,
      });
      const ours = answer.outcome === 'predicted' ? answer.losses : [];
      predictions = Math.max(predictions, difference(targets, ours, predicted[model]));
    }
  }
  return { fits, otherIterations, predictions };
}

function agrees({ fits, otherIterations, predictions }: ReturnType<typeof compare>): void {
  assert.ok(fits < 1e-9, `fits differ by ${fits} of the range`);
  assert.equal(otherIterations, 0, `${otherIterations} problems took another number of iterations`);
  assert.ok(predictions < 1e-9, `predictions from curves differ by ${predictions} of the range`);
}

describe('nu-SVR', function () {
  this.timeout(120_000);

  it('predicts what scikit-learn predicted on the committed problems, to 1e-9 and in as many iterations', () => {
    agrees(compare(JSON.parse(readFileSync(here('./fixtures/nu-svr.json'), 'utf8')) as Reference));
  });

  it('predicts what scikit-learn predicts on 600 random problems and 200 sets of curves, to 1e-9', function () {
    const python = here('../../python/.venv/bin/python');
    if (!existsSync(python)) {
      const message = 'python/.venv is missing: npm run setup -- --python';
      if (process.env['CI']) throw new Error(message);
      console.log(`      skipped: ${message}`);
      this.skip();
    }
    const out = execFileSync(python, [here('./nu_svr_reference.py'), '600', '200', '7'], { maxBuffer: 1e9 });
    const reference = JSON.parse(out.toString()) as Reference;
    assert.equal(reference.problems.length, 600);
    const measured = compare(reference);
    const [fits, predictions] = [measured.fits.toExponential(1), measured.predictions.toExponential(1)];
    console.log(`      largest difference ${fits} of the range in fits, ${predictions} in predictions from curves`);
    agrees(measured);
  });
});

describe('predict', () => {
  const curve = [3, 2, 1];
  const ask = (curves: number[][], targets: number[], candidates = [curve], epochs = 3) =>
    predict({ model: { type: 'svr' }, seed: 0, epochs, training: { curves, targets }, candidates });

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
