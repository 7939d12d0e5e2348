/** What samplers_reference.py prints: committed for a few problems, live for many where Python has the packages. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

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

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export function committed(): Reference {
  return JSON.parse(readFileSync(here('./fixtures/samplers.json'), 'utf8')) as Reference;
}

export function live(test: Mocha.Context, problems: number): Reference {
  const python = here('../../python/.venv/bin/python');
  const ready = existsSync(python) && spawnSync(python, ['-c', 'import scipy, statsmodels']).status === 0;
  if (!ready) {
    const message = 'python/.venv with scipy and statsmodels is missing: npm run setup -- --python';
    if (process.env['CI']) throw new Error(message);
    console.log(`      skipped: ${message}`);
    test.skip();
  }
  const out = execFileSync(python, [here('./samplers_reference.py'), String(problems), '7'], {
    maxBuffer: 1e9,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return JSON.parse(out.toString()) as Reference;
}
