import assert from 'node:assert/strict';
import fc from 'fast-check';
import { exp, log, pow } from '../../core/math.js';
import type { Observation } from '../../core/engine/memory.js';
import { stream } from '../../core/rng.js';
import { createSampler } from '../../core/sampler.js';
import { configKey } from '../../core/space.js';
import type { Config, SearchSpace, Study, TpeSampler } from '../../core/study.js';
import { candidatesOf, fitTpe, promise, truncatedNormal, type ScoredPoint } from '../../core/tpe.js';
import { studyOf } from './small-study.js';

const tpe: TpeSampler = {
  type: 'tpe',
  wave: 8,
  randomFraction: 1 / 3,
  goodShare: 0.15,
  candidates: 64,
  bandwidthFactor: 3,
  minBandwidth: 1e-3,
};
/** Never at random, so that a test sees the model at work. */
const always: TpeSampler = { ...tpe, randomFraction: 0 };
const random = () => stream(1, 'test');
const scored = (trial: number, point: (number | null)[], loss: number | null, budget = 1): ScoredPoint => {
  return { trial, point, budget, loss };
};
/** `count` points of one number each, the loss rising with it. */
const line = (count: number, budget = 1) =>
  Array.from({ length: count }, (_, i) => scored(i, [i / count], i === 0 ? 0 : i, budget));

describe('TPE model', () => {
  it('needs d + 1 good and d + 1 bad results at one budget and takes the largest that has them', () => {
    assert.equal(fitTpe([0], line(3), tpe, random()), null);
    assert.equal(fitTpe([0], line(4), tpe, random())?.budget, 1);
    assert.equal(fitTpe([0], [...line(9, 1), ...line(4, 3), ...line(3, 9)], tpe, random())?.budget, 3);
    assert.equal(fitTpe([], line(9), tpe, random()), null);
  });

  it('takes the best 15 % as good, at least d + 1, and all others as bad', () => {
    for (const [count, good] of [
      [4, 2],
      [13, 2],
      [20, 3],
      [100, 15],
      [119, 17],
    ] as const) {
      const model = fitTpe([0], line(count), tpe, random());
      assert.deepEqual([model?.good.points.length, model?.bad.points.length], [good, count - good]);
      assert.deepEqual(
        model?.good.points.map(([x]) => x),
        Array.from({ length: good }, (_, i) => i / count)
      );
    }
  });

  it('breaks ties by trial index, in whatever order the results come', () => {
    const results = Array.from({ length: 10 }, (_, i) => scored(i, [i / 10], i < 6 ? 1 : 2));
    fc.assert(
      fc.property(fc.shuffledSubarray(results, { minLength: 10, maxLength: 10 }), (shuffled) => {
        const model = fitTpe([0], shuffled, tpe, random());
        assert.deepEqual(model?.good.points, [[0], [0.1]]);
        assert.deepEqual(model, fitTpe([0], results, tpe, random()));
      })
    );
  });

  it('counts diverged trials as bad, never as good', () => {
    const diverged = Array.from({ length: 20 }, (_, i) => scored(100 + i, [0.9], null));
    assert.equal(fitTpe([0], [scored(0, [0.1], 5), ...diverged], tpe, random()), null);
    const model = fitTpe([0], [scored(0, [0.1], 5), scored(1, [0.2], 9), ...diverged], tpe, random());
    assert.deepEqual(model?.good.points, [[0.1], [0.2]]);
    assert.equal(model?.bad.points.length, 20);
    assert.ok(model && promise(model, [0.15]) > promise(model, [0.9]));
  });

  it('keeps bandwidths where a density can have them', () => {
    const results = Array.from({ length: 40 }, (_, i) => scored(i, [i % 10, 0.5], i));
    const model = fitTpe([10, 0], results, tpe, random());
    assert.equal(model?.bad.bandwidths[0], 0.9, 'ten indices deviate by more than 1');
    assert.equal(model?.bad.bandwidths[1], 1e-3, 'all alike');
  });

  it('fills in inactive coordinates from one result of the same set, or anywhere', () => {
    const results = [
      scored(0, [0.1, null, null], 0),
      scored(1, [0.2, 0.7, 1], 1),
      scored(2, [0.3, null, null], 2),
      scored(3, [0.4, 0.6, 2], 3),
      ...Array.from({ length: 9 }, (_, i) => scored(4 + i, [0.5, null, null], 4 + i)),
    ];
    const settings = { ...tpe, goodShare: 0.3 };
    const model = fitTpe([0, 0, 3], results, settings, random());
    const donated = [
      [0.7, 1],
      [0.6, 2],
    ].map(String);
    assert.ok(model);
    for (const [, b, c] of model.good.points) assert.ok(donated.includes(String([b, c])));
    for (const [, b, c] of model.bad.points)
      assert.ok(b !== undefined && b >= 0 && b < 1 && [0, 1, 2].includes(c ?? -1));
    assert.deepEqual(model, fitTpe([0, 0, 3], results, settings, random()));
  });

  it('samples candidates around good points, inside the cube', () => {
    const model = fitTpe(
      [0, 4],
      line(40).map((one) => ({ ...one, point: [one.point[0] as number, 2] })),
      tpe,
      random()
    );
    assert.ok(model);
    const candidates = candidatesOf(model, tpe, random());
    assert.equal(candidates.length, 64);
    for (const [x, category] of candidates) {
      assert.ok(x !== undefined && x >= 0 && x <= 1);
      assert.ok([0, 1, 2, 3].includes(category ?? -1));
    }
    const mean = candidates.reduce((sum, [x]) => sum + (x as number), 0) / candidates.length;
    assert.ok(mean < 0.3, `the good ones lie below 0.15, the mean is ${mean}`);
  });

  it('draws a truncated normal: moments to three standard errors', () => {
    // Mean and variance of a normal truncated to [0, 1]: mean 0, deviation 0.5 and mean 0.5, deviation 0.01.
    const cases = [
      [0, 0.5, 0.36136, 0.06217],
      [0.5, 0.01, 0.5, 0.0001],
      [0.3, 1e6, 0.5, 1 / 12],
    ] as const;
    for (const [mean, deviation, expected, variance] of cases) {
      const draws = stream(3, 'normal');
      const n = 20_000;
      const values = Array.from({ length: n }, () => truncatedNormal(mean, deviation, draws));
      const m = values.reduce((a, b) => a + b) / n;
      const v = values.reduce((sum, x) => sum + (x - m) ** 2, 0) / n;
      assert.ok(Math.abs(m - expected) < 3 * Math.sqrt(variance / n), `mean ${m}`);
      assert.ok(Math.abs(v / variance - 1) < 0.05, `variance ${v}`);
    }
  });
});

describe('TPE sampler', () => {
  const cube: SearchSpace = {
    x: { type: 'float', low: -1, high: 1, log: false },
    y: { type: 'float', low: -1, high: 1, log: false },
    z: { type: 'float', low: -1, high: 1, log: false },
  };
  const sphere = ({ x, y, z }: Config) => [x, y, z].reduce<number>((sum, c) => sum + ((c as number) - 0.3) ** 2, 0);

  /** Runs `count` trials a wave at a time, every result at budget 1 before the next wave. */
  function run(study: Study, count: number, lossOf: (config: Config) => number | null): Config[] {
    const sampler = createSampler(study, null);
    const configs: Config[] = [];
    const observations: Observation[] = [];
    const wave = study.sampler.type === 'tpe' ? study.sampler.wave : count;
    for (let first = 0; first < count; first += wave) {
      const own = sampler.propose({
        bracket: 'b0',
        offset: 0,
        first,
        count: Math.min(wave, count - first),
        observations,
      });
      for (const { globalIndex, config } of own.trials) {
        configs.push(config);
        observations.push({ trial: globalIndex, budget: 1, loss: lossOf(config) });
      }
    }
    return configs;
  }

  it('proposes the same in a process that starts anew, given the configurations before', () => {
    const study = studyOf({ space: cube, sampler: tpe });
    const whole = run(study, 48, sphere);
    const observations = whole.map((config, trial) => ({ trial, budget: 1, loss: sphere(config) }));
    for (const first of [0, 8, 40]) {
      const anew = createSampler(study, null, whole.slice(0, first));
      const request = { bracket: 'b0', offset: 0, first, count: 8, observations: observations.slice(0, first) };
      const wanted = whole.slice(first, first + 8);
      // Asked twice, as when an activity is tried again; and when more is known to be drawn than is asked for.
      for (const sampler of [anew, anew, createSampler(study, null, whole)]) {
        assert.deepEqual(
          sampler.propose(request).trials.map((trial) => trial.config),
          wanted
        );
      }
    }
    assert.throws(() => createSampler(study, null).propose({ bracket: 'b0', offset: 8, count: 1 }), RangeError);
  });

  it('sees the observations of the request and nothing else', () => {
    const study = studyOf({ space: cube, sampler: always });
    const drawn = run(studyOf({ space: cube }), 40, sphere);
    const observe = (to: number, lossOf: (config: Config) => number) =>
      drawn.slice(0, to).map((config, trial) => ({ trial, budget: 1, loss: lossOf(config) }));
    const ask = (observations: readonly Observation[]) =>
      createSampler(study, null, drawn).propose({ bracket: 'b0', offset: 40, count: 4, observations }).trials;
    const seen = ask(observe(40, sphere));
    assert.deepEqual(ask(observe(40, sphere).reverse()), seen, 'in any order');
    assert.notDeepEqual(ask(observe(39, sphere)), seen);
    assert.notDeepEqual(ask(observe(40, (config) => -sphere(config))), seen);
    const randomly = createSampler(studyOf({ space: cube }), null).propose({ bracket: 'b0', offset: 40, count: 4 });
    assert.deepEqual(ask(observe(7, sphere)), randomly.trials, 'too few: as the sampler random');
  });

  it('proposes anew from what a later request for the same trials says', () => {
    const study = studyOf({ space: cube, sampler: always });
    const drawn = run(studyOf({ space: cube }), 40, sphere);
    const ask = (sign: number) => ({
      bracket: 'b0',
      offset: 0,
      first: 40,
      count: 8,
      observations: drawn.map((config, trial) => ({ trial, budget: 1, loss: sign * sphere(config) })),
    });
    const sampler = createSampler(study, null, drawn);
    const one = sampler.propose(ask(1));
    const other = sampler.propose(ask(-1));
    assert.notDeepEqual(other.trials, one.trials);
    assert.deepEqual(other, createSampler(study, null, drawn).propose(ask(-1)));
    assert.deepEqual(sampler.propose(ask(1)), one);
  });

  it('draws a third of its trials at random, those the sampler random draws', () => {
    const whole = run(studyOf({ space: cube, sampler: tpe }), 308, sphere).slice(8);
    const plain = run(studyOf({ space: cube }), 308, sphere).slice(8);
    const same = whole.filter((config, i) => configKey(config) === configKey(plain[i] as Config)).length;
    // 300 trials at 1/3: 100, standard deviation 8.2.
    assert.ok(same > 75 && same < 125, `${same} of 300`);
  });

  it('avoids duplicates while there is anything else', () => {
    const space: SearchSpace = {
      a: { type: 'choice', values: [0, 1, 2, 3, 4, 5] },
      b: { type: 'int', low: 1, high: 6, log: false, step: 1 },
    };
    const sampler = createSampler(studyOf({ space, sampler: always }), null);
    const observations: Observation[] = [];
    const seen: string[] = [];
    let [avoided, kept] = [0, 0];
    for (let first = 0; first < 40; first++) {
      const own = sampler.propose({ bracket: 'b0', offset: 0, first, count: 1, observations });
      for (const { config } of own.trials) {
        seen.push(configKey(config));
        observations.push({ trial: first, budget: 1, loss: (config['a'] as number) + (config['b'] as number) });
      }
      avoided += own.duplicatesAvoided;
      kept += own.duplicatesKept;
    }
    assert.equal(seen.length - new Set(seen).size, kept);
    assert.ok(kept >= 4 && kept <= 6, `${kept} kept: 40 trials of 36 configurations`);
    assert.ok(avoided > 0);
  });

  it('takes the given configurations first', () => {
    const tryFirst = [
      { x: 0.1, y: 0.2, z: 0.3 },
      { x: 0.4, y: 0.5, z: 0.6 },
    ];
    assert.deepEqual(run(studyOf({ space: cube, sampler: tpe, tryFirst }), 3, sphere).slice(0, 2), tryFirst);
  });

  const surface: SearchSpace = {
    lr: { type: 'float', low: 1e-5, high: 1, log: true },
    width: { type: 'int', low: 8, high: 512, log: true, step: 1 },
    optimizer: { type: 'choice', values: ['sgd', 'adam', 'rmsprop'] },
  };
  /** a + b (e + 1)^-c after 81 epochs; a has its optimum at lr 1e-2, width 128, adam. */
  function powerLaw({ lr, width, optimizer }: Config): number {
    const off = (log(lr as number) - log(1e-2)) / log(10);
    const wide = log((width as number) / 128) / log(2);
    const a = 0.07 + 0.05 * off * off + 0.01 * wide * wide + (optimizer === 'adam' ? 0 : 0.05);
    return a + exp(-off * off) * pow(82, -0.5);
  }
  for (const [what, space, lossOf] of [
    ['a sphere', cube, sphere],
    ['power laws of three parameters', surface, powerLaw],
  ] as const) {
    it(`proposes better than at random after 100 results, in most of 50 seeds: ${what}`, () => {
      let better = 0;
      for (let seed = 0; seed < 50; seed++) {
        const next = (sampler: Study['sampler']) => {
          const drawn = run(studyOf({ seed, space }), 100, lossOf);
          const observations = drawn.map((config, trial) => ({ trial, budget: 1, loss: lossOf(config) }));
          const own = createSampler(studyOf({ seed, space, sampler }), null, drawn);
          const { trials } = own.propose({ bracket: 'b0', offset: 0, first: 100, count: 8, observations });
          return Math.min(...trials.map((trial) => lossOf(trial.config)));
        };
        if (next(tpe) < next({ type: 'random' })) better++;
      }
      console.log(`      better in ${better} of 50 seeds`);
      assert.ok(better >= 35, `${better} of 50`);
    });

    // With 64 it does not (docs/algorithms/samplers.md): l / g then has the same best candidate again and again.
    it(`ends better than random search after 100 trials with 8 candidates, in most of 50 seeds: ${what}`, () => {
      let better = 0;
      for (let seed = 0; seed < 50; seed++) {
        const best = (sampler: Study['sampler']) =>
          Math.min(...run(studyOf({ seed, space, sampler }), 100, lossOf).map(lossOf));
        if (best({ ...tpe, candidates: 8 }) < best({ type: 'random' })) better++;
      }
      console.log(`      better in ${better} of 50 seeds`);
      assert.ok(better >= 35, `${better} of 50`);
    });
  }
});

describe('TPE on a table', () => {
  const side = 12;
  const table: Config[] = Array.from({ length: side * side }, (_, row) => ({
    lr: pow(10, -5 + (5 * (row % side)) / (side - 1)),
    layers: Math.floor(row / side),
    seed: 3,
    row,
  }));
  const lossOf = ({ lr, layers }: Config) =>
    (log(lr as number) / log(10) + 2) ** 2 + 0.1 * ((layers as number) - 4) ** 2;

  function run(study: Study, count: number): Config[] {
    const sampler = createSampler(study, table);
    const configs: Config[] = [];
    const observations: Observation[] = [];
    for (let first = 0; first < count; first += 8) {
      const own = sampler.propose({ bracket: 'b0', offset: 0, first, count: Math.min(8, count - first), observations });
      for (const { globalIndex, config } of own.trials) {
        configs.push(config);
        observations.push({ trial: globalIndex, budget: 1, loss: lossOf(config) });
      }
    }
    return configs;
  }

  it('draws every row once, then all again', () => {
    const rows = run(studyOf({ space: {}, sampler: tpe }), 2 * table.length + 5).map(
      (config) => config['row'] as number
    );
    const pass = (k: number) => rows.slice(k * table.length, (k + 1) * table.length);
    for (const k of [0, 1]) assert.equal(new Set(pass(k)).size, table.length);
    assert.notDeepEqual(pass(0), pass(1));
    assert.equal(new Set(pass(2)).size, 5);
  });

  it('takes the unused row with the largest l / g', () => {
    const study = studyOf({ space: {}, sampler: always });
    const drawn = createSampler(studyOf({ space: {} }), table)
      .propose({ bracket: 'b0', offset: 0, count: 60 })
      .trials.map((trial) => trial.config);
    const observations = drawn.map((config, trial) => ({ trial, budget: 1, loss: lossOf(config) }));
    const [next] = createSampler(study, table, drawn).propose({
      bracket: 'b0',
      offset: 60,
      count: 1,
      observations,
    }).trials;
    assert.ok(next);
    const point = ({ lr, layers }: Config) => [(log(lr as number) / log(10) + 5) / 5, (layers as number) / (side - 1)];
    const results = observations.map((one) => ({ ...one, point: point(drawn[one.trial] as Config) }));
    const model = fitTpe([0, 0], results, always, random());
    assert.ok(model);
    const used = new Set(drawn.map((config) => config['row']));
    for (const row of table) {
      // 1e-9: the scaled coordinates differ in their last digits.
      if (!used.has(row['row'] as number))
        assert.ok(promise(model, point(next.config)) >= promise(model, point(row)) * (1 - 1e-9));
    }
    assert.ok(!used.has(next.config['row'] as number));
  });

  it('finds the best rows before random draws do, in most of 50 seeds', () => {
    let better = 0;
    for (let seed = 0; seed < 50; seed++) {
      const mean = (sampler: Study['sampler']) =>
        run(studyOf({ seed, space: {}, sampler }), 60).reduce((sum, config) => sum + lossOf(config), 0);
      if (mean(tpe) < mean({ type: 'random' })) better++;
    }
    assert.ok(better >= 35, `${better} of 50`);
  });
});
