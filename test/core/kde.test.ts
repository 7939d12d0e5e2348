import assert from 'node:assert/strict';
import { density } from '../../core/kde.js';
import { committed, compareDensities } from './samplers-reference.js';

describe('kernel densities', function () {
  this.timeout(120_000);

  it('agree with those statsmodels gave on the committed problems, to 1e-9', () => {
    const reference = committed();
    assert.ok(reference.kde.some(({ levels }) => levels.includes(0) && levels.some((c) => c > 0)));
    const { bandwidths, densities } = compareDensities(reference);
    assert.ok(bandwidths < 1e-9 && densities < 1e-9, `differ by ${bandwidths} and ${densities}`);
  });

  it('sum to one over the categories, those no point has included', () => {
    const kde = { points: [[0], [0], [2]], bandwidths: [0.3], levels: [4] };
    const all = [0, 1, 2, 3].map((category) => density(kde, [category]));
    assert.ok(Math.abs(all.reduce((a, b) => a + b) - 1) < 1e-12);
    assert.ok((all[1] as number) > 0);
  });
});
