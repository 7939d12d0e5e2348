/** Our numerics against the libraries they follow, as they are installed: fresh random problems, not those committed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { problemOf } from '../../core/predictors/annealer/fit.js';
import { anneal } from '../../core/predictors/annealer/simulated.js';
import { encodeQubo } from '../../core/predictors/annealer/wire.js';
import { stream } from '../../core/rng.js';
import { pythonOf } from '../harness.js';
import * as nuSvr from './nu-svr-reference.js';
import * as isotonic from './predictors/isotonic-reference.js';
import * as samplers from './samplers-reference.js';

describe('numerics beside the libraries they follow', function () {
  this.timeout(120_000);
  let python: string;
  before(function () {
    python = pythonOf(this);
  });

  /** What a script beside this file prints as JSON. */
  function printed<Answer>(script: string, args: readonly string[], input = ''): Answer {
    const file = fileURLToPath(new URL(script, import.meta.url));
    return JSON.parse(execFileSync(python, [file, ...args], { input, maxBuffer: 1e9 }).toString()) as Answer;
  }

  it('nu-SVR predicts what scikit-learn predicts on 600 random problems and 200 sets of curves, to 1e-9', () => {
    const reference = printed<nuSvr.Reference>('./nu_svr_reference.py', ['600', '200', '7']);
    assert.equal(reference.problems.length, 600);
    const measured = nuSvr.compare(reference);
    const [fits, predictions] = [measured.fits.toExponential(1), measured.predictions.toExponential(1)];
    console.log(`      largest difference ${fits} of the range in fits, ${predictions} in predictions from curves`);
    nuSvr.agrees(measured);
  });

  it('isotonic regression predicts what scikit-learn predicts on 500 random problems, to 1e-9', () => {
    const reference = printed<isotonic.Reference>('./predictors/isotonic_reference.py', ['500', '11']);
    assert.equal(reference.length, 500);
    isotonic.agrees(reference);
  });

  it('kernel densities agree with those of statsmodels on 300 random problems, to 1e-9', () => {
    const reference = printed<samplers.Reference>('./samplers_reference.py', ['300', '7']);
    assert.equal(reference.kde.length, 300);
    const { bandwidths, densities } = samplers.compareDensities(reference);
    console.log(
      `      largest relative difference ${bandwidths.toExponential(1)} in bandwidths, ${densities.toExponential(1)} in densities`
    );
    assert.ok(bandwidths < 1e-9 && densities < 1e-9, `differ by ${bandwidths} and ${densities}`);
  });

  it("Sobol points are SciPy's", () => {
    samplers.sobolAgrees(printed<samplers.Reference>('./samplers_reference.py', ['0', '7']));
  });

  it('the annealer reaches energies as low as dwave-samplers on 120 variables, at equal sweeps and reads', () => {
    const random = stream(6, 'points');
    const rows = Array.from({ length: 20 }, () => Array.from({ length: 25 }, () => random.uniform()));
    const targets = rows.map((row) => row.reduce((sum, x) => sum + x, 0) / row.length);
    const { qubo } = problemOf(rows, targets, 6);
    const [reads, sweeps] = [200, 300];
    const request = { ...encodeQubo(qubo), reads, sweeps, seed: 1 };
    const peer = printed<{ best: number; mean: number; version: string }>(
      '../../bench/annealer_peer.py',
      [],
      JSON.stringify(request)
    );
    const { energies } = anneal(qubo, { reads, sweeps, seed: 1 });
    const ours = energies.reduce((sum, value) => sum + value, 0) / reads;
    const best = Math.min(...energies);
    console.log(
      `      mean ${ours.toFixed(3)}, best ${best.toFixed(3)}; dwave-samplers ${peer.version}: ${peer.mean.toFixed(3)}, ${peer.best.toFixed(3)}`
    );
    assert.ok(ours <= peer.mean + 0.01, `mean ${ours} against ${peer.mean}`);
    assert.ok(best <= peer.best + 0.08, `best ${best} against ${peer.best}`);
  });
});
