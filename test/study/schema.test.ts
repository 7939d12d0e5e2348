import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Option } from '../../core/options.js';
import { plainPredictors, predictors } from '../../core/predictors/index.js';
import { pruners } from '../../core/pruners/index.js';
import { samplers } from '../../core/samplers/index.js';
import { schedulers } from '../../core/schedulers/index.js';
import type { PlainPredictor, Study } from '../../core/study.js';
import { studyJsonSchema } from '../../study/json-schema.js';
import { nearest } from '../../study/nearest.js';
import { parseStudy } from '../../study/parse.js';
import type { Problem } from '../../study/problem.js';
import { editorSchema } from '../../study/schema.js';

type Raw = Record<string, unknown>;

describe('study schema', () => {
  let baseDir = '';
  before(() => {
    baseDir = mkdtempSync(path.join(tmpdir(), 'everband-schema-'));
    writeFileSync(path.join(baseDir, 'train.ts'), '');
    writeFileSync(path.join(baseDir, 'curves.csv'), '');
  });
  after(() => rmSync(baseDir, { recursive: true, force: true }));

  const small = (): Raw => ({
    name: 'small',
    space: { lr: { float: [1e-4, 1e-1], log: true } },
    scheduler: { type: 'hyperband', maxBudget: 81 },
    trainer: { module: './train.ts' },
  });
  const replay = (): Raw => ({
    name: 'replay',
    scheduler: { type: 'hyperband', R: 9 },
    trainer: { replay: 'curves.csv', columns: 'loss_' },
  });
  function good(raw: unknown): Study {
    const parsed = parseStudy(raw, { baseDir });
    if (!parsed.ok) assert.fail(JSON.stringify(parsed.problems));
    return parsed.study;
  }
  function bad(raw: unknown): readonly Problem[] {
    const parsed = parseStudy(raw, { baseDir });
    assert.ok(!parsed.ok, 'was accepted');
    return parsed.problems;
  }

  it('fills in every default', () => {
    assert.deepEqual(good(small()), {
      schemaVersion: 1,
      name: 'small',
      seed: 0,
      objective: { metric: 'loss', mode: 'minimise' },
      space: { lr: { type: 'float', low: 1e-4, high: 1e-1, log: true } },
      sampler: { type: 'random' },
      scheduler: {
        type: 'hyperband',
        maxBudget: 81,
        eta: 3,
        minBudget: 1,
        brackets: 'all',
        bracketFormula: 'ceil',
        order: 'sequential',
        iterations: 1,
      },
      budgetUnit: 'epochs',
      pruner: { type: 'none' },
      trainer: { type: 'module', module: path.join(baseDir, 'train.ts') },
      parallelism: 8,
      training: {
        attempts: 3,
        backoffSeconds: 5,
        maxLosses: 10,
        parkSeconds: 600,
        epochTimeoutSeconds: 3600,
        heartbeatSeconds: 15,
        graceSeconds: 10,
      },
      limits: {},
      tryFirst: [],
    });
  });

  it('reads the short forms and the explicit ones alike', () => {
    const study = good({
      ...small(),
      objective: { metric: 'accuracy', mode: 'maximize' },
      space: {
        layers: { int: [1, 4] },
        opt: { choice: ['sgd', 'adam'] },
        momentum: { float: [0, 1], when: { parameter: 'opt', in: ['sgd'] } },
        epochs: { fixed: 3 },
        width: { type: 'int', low: 1, high: 64, log: true },
      },
      scheduler: { type: 'hyperband', R: 27, eta: 3 },
      pruner: 'swift',
      trainer: { command: ['python3', 'train.py'], env: { A: '1' } },
      training: { parkSeconds: '10m', backoffSeconds: '30s', epochTimeoutSeconds: '2h', graceSeconds: 1.5 },
      limits: { deadlineSeconds: '1d' },
    });
    assert.equal(study.objective.mode, 'maximise');
    assert.deepEqual(study.space, {
      layers: { type: 'int', low: 1, high: 4, log: false, step: 1 },
      opt: { type: 'choice', values: ['sgd', 'adam'] },
      momentum: { type: 'float', low: 0, high: 1, log: false, when: { parameter: 'opt', in: ['sgd'] } },
      epochs: { type: 'fixed', value: 3 },
      width: { type: 'int', low: 1, high: 64, log: true, step: 1 },
    });
    assert.deepEqual(Object.keys(study.space), ['layers', 'opt', 'momentum', 'epochs', 'width']);
    assert.equal(study.scheduler.maxBudget, 27);
    assert.deepEqual(study.pruner, {
      type: 'swift',
      predictor: { type: 'svr' },
      minCurves: 15,
      completeShare: 0.5,
      decisionPoint: 0.5,
    });
    assert.deepEqual(study.trainer, {
      type: 'command',
      command: ['python3', 'train.py'],
      cwd: baseDir,
      env: { A: '1' },
    });
    const { parkSeconds, backoffSeconds, epochTimeoutSeconds, graceSeconds } = study.training;
    assert.deepEqual([parkSeconds, backoffSeconds, epochTimeoutSeconds, graceSeconds], [600, 30, 7200, 1.5]);
    assert.equal(study.limits.deadlineSeconds, 86400);
  });

  it('takes every kind of trainer', () => {
    const trainerOf = (trainer: Raw, more: Raw = {}) => good({ ...small(), ...more, trainer }).trainer;
    assert.deepEqual(trainerOf({ replay: 'curves.csv', columns: 'loss_' }, { space: {} }), {
      type: 'replay',
      file: path.join(baseDir, 'curves.csv'),
      columns: 'loss_',
      secondsPerEpoch: 0,
    });
    assert.deepEqual(trainerOf({ activity: 'fit', taskQueue: 'gpu', settings: { a: [1] } }), {
      type: 'activity',
      taskQueue: 'gpu',
      activity: 'fit',
      settings: { a: [1] },
    });
    assert.deepEqual(trainerOf({ type: 'activity', taskQueue: 'gpu' }), {
      type: 'activity',
      taskQueue: 'gpu',
      activity: 'trainSegment',
      settings: null,
    });
    const line = trainerOf({ command: 'python3 train.py --name "a b"' });
    assert.ok(line.type === 'command' && line.cwd === baseDir);
    assert.deepEqual(line.command, ['python3', 'train.py', '--name', 'a b']);
  });

  it('takes every sampler, and bohb for Hyperband with tpe', () => {
    const tpe = {
      type: 'tpe',
      wave: 8,
      randomFraction: 1 / 3,
      goodShare: 0.15,
      candidates: 64,
      bandwidthFactor: 3,
      minBandwidth: 1e-3,
    };
    const samplerOf = (more: Raw) => good({ ...small(), ...more }).sampler;
    assert.deepEqual(samplerOf({ sampler: 'sobol' }), { type: 'sobol' });
    assert.deepEqual(samplerOf({ sampler: 'grid' }), { type: 'grid', pointsPerDimension: 5 });
    assert.deepEqual(samplerOf({ sampler: 'tpe' }), tpe);
    assert.deepEqual(good({ ...replay(), sampler: 'tpe' }).sampler, tpe);
    const plain = good({ ...small(), sampler: 'tpe', scheduler: { type: 'hyperband', R: 27, eta: 3 } });
    assert.deepEqual(good({ ...small(), scheduler: { type: 'bohb', R: 27, eta: 3 } }), plain);
    assert.deepEqual(good({ ...small(), sampler: 'tpe', scheduler: { type: 'bohb', R: 27 } }), plain);
    const wide = { sampler: { type: 'tpe', wave: 16 }, scheduler: { type: 'bohb', maxBudget: 27 } };
    assert.deepEqual(samplerOf(wide), { ...tpe, wave: 16 });
    good({ ...small(), sampler: 'random', scheduler: { type: 'hyperband', R: 27, order: 'together' } });
  });

  it('takes every predictor of the table, and no other', () => {
    const types = Object.keys(plainPredictors) as PlainPredictor['type'][];
    assert.ok(types.length > 0);
    for (const type of types) {
      const raw = { ...small(), pruner: { type: 'swift', predictor: type } };
      const { pruner } = good(raw);
      assert.deepEqual(pruner.type === 'swift' && pruner.predictor, { type });
      assert.ok(editorSchema.safeParse(raw).success, type);
      const fallback = { ...small(), pruner: { type: 'swift', predictor: { type: 'annealer', fallback: type } } };
      assert.ok(good(fallback));
    }
    const [{ rule }] = bad({ ...small(), pruner: { type: 'swift', predictor: 'oracle' } }) as [Problem];
    assert.equal(rule, `must be one of ${[...types, 'annealer', 'activity'].join(', ')}`);
  });

  it('parses a normalised study to itself', () => {
    const raws = [
      small(),
      replay(),
      { ...small(), trainer: { command: 'a b' }, pruner: 'swift', limits: { epochs: 5, target: -1 } },
      { ...small(), trainer: { activity: 'fit', taskQueue: 'q' }, tryFirst: [{ lr: 0.01 }], sampler: 'grid' },
      { ...small(), scheduler: { type: 'bohb', R: 27 } },
      { ...small(), scheduler: { type: 'successiveHalving', trials: 9, maxBudget: 9 } },
      { ...small(), scheduler: { type: 'full', trials: 9, maxBudget: 9 }, training: { segmentEpochs: 2 } },
    ];
    for (const raw of raws) {
      const study = good(raw);
      const wire = JSON.stringify(study);
      const again = parseStudy(JSON.parse(wire), { baseDir: tmpdir() });
      assert.ok(again.ok);
      assert.equal(JSON.stringify(again.study), wire);
    }
  });

  it('expands environment variables in paths and says which one is missing', () => {
    const before = process.env['EVERBAND_TEST_FOLDER'];
    const raw = { ...replay(), trainer: { replay: '${EVERBAND_TEST_FOLDER}/curves.csv', columns: 'loss_' } };
    try {
      process.env['EVERBAND_TEST_FOLDER'] = baseDir;
      const { trainer } = good(raw);
      assert.equal(trainer.type === 'replay' && trainer.file, path.join(baseDir, 'curves.csv'));
      delete process.env['EVERBAND_TEST_FOLDER'];
      const [problem, ...more] = bad(raw);
      assert.match(problem?.rule ?? '', /EVERBAND_TEST_FOLDER is not set/);
      assert.deepEqual(more, []);
    } finally {
      if (before !== undefined) process.env['EVERBAND_TEST_FOLDER'] = before;
    }
  });

  it('takes rules for kinds of failures, and leaves out what none is given for', () => {
    const retry = { oom: { queue: 'big-gpu', attempts: 2 }, timeout: { backoffSeconds: '1m' }, crash: {} };
    const rules = { oom: { queue: 'big-gpu', attempts: 2 }, timeout: { backoffSeconds: 60 }, crash: {} };
    assert.deepEqual(good({ ...small(), training: { retry } }).training.retry, rules);
    assert.ok(!('retry' in good(small()).training));
  });

  it('reports every problem at once, each with its path', () => {
    const problems = bad({
      name: 'no spaces please',
      seed: -1,
      space: { lr: { float: [0, 'x'], logg: true } },
      schedular: {},
      scheduler: { type: 'hyperband', maxBudget: 81, eta: 1.5 },
      pruner: { type: 'swift', minCurves: 1 },
      trainer: { module: './train.ts' },
      parallelism: 10_001,
      training: { parkSeconds: 'soon', atempts: 2 },
    });
    const paths = problems.map((problem) => problem.path);
    for (const at of [
      'name',
      'seed',
      'space.lr.high',
      'space.lr.logg',
      'schedular',
      'scheduler.eta',
      'pruner.minCurves',
      'parallelism',
      'training.parkSeconds',
      'training.atempts',
    ]) {
      assert.ok(paths.includes(at), `${at} of ${paths.join(', ')}`);
    }
    const meant = (at: string) => problems.find((problem) => problem.path === at)?.suggestion;
    assert.deepEqual(
      [meant('schedular'), meant('space.lr.logg'), meant('training.atempts')],
      ['scheduler', 'log', 'attempts']
    );
    for (const { rule } of problems) assert.ok(rule.length > 5, rule);
    assert.doesNotThrow(() => JSON.stringify(problems));
  });

  const swift = { pruner: 'swift' };
  const asha = { scheduler: { type: 'asha', R: 9, trials: 20 } };
  const dwave = { type: 'annealer', solver: 'dwave', maxQpuSeconds: 1 };
  const hyperband = (more: Raw) => ({ scheduler: { type: 'hyperband', maxBudget: 81, ...more } });
  const spaceOf = (lr: unknown) => ({ space: { lr } });
  const refused: [string, Raw, string, RegExp?][] = [
    ['eta 1', hyperband({ eta: 1 }), 'scheduler.eta', /2 or more/],
    ['eta 2.5', hyperband({ eta: 2.5 }), 'scheduler.eta', /must be a whole number of 2 or more/],
    ['R below r_min', hyperband({ minBudget: 100 }), 'scheduler.maxBudget', /at least minBudget/],
    ['a single rung', hyperband({ minBudget: 28 }), 'scheduler.maxBudget', /eta \* minBudget = 84/],
    ['R and maxBudget', hyperband({ R: 81 }), 'scheduler.R', /one of the two/],
    ['no budget', { scheduler: { type: 'hyperband' } }, 'scheduler.maxBudget', /missing/],
    [
      'unknown scheduler',
      { scheduler: { type: 'ashaa' } },
      'scheduler.type',
      /hyperband, successiveHalving, full, asha, populationBased, asyncPopulationBased, bohb/,
    ],
    ['no scheduler', { scheduler: undefined }, 'scheduler', /missing/],
    ['log from 0', spaceOf({ float: [0, 1], log: true }), 'space.lr.low', /above 0/],
    ['low over high', spaceOf({ int: [4, 1] }), 'space.lr', /exceed/],
    ['step 0', spaceOf({ float: [0, 1], step: 0 }), 'space.lr.step'],
    ['step of half for whole numbers', spaceOf({ int: [0, 9], step: 0.5 }), 'space.lr.step'],
    ['three bounds', spaceOf({ float: [0, 1, 2] }), 'space.lr', /float/],
    ['a bare number', spaceOf(3), 'space.lr', /float/],
    ['no values', spaceOf({ choice: [] }), 'space.lr.values'],
    ['not a number', spaceOf({ float: [0, NaN] }), 'space.lr.high'],
    [
      'conditions in a circle',
      {
        space: {
          b: { choice: [1], when: { parameter: 'a', in: [1] } },
          a: { choice: [1], when: { parameter: 'b', in: [1] } },
          c: { choice: [1], when: { parameter: 'a', in: [1] } },
        },
        tryFirst: [{ a: 1, b: 1 }],
      },
      'space.a.when.parameter',
      /a -> b -> a/,
    ],
    [
      'condition on an unknown parameter',
      { space: { a: { float: [0, 1], when: { parameter: 'b', in: [1] } } } },
      'space.a.when.parameter',
    ],
    ['no limit', hyperband({ iterations: 'untilLimit' }), 'scheduler.iterations', /limit/],
    [
      'together with epochs',
      { ...hyperband({ order: 'together' }), limits: { epochs: 9 } },
      'scheduler.order',
      /timing/,
    ],
    [
      'together with target',
      { ...hyperband({ order: 'together' }), limits: { target: 9 } },
      'scheduler.order',
      /timing/,
    ],
    [
      'together until limit',
      { ...hyperband({ order: 'together', iterations: 'untilLimit' }), limits: { deadlineSeconds: 9 } },
      'scheduler.iterations',
    ],
    [
      'a cost without a price',
      { pruner: { type: 'swift', predictor: { ...dwave, maxQpuCost: 10 } } },
      'pruner.predictor.maxQpuCost',
      /needs both/,
    ],
    ['too many ASHA trials', { scheduler: { ...asha.scheduler, eta: 2, trials: 60_000 } }, 'scheduler.trials', /37500/],
    [
      'a huge bracket',
      hyperband({ maxBudget: 59_049 }),
      'scheduler',
      /bracket b10 has 59,049 trials, and a bracket may have at most 20,000/,
    ],
    [
      'what ASHA ignores of a pruner',
      { ...asha, pruner: { type: 'swift', completeShare: 0.25 } },
      'pruner.completeShare',
      /has no meaning with ASHA/,
    ],
    ['what ASHA ignores of a sampler', { ...asha, sampler: { type: 'tpe', wave: 4 } }, 'sampler.wave', /with ASHA/],
    ['the old key predictor', { predictor: 'swift' }, 'predictor', /is called pruner now.* write pruner: /],
    ['the old key model', { pruner: { type: 'swift', model: 'last' } }, 'pruner.model', /is called predictor now/],
    [
      'Fast-Hyperband with rounds too long for a message',
      { scheduler: { type: 'full', trials: 1000, maxBudget: 81 }, pruner: 'fast' },
      'pruner',
      /makes a round of 81,000 epochs that trains trial by trial/,
    ],
    ['fast with asha', { ...asha, pruner: 'fast' }, 'pruner', /ASHA has no rounds/],
    ['asha without an end', { ...asha, scheduler: { ...asha.scheduler, trials: 'untilLimit' } }, 'scheduler.trials'],
    ['asha of one rung', { ...asha, scheduler: { ...asha.scheduler, R: 1 } }, 'scheduler.maxBudget'],
    ['d of 1', { pruner: { type: 'swift', minCurves: 1 } }, 'pruner.minCurves', /2 or more/],
    ['no such predictor', { pruner: { type: 'swift', predictor: 'oracle' } }, 'pruner.predictor.type', /extra-trees/],
    [
      'a QPU for fast',
      { pruner: { type: 'fast', predictor: dwave } },
      'pruner.predictor.solver',
      /hundreds of predictors/,
    ],
    [
      'a QPU account for nobody',
      { pruner: { type: 'swift', predictor: { ...dwave, solver: 'simulated' } } },
      'pruner.predictor.maxQpuSeconds',
    ],
    [
      'a QPU account with brackets together',
      { ...hyperband({ order: 'together' }), pruner: { type: 'swift', predictor: dwave } },
      'pruner.predictor.maxQpuSeconds',
    ],
    ['swift without rungs', { ...swift, scheduler: { type: 'full', trials: 3, maxBudget: 3 } }, 'pruner'],
    ['grid and replay', { ...replay(), sampler: 'grid' }, 'sampler.type', /random and tpe/],
    ['sobol and replay', { ...replay(), sampler: 'sobol' }, 'sampler.type', /random and tpe/],
    [
      'more parameters than Sobol has dimensions',
      {
        sampler: 'sobol',
        space: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`p${i}`, { float: [0, 1] }])),
      },
      'sampler',
      /64 dimensions, the space 65/,
    ],
    [
      'tpe with brackets together',
      { ...hyperband({ order: 'together' }), sampler: 'tpe' },
      'scheduler.order',
      /timing/,
    ],
    [
      'bohb with brackets together',
      { scheduler: { type: 'bohb', R: 27, order: 'together' } },
      'scheduler.order',
      /BOHB.*timing/,
    ],
    [
      'bohb with a grid',
      { scheduler: { type: 'bohb', R: 27 }, sampler: 'grid' },
      'sampler',
      /BOHB is hyperband with the sampler tpe/,
    ],
    ['bohb with sobol', { scheduler: { type: 'bohb', R: 27 }, sampler: { type: 'sobol' } }, 'sampler', /hyperband/],
    ['bohb with random', { scheduler: { type: 'bohb', R: 27 }, sampler: 'random' }, 'sampler', /hyperband/],
    ['bohb with eta 1', { scheduler: { type: 'bohb', R: 27, eta: 1 } }, 'scheduler.eta', /2 or more/],
    ['a share of 1', { sampler: { type: 'tpe', goodShare: 1 } }, 'sampler.goodShare'],
    ['no such setting of tpe', { sampler: { type: 'tpe', points: 3 } }, 'sampler.points', /goodShare/],
    ['space and replay', { ...replay(), ...spaceOf({ float: [0, 1] }) }, 'space'],
    ['replay without columns', { ...replay(), trainer: { replay: 'curves.csv' } }, 'trainer.columns', /missing/],
    ['no space', { space: undefined }, 'space'],
    ['grid without space', { space: {}, sampler: 'grid' }, 'space'],
    ['a huge grid', { ...spaceOf({ int: [0, 1e12] }), sampler: 'grid' }, 'sampler', /million/],
    ['tryFirst outside', { tryFirst: [{ lr: 1 }] }, 'tryFirst.0', /lr is 1/],
    ['tryFirst incomplete', { tryFirst: [{}] }, 'tryFirst.0', /missing/],
    ['no parallelism', { parallelism: 0 }, 'parallelism'],
    ['more at once than ASHA may', { parallelism: 501, scheduler: { type: 'asha', R: 9, trials: 600 } }, 'parallelism'],
    ['name with a slash', { name: 'a/b' }, 'name'],
    ['long name', { name: 'a'.repeat(101) }, 'name'],
    ['too many trials', { scheduler: { type: 'full', trials: 20_001, maxBudget: 1 } }, 'scheduler', /20,001 .*20,000/],
    ['too many iterations', hyperband({ iterations: 1000 }), 'scheduler', /100,000/],
    ['no trainer', { trainer: undefined }, 'trainer', /missing/],
    ['missing module', { trainer: { module: './gone.ts' } }, 'trainer.module', /no such file/],
    ['unknown version', { schemaVersion: 2 }, 'schemaVersion'],
    ['mode', { objective: { mode: 'down' } }, 'objective.mode'],
  ];
  for (const [what, more, at, rule = /./] of refused) {
    it(`refuses ${what}`, () => {
      const problems = bad({ ...small(), space: what.includes('replay') ? undefined : small()['space'], ...more });
      const found = problems.find((problem) => problem.path === at);
      assert.ok(found, JSON.stringify(problems));
      assert.match(found.rule, rule);
    });
  }

  it('refuses what is no study at all', () => {
    for (const raw of [null, undefined, 3, 'study', []]) assert.equal(bad(raw).length, 1);
    assert.ok(bad({}).length >= 3);
  });

  it('accepts the largest study it promises', () => {
    good({ ...small(), parallelism: 10_000, scheduler: { type: 'successiveHalving', trials: 20_000, maxBudget: 81 } });
    good({ ...small(), scheduler: { type: 'asha', trials: 100_000, maxBudget: 64, eta: 4 } });
    good({ ...small(), scheduler: { type: 'hyperband', maxBudget: 81, iterations: 699 } });
  });

  it('finds the nearest word', () => {
    assert.equal(nearest('schedular', ['sampler', 'scheduler']), 'scheduler');
    assert.equal(nearest('SEED', ['seed']), 'seed');
    assert.equal(nearest('zzzzzz', ['seed', 'name']), null);
  });

  it('takes what a scheduler ignores in a study that is filled in', () => {
    const tpe = good({ ...small(), ...asha, sampler: 'tpe', pruner: 'swift' });
    assert.ok(tpe.sampler.type === 'tpe' && tpe.sampler.wave === 8);
    assert.deepEqual(good(tpe), tpe);
  });

  it('refuses the old keys by their new names, and judges the rest as it is meant', () => {
    const problems = bad({ ...small(), predictor: { type: 'swift', model: 'last', minCurves: 1 } });
    assert.deepEqual(problems.map((problem) => problem.path).sort(), ['predictor', 'pruner.minCurves', 'pruner.model']);
  });

  it('has as many reads as the solver needs', () => {
    const readsOf = (predictor: Raw) => {
      const { pruner } = good({ ...small(), pruner: { type: 'swift', predictor: { type: 'annealer', ...predictor } } });
      return pruner.type === 'swift' && pruner.predictor.type === 'annealer' && pruner.predictor.reads;
    };
    assert.deepEqual(
      [readsOf({}), readsOf({ solver: 'dwave' }), readsOf({ solver: 'dwave', reads: 7 }), readsOf({ reads: 7 })],
      [100, 1000, 7, 7]
    );
  });

  it('tells editors what every option says', () => {
    const schema = JSON.stringify(studyJsonSchema());
    const definitions = [schedulers, samplers, pruners, predictors].flatMap((registry) =>
      Object.values<{ options: object }>(registry)
    );
    const said = definitions
      .flatMap((one) => Object.values(one.options as Record<string, Option>))
      .map(({ says }) => says);
    assert.ok(said.length > 30);
    for (const says of said) assert.ok(schema.includes(`"description":${JSON.stringify(says)}`), says);
  });

  it('has a schema for editors', () => {
    const schema = studyJsonSchema() as { properties: Raw; required: string[]; additionalProperties: boolean };
    for (const key of Object.keys(good(small()))) assert.ok(key in schema.properties, key);
    assert.deepEqual([...schema.required].sort(), ['name', 'scheduler', 'trainer']);
    assert.equal(schema.additionalProperties, false);
    assert.match(JSON.stringify(schema), /"bohb"/);
    const known = (scheduler: Raw) => editorSchema.safeParse({ ...small(), scheduler }).success;
    assert.ok(known({ type: 'bohb', R: 27 }) && known({ type: 'bohb', maxBudget: 27, eta: 4 }));
    assert.ok(known({ type: 'hyperband', R: 27 }) && known({ type: 'full', trials: 3, R: 27 }));
    assert.ok(!known({ type: 'bohb' }) && !known({ type: 'bohb', R: 27, trials: 3 }));
    assert.match(JSON.stringify(schema), /"replay".*"hyperband"|"hyperband".*"replay"/);
  });
});
