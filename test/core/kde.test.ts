import assert from 'node:assert/strict';
import { density, normalReference } from '../../core/kde.js';
import { committed, live, type Reference } from './samplers-reference.js';

/** Largest relative differences of bandwidths and densities. */
function compare({ kde }: Reference): { bandwidths: number; densities: number } {
  const most = { bandwidths: 0, densities: 0 };
  const apart = (a: number, b: number) => {
    const d = Math.abs(a - b) / Math.max(Math.abs(b), 1e-12);
    return Number.isNaN(d) ? Infinity : d;
  };
  for (const { levels, points, bandwidths, asked, densities } of kde) {
    normalReference(points).forEach((h, d) => {
      most.bandwidths = Math.max(most.bandwidths, apart(h, bandwidths[d] as number));
    });
    asked.forEach((x, i) => {
      const ours = density({ points, bandwidths, levels }, x);
      most.densities = Math.max(most.densities, apart(ours, densities[i] as number));
    });
  }
  return most;
}

describe('kernel densities', function () {
  this.timeout(120_000);

  it('agree with those statsmodels gave on the committed problems, to 1e-9', () => {
    const reference = committed();
    assert.ok(reference.kde.some(({ levels }) => levels.includes(0) && levels.some((c) => c > 0)));
    const { bandwidths, densities } = compare(reference);
    assert.ok(bandwidths < 1e-9 && densities < 1e-9, `differ by ${bandwidths} and ${densities}`);
  });

  it('agree with those statsmodels gives on 300 random problems, to 1e-9', function () {
    const reference = live(this, 300);
    assert.equal(reference.kde.length, 300);
    const { bandwidths, densities } = compare(reference);
    console.log(
      `      largest relative difference ${bandwidths.toExponential(1)} in bandwidths, ${densities.toExponential(1)} in densities`
    );
    assert.ok(bandwidths < 1e-9 && densities < 1e-9, `differ by ${bandwidths} and ${densities}`);
  });

  it('sum to one over the categories, those no point has included', () => {
    const kde = { points: [[0], [0], [2]], bandwidths: [0.3], levels: [4] };
    const all = [0, 1, 2, 3].map((category) => density(kde, [category]));
    assert.ok(Math.abs(all.reduce((a, b) => a + b) - 1) < 1e-12);
    assert.ok((all[1] as number) > 0);
  });
});
