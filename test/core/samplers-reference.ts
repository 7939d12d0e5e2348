/** What samplers_reference.py prints: committed for a few problems, live for many where Python has the packages. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { density, normalReference } from '../../core/kde.js';
import { sobolSequence } from '../../core/sobol.js';

export interface Reference {
  /** SciPy's unscrambled points at some indices. */
  readonly sobol: readonly {
    readonly dimensions: number;
    readonly indices: readonly number[];
    readonly points: readonly number[][];
  }[];
  /** statsmodels' bandwidths by the normal reference rule, and its densities at the points asked for. */
  readonly kde: readonly {
    readonly levels: readonly number[];
    readonly points: readonly number[][];
    readonly bandwidths: readonly number[];
    readonly asked: readonly number[][];
    readonly densities: readonly number[];
  }[];
}

export function committed(): Reference {
  return JSON.parse(
    readFileSync(fileURLToPath(new URL('./fixtures/samplers.json', import.meta.url)), 'utf8')
  ) as Reference;
}

/** Largest relative differences of bandwidths and densities. */
export function compareDensities({ kde }: Reference): { bandwidths: number; densities: number } {
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

export function sobolAgrees({ sobol }: Reference): void {
  assert.ok(sobol.length > 0);
  for (const { dimensions, indices, points } of sobol) {
    const sequence = sobolSequence(dimensions, null);
    assert.deepEqual(
      indices.map((n) => sequence(n)),
      points
    );
  }
}
