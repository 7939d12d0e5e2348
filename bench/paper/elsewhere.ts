/** What other commands have measured, for the same page. */
import { readFileSync } from 'node:fs';
import { markdown } from './markdown.js';

const heading = 'Real training: ';

/** The section of bench/RESULTS.md on training for real, as it stands there. */
export function digitsPart(): string {
  const results = readFileSync(new URL('../RESULTS.md', import.meta.url), 'utf8');
  const section = results.split(/^## /m).find((one) => one.startsWith(heading));
  if (section === undefined) throw new Error(`bench/RESULTS.md has no section "${heading}..."`);
  return `## ${section.trim()}`;
}

const mocha = (file: string) => `\`npx mocha --import=tsx --timeout 120000 ${file}\``;

/** Each with the file that fails when it no longer holds. */
const checks = [
  [
    'nu-SVR, the predictor of Swift and Fast',
    'scikit-learn 1.9.1, `NuSVR()`',
    'predictions to 1e-9 on 600 random problems and 200 sets of curves',
    mocha('test/core/nu-svr.test.ts'),
  ],
  [
    "BOHB's densities and bandwidths",
    'statsmodels 0.15.0, `KDEMultivariate`, which HpBandSter calls',
    'to 1e-13 on 300 random mixed problems; the test allows 1e-9',
    mocha('test/core/kde.test.ts'),
  ],
  [
    'Sobol points',
    'SciPy 1.17.1, `qmc.Sobol(scramble=False)`',
    'bit for bit, in 64 dimensions at indices up to 65,535',
    mocha('test/core/sobol.test.ts'),
  ],
  [
    'ASHA',
    'Syne Tune 0.13.0, `PromotionRungSystem`',
    "every decision the same with the paper's rule in it; of 702 decisions of the released rule 611 the same, 74 by its wider quantile, 17 by a tie, none by anything else",
    mocha('test/core/asha.test.ts'),
  ],
  [
    'isotonic predictor',
    'scikit-learn 1.9.1, `IsotonicRegression`',
    'predictions to 1e-9 on 500 random problems',
    mocha('test/core/predictors/isotonic.test.ts'),
  ],
  [
    'simulated annealer',
    "dwave-samplers 1.8.0, D-Wave's own",
    'mean energies as low at equal sweeps, reads and temperatures: [bench/RESULTS.md](../bench/RESULTS.md)',
    '`EVERBAND_DATA=... npx tsx bench/annealer.ts 5 python/.venv/bin/python`',
  ],
];

export function checksPart(): string {
  return `## Against other implementations

${markdown(['what', 'against', 'agreement', 'command'], checks)}

\`npm run setup -- --python\` installs what the live comparisons need; without it the committed answers are compared. Syne Tune's answers are
committed, and \`test/core/asha_reference.py\` records them anew. More: [asha.md](algorithms/asha.md), [tpe.md](algorithms/tpe.md),
[predictors.md](predictors.md).`;
}
