import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { exp, log } from '../../core/math.js';
import { fitNuSvr } from '../../core/predictors/nu-svr.js';
import { predict } from '../../core/predictors/predict.js';

interface Problem {
  readonly nu: number;
  readonly c: number;
  readonly rows: number[][];
  readonly targets: number[];
  readonly asked: number[][];
  readonly predicted: number[];
}
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** Largest difference to scikit-learn, in units of the target's range. */
function worst(problems: readonly Problem[]): number {
  return Math.max(
    ...problems.map(({ nu, c, rows, targets, asked, predicted }) => {
      const model = fitNuSvr(rows, targets, { nu, c });
      const range = Math.max(...targets) - Math.min(...targets) || 1;
      return Math.max(...asked.map((row, i) => Math.abs(model.predict(row) - (predicted[i] as number)) / range));
    })
  );
}

describe('nu-SVR', function () {
  this.timeout(60_000);

  it('predicts what scikit-learn predicted on the committed problems, to 1e-9', () => {
    const { problems } = JSON.parse(readFileSync(here('./fixtures/nu-svr.json'), 'utf8')) as { problems: Problem[] };
    const difference = worst(problems);
    assert.ok(difference < 1e-9, `differs by ${difference}`);
  });

  it('predicts what scikit-learn predicts on 600 random problems, to 1e-9', function () {
    const python = here('../../python/.venv/bin/python');
    if (!existsSync(python)) {
      const message = 'python/.venv is missing: npm run setup -- --python';
      if (process.env['CI']) throw new Error(message);
      console.log(`      skipped: ${message}`);
      this.skip();
    }
    const out = execFileSync(python, [here('./nu_svr_reference.py'), '600', '7'], { maxBuffer: 1e9 }).toString();
    const { problems } = JSON.parse(out) as { problems: Problem[] };
    const difference = worst(problems);
    console.log(`      ${problems.length} problems, largest difference ${difference.toExponential(1)} of the range`);
    assert.ok(difference < 1e-9, `differs by ${difference}`);
  });

  it('says why it cannot learn and never throws', () => {
    const curve = [3, 2, 1];
    const ask = (curves: number[][], targets: number[]) =>
      predict({ model: 'svr', epochs: 3, training: { curves, targets }, candidates: [curve] });
    assert.match(reason(ask([curve], [1])), /2 needed/);
    assert.match(reason(ask([curve, curve], [1, 1])), /same loss/);
    assert.match(reason(ask([curve, [3, 2, NaN]], [1, 2])), /not finite/);
    assert.match(reason(ask([curve, [3, 2]], [1, 2])), /shorter/);
  });

  it('has exp and log within two units in the last place of the engine', () => {
    for (let x = -700; x < 700; x += 0.37) assert.ok(Math.abs(exp(x) / Math.exp(x) - 1) < 5e-16, `exp(${x})`);
    for (let x = 1e-300; x < 1e300; x *= 1.7) {
      assert.ok(Math.abs(log(x) - Math.log(x)) <= 5e-16 * Math.abs(Math.log(x)), `log(${x})`);
    }
    assert.deepEqual([exp(0), exp(-1000), exp(1000), log(1), log(0), log(-1)], [1, 0, Infinity, 0, -Infinity, NaN]);
  });
});

function reason(answer: ReturnType<typeof predict>): string {
  return answer.outcome === 'impossible' ? answer.reason : '';
}
