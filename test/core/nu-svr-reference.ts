import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fitNuSvr } from '../../core/predictors/nu-svr.js';
import { predict } from '../../core/predictors/predict.js';

/** What nu_svr_reference.py prints. */
export interface Reference {
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

export function committed(): Reference {
  return JSON.parse(
    readFileSync(fileURLToPath(new URL('./fixtures/nu-svr.json', import.meta.url)), 'utf8')
  ) as Reference;
}

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

export function compare({ problems, curves }: Reference) {
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
        predictor: { type: model },
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

export function agrees({ fits, otherIterations, predictions }: ReturnType<typeof compare>): void {
  assert.ok(fits < 1e-9, `fits differ by ${fits} of the range`);
  assert.equal(otherIterations, 0, `${otherIterations} problems took another number of iterations`);
  assert.ok(predictions < 1e-9, `predictions from curves differ by ${predictions} of the range`);
}
