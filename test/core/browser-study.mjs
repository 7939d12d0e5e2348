// Studies told by a loop of their own, with the built library: the same file runs in Node and in a browser.
import { canonicalJson, createStudy } from '../../dist/core/index.js';

const space = {
  lr: { type: 'float', low: 1e-4, high: 1, log: true },
  width: { type: 'int', low: 1, high: 64, log: true },
  kind: { type: 'choice', values: ['a', 'b'] },
};
const hyperband = { type: 'hyperband', maxBudget: 27 };
const settings = {
  hyperband: { space, scheduler: hyperband },
  bohb: { space, scheduler: hyperband, sampler: 'tpe' },
  sobol: { space, scheduler: hyperband, sampler: 'sobol' },
  swift: { space, scheduler: hyperband, pruner: { type: 'swift', minCurves: 5 } },
  'quantum-swift': {
    space,
    scheduler: hyperband,
    pruner: { type: 'swift', minCurves: 5, predictor: { type: 'annealer', reads: 10, sweeps: 50 } },
  },
  asha: { space, scheduler: { type: 'asha', trials: 60, maxBudget: 27 } },
};

/** Loss after each epoch, of additions, products and divisions alone: the same on every engine. */
function train({ config, seed, from, to }) {
  const level = (config.lr - 0.1) * (config.lr - 0.1) + config.width / 100 + (seed % 1000) / 10_000;
  return Array.from({ length: to - from }, (_, i) => {
    const epoch = from + 1 + i;
    return seed % 4 === 0 && epoch === 3 ? NaN : level + 1 / (1 + epoch * (config.kind === 'a' ? 0.3 : 0.6));
  });
}

/** The canonical record of every study, by name. */
export async function records() {
  const found = {};
  for (const [name, one] of Object.entries(settings)) {
    const study = createStudy({ name, seed: 7, ...one });
    for (let job = await study.ask(); job !== null; job = await study.ask()) {
      const values = train(job);
      const bad = values.findIndex(Number.isNaN);
      await study.tell(job, bad === -1 ? values : values.slice(0, bad + 1));
    }
    found[name] = canonicalJson(await study.record);
  }
  return found;
}
