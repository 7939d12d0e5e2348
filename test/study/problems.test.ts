import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { loadStudy } from '../../study/load.js';
import { nearest } from '../../study/nearest.js';
import { parseStudy } from '../../study/parse.js';
import type { Problem } from '../../study/problem.js';
import { editorSchema } from '../../study/schema.js';

type Raw = Record<string, unknown>;

const base = {
  name: 'wrong',
  space: { lr: { float: [0.1, 1] } },
  scheduler: { type: 'hyperband', R: 9 },
  trainer: { command: 'train' },
};

/** What is wrong with the base study when `yaml` replaces some of its sections. */
function problemsOf(yaml: string): readonly Problem[] {
  const parsed = parseStudy({ ...base, ...(parse(yaml) as Raw) }, { baseDir: tmpdir() });
  return parsed.ok ? [] : parsed.problems;
}
const pathsOf = (yaml: string) => problemsOf(yaml).map((problem) => problem.path);

/** One file a line: the sections that are wrong, the path that must be named, the rule, the suggestion. */
const wrong: [what: string, yaml: string, path: string, rule: RegExp, suggestion?: string][] = [
  ['two kinds at once', 'space: {lr: {float: [0, 1], int: [1, 2]}}', 'space.lr', /has float and int: give one of/],
  ['a fixed choice', 'space: {lr: {choice: [1], fixed: 1}}', 'space.lr', /has choice and fixed/],
  [
    'a value no choice has',
    'space: {b: {choice: [sgd, adam]}, a: {fixed: 1, when: {parameter: b, in: [adam, sdg]}}}',
    'space.a.when.in.1',
    /never holds: b is "sdg": must be one of \["sgd","adam"\]/,
    'sgd',
  ],
  [
    'text for a number of a choice',
    'space: {b: {choice: [1, 2]}, a: {fixed: 1, when: {parameter: b, in: ["2"]}}}',
    'space.a.when.in.0',
    /never holds/,
    '2',
  ],
  [
    'a value above a range of whole numbers',
    'space: {b: {int: [1, 9], step: 3}, a: {fixed: 1, when: {parameter: b, in: [11]}}}',
    'space.a.when.in.0',
    /between 1 and 9/,
    '7',
  ],
  [
    'a value below a range',
    'space: {b: {float: [0.5, 1]}, a: {fixed: 1, when: {parameter: b, in: [0.25]}}}',
    'space.a.when.in.0',
    /between 0.5 and 1/,
    '0.5',
  ],
  [
    'a value a fixed parameter has not',
    'space: {b: {fixed: x}, a: {fixed: 1, when: {parameter: b, in: [true]}}}',
    'space.a.when.in.0',
    /must be "x"/,
    'x',
  ],
  [
    'a misspelt parameter of a condition',
    'space: {a: {fixed: 1, when: {parameter: optimizer, in: [x]}}, optimiser: {fixed: x}}',
    'space.a.when.parameter',
    /there is no such parameter; the other parameter is optimiser$/,
    'optimiser',
  ],
  [
    'a condition on no parameter, where there is no other',
    'space: {a: {fixed: 1, when: {parameter: b, in: [x]}}}',
    'space.a.when.parameter',
    /^there is no such parameter$/,
  ],
  ['a key beside the only one', 'sampler: {type: random, foo: 1}', 'sampler.foo', /no such key; the only key is type$/],
  ['a unit of time that is none', 'limits: {deadlineSeconds: 1w}', 'limits.deadlineSeconds', /seconds, or a duration/],
  ['a spelt-out time', 'training: {backoffSeconds: 5 minutes}', 'training.backoffSeconds', /such as "90s", "10m"/],
  ['a negative time', 'training: {graceSeconds: -1}', 'training.graceSeconds', /seconds, or a duration/],
  ['a list for a time', 'training: {parkSeconds: []}', 'training.parkSeconds', /seconds, or a duration/],
  [
    'a kind of failure that is none',
    'training: {retry: {ooom: {}}}',
    'training.retry.ooom',
    /no such key; the keys are oom, timeout, crash, error$/,
    'oom',
  ],
  [
    'a misspelt key of a rule',
    'training: {retry: {oom: {que: big}}}',
    'training.retry.oom.que',
    /no such key; the keys are attempts, backoffSeconds, queue$/,
    'queue',
  ],
  ['no attempt', 'training: {retry: {crash: {attempts: 0}}}', 'training.retry.crash.attempts', /1 or more$/],
  ['a queue without a name', 'training: {retry: {oom: {queue: ""}}}', 'training.retry.oom.queue', /name a task queue/],
  ['a word for a rule', 'training: {retry: {oom: big}}', 'training.retry.oom', /must be a mapping$/],
  ['rules outside of training', 'retry: {oom: {queue: big}}', 'retry', /there is no such key/, 'training.retry'],
  [
    'no trials for ASHA',
    'scheduler: {type: asha, R: 9}',
    'scheduler.trials',
    /missing: must be a whole number of 1 or more, or "untilLimit"/,
  ],
  [
    'no trials for halving',
    'scheduler: {type: successiveHalving, R: 9}',
    'scheduler.trials',
    /missing: must be a whole number of 1 or more$/,
  ],
  ['half a bracket', 'scheduler: {type: hyperband, R: 9, brackets: 1.5}', 'scheduler.brackets', /1 or more, or "all"/],
  ['iterations forever', 'scheduler: {type: hyperband, R: 9, iterations: ever}', 'scheduler.iterations', /untilLimit/],
  ['no type', 'scheduler: {R: 9}', 'scheduler.type', /missing: must be one of hyperband, .*bohb/],
  ['a scheduler in one word', 'scheduler: hyperband', 'scheduler', /a mapping with a type of hyperband/],
  ['a number for a sampler', 'sampler: 3', 'sampler', /a mapping with a type of random/],
  ['a sampler without a type', 'sampler: {wave: 3}', 'sampler.type', /missing: must be one of random/],
  [
    'a predictor without a type',
    'pruner: {type: swift, predictor: {}}',
    'pruner.predictor.type',
    /missing: must be one of/,
  ],
  [
    'a number for a predictor',
    'pruner: {type: swift, predictor: 3}',
    'pruner.predictor',
    /a mapping with a type of svr/,
  ],
  [
    'a misspelt fallback',
    'pruner: {type: swift, predictor: {type: annealer, fallback: isotonc}}',
    'pruner.predictor.fallback',
    /must be one of svr, /,
    'isotonic',
  ],
  ['a value JSON does not have', 'space: {a: {choice: [.nan]}}', 'space.a.values.0', /a finite number/],
  ['infinity in settings', 'trainer: {activity: a, taskQueue: q, settings: [.inf]}', 'trainer.settings', /finite/],
  ['text for a number', 'space: {a: {float: [low, 1]}}', 'space.a.low', /must be a number$/],
  ['a list for the space', 'space: []', 'space', /must be a mapping$/],
  ['a number for text', 'trainer: {command: x, env: {A: 1}}', 'trainer.env.A', /must be text/],
  ['a future version', 'schemaVersion: 2', 'schemaVersion', /^must be 1$/],
  ['a misspelt mode', 'objective: {mode: maximse}', 'objective.mode', /must be one of minimise, /, 'maximise'],
  ['a condition without values', 'space: {a: {fixed: 1, when: {parameter: b}}}', 'space.a.when.in', /missing.*a list/],
  [
    'swapped letters',
    'space: {lr: {float: [0.1, 1], lgo: true}}',
    'space.lr.lgo',
    /there is no such key; the keys are type/,
    'log',
  ],
  ['a misspelt kind', 'space: {lr: {flaot: [0, 1]}}', 'space.lr', /a parameter is/, 'float'],
  ['a misspelt trainer', 'trainer: {comand: x}', 'trainer', /a trainer is {module: file}/, 'command'],
  ['a trainer in one word', 'trainer: train.py', 'trainer', /a trainer is {module: file}/],
  [
    'R below eta for ASHA',
    'scheduler: {type: asha, R: 2, eta: 3, trials: 9}',
    'scheduler.maxBudget',
    /at least eta \* minBudget = 3/,
  ],
  [
    'R below eta for halving',
    'scheduler: {type: successiveHalving, R: 2, eta: 3, trials: 9}',
    'scheduler.maxBudget',
    /at least eta \* minBudget = 3/,
  ],
  [
    'halving of one rung',
    'scheduler: {type: successiveHalving, R: 1, trials: 9}',
    'scheduler.maxBudget',
    /eta \* minBudget/,
  ],
  [
    'more brackets than there are',
    'scheduler: {type: hyperband, R: 9, brackets: 99}',
    'scheduler.brackets',
    /at most 3: there are no more at R = 9, eta = 3/,
  ],
  [
    'another predictor for quantum-swift',
    'pruner: {type: quantum-swift, predictor: svr}',
    'pruner.predictor',
    /Quantum-Swift is swift with the predictor annealer/,
  ],
  ['the metric epoch', 'objective: {metric: epoch}', 'objective.metric', /must not be epoch or checkpoint/],
  ['the metric checkpoint', 'objective: {metric: checkpoint}', 'objective.metric', /must not be epoch or checkpoint/],
  ['an empty command', 'trainer: {command: ""}', 'trainer.command', /must start with a program/],
  ['an empty program', 'trainer: {command: ["", x]}', 'trainer.command', /must start with a program/],
  ['no words', 'trainer: {command: []}', 'trainer.command', /at least one|>=1/],
  ['a step over the range', 'space: {a: {float: [0, 1], step: 1.5}}', 'space.a.step', /must not exceed high - low/],
  ['a step over whole numbers', 'space: {a: {int: [1, 4], step: 8}}', 'space.a.step', /must not exceed high - low/],
  [
    'a parameter __proto__',
    'space: {a: {fixed: 1}, __proto__: {fixed: 1}}',
    'space.__proto__',
    /must not be one that every/,
  ],
  ['a parameter constructor', 'space: {constructor: {fixed: 1}}', 'space.constructor', /must not be one that every/],
  ['a parameter without a name', 'space: {"": {fixed: 1}}', 'space.', /must not be one that every/],
];

describe('problems of a study file', () => {
  it('has a base that is right', () => assert.deepEqual(problemsOf('{}'), []));

  for (const [what, yaml, at, rule, suggestion] of wrong) {
    it(`names ${what}`, () => {
      const problems = problemsOf(yaml);
      const found = problems.find((problem) => problem.path === at);
      assert.ok(found, JSON.stringify(problems));
      assert.match(found.rule, rule);
      assert.equal(found.suggestion, suggestion);
    });
  }

  it('says a rule, never that an input is invalid, and nothing twice', () => {
    const junk = [null, 3, -1, 1.5, 'junk', '', true, [], [3], {}, { junk: 1 }, { type: 'junk' }, { type: 3 }, NaN];
    const paths = ['name', 'seed', 'objective', 'objective.metric', 'objective.mode', 'space', 'space.lr'];
    paths.push('space.lr.float', 'space.lr.when', 'space.lr.step', 'sampler', 'scheduler', 'scheduler.R');
    paths.push('scheduler.eta', 'scheduler.brackets', 'scheduler.order', 'scheduler.iterations', 'pruner');
    paths.push('trainer', 'trainer.command', 'trainer.cwd', 'trainer.env', 'parallelism', 'training', 'limits');
    paths.push('training.parkSeconds', 'training.attempts', 'limits.epochs', 'limits.target', 'limits.deadlineSeconds');
    paths.push('training.retry', 'training.retry.oom', 'training.retry.oom.queue', 'training.retry.oom.attempts');
    paths.push('tryFirst', 'budgetUnit', 'schemaVersion', 'pruner.predictor', 'pruner.fallback');
    const files = paths.flatMap((at) =>
      junk.map((value) => {
        const file = structuredClone({
          ...base,
          pruner: { type: 'swift' },
          limits: {},
          training: { retry: { oom: {} } },
          objective: {},
        });
        const keys = at.split('.');
        const inside = keys.slice(0, -1).reduce((one, key) => one[key] as Raw, file as Raw);
        inside[keys.at(-1) as string] = value;
        return file as Raw;
      })
    );
    files.push(...wrong.map(([, yaml]) => ({ ...base, ...(parse(yaml) as Raw) })));
    let refused = 0;
    for (const file of files) {
      const parsed = parseStudy(file, { baseDir: tmpdir() });
      if (parsed.ok) continue;
      refused++;
      const said = parsed.problems.map(({ path: at, rule }) => `${at}: ${rule}`);
      assert.equal(new Set(said).size, said.length, said.join('\n'));
      for (const one of said) assert.doesNotMatch(one, /Invalid/, JSON.stringify(file));
    }
    assert.ok(refused > 350, String(refused));
  });

  it('reports keys, ranges, schedulers and tryFirst at once', () => {
    const yaml = `
space: {a: {float: [2, 1]}, b: {float: [0.1, 1], logg: true}, c: {flaot: [0, 1]}}
scheduler: {type: hyperband, R: 2, eta: 3, ordre: together}
sampler: {type: tpe}
tryFirst: [{a: 1, b: 5}]
pruner: {type: swift, minCurves: 1}
metrc: loss`;
    assert.deepEqual(pathsOf(yaml).sort(), [
      'metrc',
      'pruner.minCurves',
      'scheduler.maxBudget',
      'scheduler.order',
      'scheduler.ordre',
      'space.a',
      'space.b.logg',
      'space.c',
      'tryFirst.0',
    ]);
    const rule = problemsOf(yaml).find((problem) => problem.path === 'tryFirst.0')?.rule;
    assert.match(rule ?? '', /^b is 5/);
  });

  it('reports a scheduler beside a wrong space, and sizes beside a wrong section', () => {
    const asha = 'scheduler: {type: asha, R: 9, trials: 600}';
    assert.deepEqual(pathsOf(`{space: {a: {float: [2, 1]}}, scheduler: {type: hyperband, R: 2}}`), [
      'space.a',
      'scheduler.maxBudget',
    ]);
    assert.deepEqual(pathsOf(`{${asha}, parallelism: 501, seed: x}`), ['seed', 'parallelism']);
  });

  it('takes a misspelt key for what it most likely means, and refuses nothing else for it', () => {
    assert.deepEqual(pathsOf('scheduler: {type: hyperband, R: 2, etta: 2}'), ['scheduler.etta']);
    assert.deepEqual(pathsOf('{limits: {epoch: 9}, scheduler: {type: asha, R: 9, trials: untilLimit}}'), [
      'limits.epoch',
    ]);
    const condition = 'b: {choice: [x, y]}, a: {fixed: 1, wehn: {parameter: b, in: [x]}}';
    assert.deepEqual(pathsOf(`{space: {${condition}}, tryFirst: [{b: y}]}`), ['space.a.wehn']);
  });

  it('judges no configuration by a parameter that is wrong, nor by what hangs on it', () => {
    const space = 'a: {float: [2, 1]}, b: {fixed: 1, when: {parameter: a, in: [9]}}, c: {int: [1, 3]}';
    assert.deepEqual(pathsOf(`{space: {${space}}, tryFirst: [{c: 1}, {a: 9, b: 7, c: 2}]}`), ['space.a']);
    assert.deepEqual(pathsOf(`{space: {${space}}, tryFirst: [{c: 9}, {c: 1, d: 1}]}`), [
      'space.a',
      'tryFirst.0',
      'tryFirst.1',
    ]);
    const later = 'b: {fixed: 1, when: {parameter: c, in: [9]}}, c: {float: [2, 1]}, a: {int: [1, 3]}';
    assert.deepEqual(pathsOf(`{space: {${later}}, tryFirst: [{a: 1}, {a: 9}]}`), ['space.c', 'tryFirst.1']);
    const sound = 'b: {fixed: 1, when: {parameter: c, in: [2]}}, c: {int: [1, 3]}';
    assert.deepEqual(pathsOf(`{space: {${sound}}, tryFirst: [{c: 2, b: 7}, {c: 2, b: 1}]}`), ['tryFirst.0']);
  });

  it('names every circle of conditions once, and judges nothing by its parameters', () => {
    const on = (name: string) => `{fixed: 1, when: {parameter: ${name}, in: [1]}}`;
    const space = `d: ${on('c')}, c: ${on('b')}, b: ${on('a')}, a: ${on('c')}, e: ${on('e')}, f: {int: [1, 3]}`;
    const study = `{space: {${space}}, sampler: grid, tryFirst: [{f: 1, c: 5}, {f: 9, d: 1}]}`;
    assert.deepEqual(pathsOf(study), ['space.a.when.parameter', 'space.e.when.parameter', 'tryFirst.1']);
    assert.deepEqual(
      problemsOf(study)
        .slice(0, 2)
        .map(({ value, rule }) => [value, rule]),
      [
        ['c', 'the conditions of a -> c -> b -> a go in a circle: none of these parameters would ever be active'],
        ['e', 'the conditions of e -> e go in a circle: none of these parameters would ever be active'],
      ]
    );
  });

  it('takes what is next to wrong', () => {
    for (const yaml of [
      'scheduler: {type: asha, R: 3, eta: 3, trials: 9}',
      'scheduler: {type: successiveHalving, R: 3, eta: 3, trials: 9}',
      'scheduler: {type: hyperband, R: 9, brackets: 3}',
      'pruner: {type: quantum-swift, predictor: annealer}',
      'pruner: {type: quantum-swift, predictor: {type: annealer, reads: 10}}',
      'objective: {metric: error}',
      'space: {a: {float: [0.2, 0.3], step: 0.1}, b: {int: [3, 3]}, c: {float: [1, 1], step: 1}}',
      'space: {b: {int: [1, 9], step: 2}, a: {fixed: 1, when: {parameter: b, in: [3, 9]}}}',
      'space: {a: {fixed: 1, when: {parameter: b, in: [3, 9]}}, b: {int: [1, 9], step: 2}}',
    ]) {
      assert.deepEqual(problemsOf(yaml), [], yaml);
    }
  });

  it('tells editors which predictor quantum-swift has', () => {
    const known = (predictor: unknown) =>
      editorSchema.safeParse({ ...base, pruner: { type: 'quantum-swift', predictor } }).success;
    assert.ok(known('annealer') && known({ type: 'annealer' }) && known(undefined));
    assert.ok(!known('svr') && !known({ type: 'svr' }));
  });

  it('counts two swapped letters as one slip', () => {
    assert.equal(nearest('lgo', ['type', 'low', 'high', 'log']), 'log');
    assert.equal(nearest('lwo', ['log', 'low']), 'low');
    assert.equal(nearest('sdg', ['adam', 'sgd']), 'sgd');
  });

  it('reports every key given twice, and what else is wrong', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'everband-problems-'));
    try {
      const file = path.join(folder, 'twice.yaml');
      writeFileSync(file, 'name: a\nname: b\nseed: 1\nseed: x\nscheduler: {type: hyperband, R: 2}\n');
      const parsed = await loadStudy(file);
      assert.ok(!parsed.ok);
      const rules = parsed.problems.map(({ path: at, rule }) => `${at} ${rule}`);
      for (const rule of [/line 2/, /line 4/, /^seed must/, /^trainer is missing/, /^scheduler.maxBudget/]) {
        assert.equal(rules.filter((one) => rule.test(one)).length, 1, `${rule} in ${rules.join('\n')}`);
      }
      writeFileSync(file, 'name: [\nspace: }\n');
      assert.ok(!(await loadStudy(file)).ok);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
