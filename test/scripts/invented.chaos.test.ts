import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { ownPorts } from '../../chaos/ports.js';
import type { StudyRecord } from '../../core/record.js';
import { workflowIds } from '../../workflows/messages.js';
import { generatedCurves } from '../harness.js';

interface Invented {
  /** The folder of its registry, and of the file. */
  readonly family: string;
  readonly name: string;
  /** Its name in a study file. */
  readonly type: string;
  /** The line of the registry that it goes into. */
  readonly line: string;
  readonly source: string;
}

/** One of each family that nobody has heard of. */
const invented: readonly Invented[] = [
  {
    family: 'schedulers',
    name: 'halfway',
    type: 'halfway',
    line: 'export const schedulers = {',
    source: `/** Two rounds, and the better half goes on. */
import { Plan } from '../engine/plan.js';
import type { SchedulerDefinition } from '../engine/scheduler.js';
import { maxBudget, trials } from './options.js';
import { Rounds, topOf, type Closed } from './rounds.js';

export interface HalfwayScheduler {
  readonly type: 'halfway';
  readonly trials: number;
  readonly maxBudget: number;
}

export const halfway: SchedulerDefinition<HalfwayScheduler> = {
  title: 'halfway',
  step: 'round',
  options: { trials, maxBudget },
  shapes: (settings) => [
    { s: 0, trials: settings.trials, rungs: [Math.ceil(settings.maxBudget / 2), settings.maxBudget] },
  ],
  kept: (_, entered) => Math.ceil(entered / 2),
  create(context, state) {
    const plan = new Plan({ definition: halfway, settings: context.settings, pruner: context.study.pruner });
    const places = (round: { readonly trials: number }) => Math.ceil(round.trials / 2);
    const promote = (closed: Closed) => topOf(closed, places(closed.round));
    return new Rounds({ context, plan, together: false, places, promote, holds: false }, state);
  },
};
`,
  },
  {
    family: 'pruners',
    name: 'worst',
    type: 'worst',
    line: 'export const pruners = {',
    source: `/** The first half of a round trains on; of the others who is predicted to end worse than all of them stops. */
import { between, minCurvesOption, predictorOption, type PrunerDefinition } from '../engine/pruner.js';
import type { PredictorSettings } from '../predictors/index.js';

export interface WorstPruner {
  readonly type: 'worst';
  readonly predictor: PredictorSettings;
  readonly minCurves: number;
}

export const worst: PrunerDefinition<WorstPruner> = {
  options: { predictor: predictorOption, minCurves: minCurvesOption },
  describe: ({ predictor }, scheduler) => \`\${scheduler} without its worst, on \${predictor.type}\`,
  compares: 'prediction',
  decisionPoint: (_, from, to) => between(0.5, from, to),
  points: (_, from, to) => {
    const p = between(0.5, from, to);
    return p === null ? [] : [p];
  },
  predictor: ({ predictor }) => predictor,
  *run(round, settings) {
    const { to, decisionPoint: p } = round.group;
    const half = p === null ? round.trials.length : Math.ceil(round.trials.length / 2);
    yield* round.open((_, position) => (position < half ? to : (p ?? to)));
    const complete = round.trials.slice(0, half).filter(({ end }) => end === 'rung');
    round.remember(complete);
    const waiting = round.trials.slice(half).filter(({ end }) => end === 'rung');
    if (p === null || waiting.length === 0 || complete.length === 0) return null;
    const threshold = Math.max(...complete.map((trial) => trial.loss()));
    const { answer, trainedOn, fresh } = yield* round.ask(settings, p, waiting);
    const predictions = waiting.map((trial, i) => {
      const predicted = answer.outcome === 'predicted' ? (answer.losses[i] as number) : null;
      const goesOn = predicted === null || predicted <= threshold;
      if (!goesOn) trial.end = 'stopped';
      return { trial: trial.id, predicted, goesOn };
    });
    const sentOn = complete.map(({ id }) => id);
    const decision = { epoch: p, sentOn, threshold, trainedOn, predictorsTrained: fresh ? 1 : 0, predictions };
    return yield* round.conclude(
      waiting.filter(({ end }) => end === 'rung'),
      { decision, teaches: false }
    );
  },
};
`,
  },
  {
    family: 'predictors',
    name: 'drop',
    type: 'drop',
    line: 'export const plainPredictors = {',
    source: `/** Every curve falls as far as the others did on average. */
import type { PredictorDefinition } from './definition.js';

export interface DropPredictor {
  readonly type: 'drop';
}

export const drop: PredictorDefinition<DropPredictor> = {
  options: {},
  fit(rows, targets) {
    const falls = rows.map((row, i) => (row.at(-1) as number) - (targets[i] as number));
    const mean = falls.reduce((sum, fall) => sum + fall, 0) / falls.length;
    return { predict: (row) => (row.at(-1) as number) - mean };
  },
};
`,
  },
  {
    family: 'samplers',
    name: 'corners',
    type: 'corners',
    line: 'export const samplers = {',
    source: `/** The ends of every range, one combination after the other; of a table its rows in order. */
import { inOrder } from '../space.js';
import type { Config } from '../settings.js';
import type { SamplerDefinition } from './definition.js';

export interface CornersSampler {
  readonly type: 'corners';
}

export const corners: SamplerDefinition<CornersSampler> = {
  options: {},
  wave: () => null,
  draws: ({ space }) => (index, earlier) => {
    const config: Config = Object.fromEntries(
      inOrder(space).map(([name, parameter], i) => {
        const ends = 'low' in parameter ? [parameter.low, parameter.high] : [0, 1];
        return [name, ends[(index >> i) & 1] as number];
      })
    );
    return { config, avoided: 0, kept: earlier.has(config) };
  },
  tableDraws: (_, __, table) => (index, earlier) => {
    const config = table[index % table.length] as Config;
    return { config, avoided: 0, kept: earlier.has(config) };
  },
};
`,
  },
  {
    family: 'objectives',
    name: 'least',
    type: 'least',
    line: 'export const objectives = {',
    source: `/** The smaller the metric, the better: twice of it is the loss. */
import type { ObjectiveDefinition } from './definition.js';

export interface LeastObjective {
  readonly metric: string;
  readonly mode: 'least';
}

export const least: ObjectiveDefinition<LeastObjective> = {
  spellings: ['fewest'],
  options: {},
  loss: (value) => 2 * value,
  value: (loss) => loss / 2,
};
`,
  },
  {
    family: 'objectives',
    name: 'within',
    type: 'within',
    line: 'export const objectives = {',
    source: `/** A constraint: the smaller the metric, the better, of those whose other metric is within its limit. */
import type { ObjectiveDefinition, Result } from './definition.js';

export interface WithinObjective {
  readonly metric: string;
  readonly mode: 'within';
  readonly limited: string;
  readonly atMost: number;
}

function excess({ limited, atMost }: WithinObjective, { metrics }: Result): number {
  return Math.max(0, (metrics?.[limited] ?? Number.MAX_VALUE) - atMost);
}

export const within: ObjectiveDefinition<WithinObjective> = {
  spellings: ['constrained'],
  options: {
    limited: { kind: 'text', says: 'The metric that has a limit.' },
    atMost: { kind: 'number', says: 'The limit.', default: 12 },
  },
  loss: (value) => value,
  value: (loss) => loss,
  metrics: ({ limited }) => [limited],
  compare: (settings, a, b) => excess(settings, a) - excess(settings, b) || a.loss - b.loss,
  counts: (settings, result) => excess(settings, result) === 0,
};
`,
  },
  {
    family: 'objectives',
    name: 'pair',
    type: 'pair',
    line: 'export const objectives = {',
    source: `/** Two objectives, the smaller the better. */
import type { ObjectiveDefinition } from './definition.js';

export interface PairObjective {
  readonly metric: string;
  readonly mode: 'pair';
  readonly second: string;
}

export const pair: ObjectiveDefinition<PairObjective> = {
  spellings: [],
  options: { second: { kind: 'text', says: 'The other metric.' } },
  loss: (value) => value,
  value: (loss) => loss,
  metrics: ({ second }) => [second],
};
`,
  },
  {
    family: 'schedulers',
    name: 'fronts',
    type: 'fronts',
    line: 'export const schedulers = {',
    source: `/** Multi-objective Hyperband: of every round go on those whom nobody dominates, then those whom nobody else does, and so on. */
import { Plan } from '../engine/plan.js';
import type { SchedulerDefinition } from '../engine/scheduler.js';
import { hyperband } from './hyperband.js';
import type { HyperbandScheduler } from './hyperband.js';
import { Rounds, topOf, type Closed } from './rounds.js';

export type FrontsScheduler = Omit<HyperbandScheduler, 'type'> & { readonly type: 'fronts' };

const numbers = ({ loss, metrics = {} }: Closed['ranking'][number]): number[] => [
  loss,
  ...Object.values(metrics).map((number) => number ?? Infinity),
];

function dominates(a: readonly number[], b: readonly number[]): boolean {
  return a.every((number, i) => number <= (b[i] as number)) && a.some((number, i) => number < (b[i] as number));
}

function byFronts(ranking: Closed['ranking']): Closed['ranking'] {
  if (ranking.length === 0) return [];
  const front = ranking.filter((one) => !ranking.some((other) => dominates(numbers(other), numbers(one))));
  return [...front, ...byFronts(ranking.filter((one) => !front.includes(one)))];
}

const base = hyperband as unknown as SchedulerDefinition<FrontsScheduler>;

export const fronts: SchedulerDefinition<FrontsScheduler> = {
  ...base,
  title: 'multi-objective Hyperband',
  create(context, state) {
    const plan = new Plan({ definition: fronts, settings: context.settings, pruner: context.study.pruner });
    const places = (round: { readonly trials: number }) => fronts.kept(context.settings, round.trials);
    const promote = (closed: Closed) =>
      topOf({ ...closed, ranking: byFronts(closed.ranking) }, places(closed.round));
    return new Rounds({ context, plan, together: false, places, promote, holds: false }, state);
  },
};
`,
  },
];

/**
 * Reports two metrics: whatever is wide has a small loss, and takes long. No trial trains past its third epoch
 * before the database is lost, so that the last rounds of every bracket run on the new one.
 */
const twoMetrics = `
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export function numbersOf({ x, width }, seed, epoch) {
  return { loss: 1 - width + x / 10 + (1 + (seed % 100) / 100) / epoch, latency: 20 * width + epoch / 100 };
}

export async function train({ config, seed, from, to, checkpoint, checkpointDir, report }) {
  if (checkpoint && Number(readFileSync(checkpoint, 'utf8')) !== from) throw new Error('another checkpoint');
  for (let epoch = from + 1; epoch <= to; epoch++) {
    do await new Promise((resolve) => setTimeout(resolve, 150));
    while (epoch > 3 && !existsSync(new URL('lost', import.meta.url)));
    writeFileSync(path.join(checkpointDir, String(epoch)), String(epoch));
    await report(numbersOf(config, seed, epoch), String(epoch));
  }
}
`;

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('schedulers, pruners, predictors, samplers and objectives, each in one file and one line of its registry', function () {
  this.timeout(300_000);
  const tree = mkdtempSync(path.join(os.tmpdir(), 'everband-invented-'));
  const home = path.join(tree, 'home');
  let worker: ChildProcess | null = null;
  const environment = Object.fromEntries(
    Object.entries({ ...process.env, EVERBAND_HOME: home, NO_COLOR: '1' }).filter(([key]) => key !== 'TEMPORAL_ADDRESS')
  );
  function everband(...args: string[]): string {
    const cli = path.join(tree, 'dist/scripts/everband.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
      cwd: tree,
      encoding: 'utf8',
      env: environment,
    });
    assert.equal(status, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  }

  before(() => {
    ownPorts(home);
    const left = new Set(['node_modules', 'dist', '.git', '.venv', '.everband', 'test']);
    cpSync(root, tree, { recursive: true, filter: (file) => !left.has(path.basename(file)) });
    symlinkSync(path.join(root, 'node_modules'), path.join(tree, 'node_modules'));
    for (const { family, name, type, line, source } of invented) {
      writeFileSync(path.join(tree, 'core', family, `${name}.ts`), source);
      const index = path.join(tree, 'core', family, 'index.ts');
      const text = readFileSync(index, 'utf8');
      const registered = text.replace(line, `${line} ${type}: ${name},`);
      assert.notEqual(registered, text);
      writeFileSync(index, `import { ${name} } from './${name}.js';\n${registered}`);
    }
    const built = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: tree, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stdout + built.stderr);
  });
  after(async () => {
    await endWorker();
    if (existsSync(home)) everband('server', 'stop');
    rmSync(tree, { recursive: true, force: true });
  });

  const recordOf = (name: string) => path.join(home, 'studies', name, 'record/record.json');
  const twoMetricsSpace = { x: { float: [0, 1] }, width: { float: [0, 1] } };
  const wholeSpace = { x: { type: 'float', low: 0, high: 1 }, width: { type: 'float', low: 0, high: 1 } };

  /** What a module prints that runs there. */
  function inTree(program: string): string {
    const args = ['--input-type=module', '-e', program];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: tree, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout;
  }

  /** What a workflow's page in the Web UI says. */
  async function pageOf(workflowId: string): Promise<string> {
    const { port } = JSON.parse(readFileSync(path.join(home, 'server/server.json'), 'utf8')) as { port: number };
    const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
    try {
      const handle = new Client({ connection }).workflow.getHandle(workflowId);
      return ((await handle.query('__temporal_workflow_metadata')) as { currentDetails: string }).currentDetails;
    } finally {
      await connection.close();
    }
  }

  function lastRoundOf({ brackets }: StudyRecord, trial = ''): number {
    const rounds = brackets.find(({ id }) => trial.startsWith(`${id}-`))?.rounds ?? [];
    return rounds.findLastIndex(({ trials }) => trials.includes(trial));
  }

  function loseDatabase(): void {
    everband('server', 'stop');
    for (const file of readdirSync(path.join(home, 'server'))) {
      if (file.includes('.db')) rmSync(path.join(home, 'server', file));
    }
    everband('server');
  }

  async function endWorker(): Promise<void> {
    if (!worker) return;
    const gone = new Promise((resolve) => worker?.once('exit', resolve));
    worker.kill('SIGKILL');
    await gone;
    worker = null;
  }

  async function startWorker(): Promise<void> {
    worker = spawn(process.execPath, [path.join(tree, 'dist/scripts/everband.js'), 'worker', '--slots', '4'], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve) => {
      worker?.stdout?.on('data', (chunk: Buffer) => chunk.toString().includes('worker ready') && resolve());
    });
  }

  /** Runs a study file through every command, with what it says where. */
  async function through(
    name: string,
    study: string,
    says: { plan: RegExp; trials: number; status: RegExp; report: RegExp }
  ): Promise<StudyRecord> {
    const file = path.join(tree, `${name}.yaml`);
    writeFileSync(file, `name: ${name}\n${study}\n`);
    assert.match(everband('validate', file), new RegExp(`study ${name} is fine`));
    assert.match(everband('plan', file), says.plan);
    everband('server');
    if (!worker) await startWorker();
    const result = JSON.parse(everband('start', file, '--wait', '--json').trim().split('\n').at(-1) ?? '') as {
      ended: string;
      trials: number;
    };
    assert.deepEqual([result.ended, result.trials], ['finished', says.trials]);
    assert.match(everband('status', name), says.status);
    assert.match(everband('trials', name), /b0-t000/);
    assert.match(everband('audit', name), new RegExp(`every decision of ${name} follows`));
    everband('export', name, '--out', tree);
    assert.match(readFileSync(path.join(tree, `${name}.trials.csv`), 'utf8'), /b0-t000/);
    everband('report', name, '--out', path.join(tree, `${name}.html`));
    assert.match(readFileSync(path.join(tree, `${name}.html`), 'utf8'), says.report);
    const figure = path.join(tree, `${name}.svg`);
    const simulated = ['simulate', file, '--seeds', '2', '--algorithms', 'study,random', '--figure', figure];
    assert.match(everband(...simulated), /study/);
    assert.match(readFileSync(figure, 'utf8'), /lower is better/);
    return JSON.parse(readFileSync(recordOf(name), 'utf8')) as StudyRecord;
  }

  it('runs a scheduler through every command', async () => {
    const study = `scheduler: {type: halfway, trials: 12, R: 6}\npruner: median\ntrainer: {replay: ${generatedCurves(40, 6)}, columns: loss_}`;
    await through('invented', study, {
      plan: /12 trials, 54 epochs with resume/,
      trials: 12,
      status: /b0 +0 +0-3 +12 /,
      report: /halfway, R = 6/,
    });
  });

  it('shows a scheduler on the pages of the Web UI', async () => {
    const study = await pageOf(workflowIds.study('invented'));
    assert.match(study, /^\*\*invented\*\*: done, \d+ of 54 epochs\n\nBest: `b0-t\d+`, loss \S+ at 6 epochs\n/);
    assert.match(study, /^\| bracket \| round \| epochs \| trials \|/m);
    assert.match(
      study,
      /^\| b0 \| 0 \| 0 to 3 \| 12 \| 6 \| .* \| done \|\n\| b0 \| 1 \| 3 to 6 \| 6 \| 0 \| .* \| done \|$/m
    );
    const round = await pageOf(workflowIds.round('invented', 'b0', 0));
    assert.match(round, /^\*\*invented b0 round 0\*\*: 12 trials, epochs 0 to 3, the best 6 go on\n/);
    assert.match(
      round,
      /^Spent: \d+ epochs\n\n\| rank \| trial \| loss \|\n\|---\|---\|---\|\n\| 1 \| b0-t\d+ \| \S+ \|$/m
    );
  });

  it('runs a pruner, a predictor, a sampler and an objective through every command', async () => {
    const parts = `objective: {mode: fewest}\nsampler: corners\nscheduler: {type: hyperband, R: 9, eta: 3}\npruner: {type: worst, predictor: drop, minCurves: 2}`;
    const record = await through('parts', `${parts}\ntrainer: {replay: ${generatedCurves(40, 9)}, columns: loss_}`, {
      plan: /17 trials/,
      trials: 17,
      status: /b0 /,
      report: /Hyperband without its worst, on drop/,
    });
    assert.equal(record.objective.mode, 'least');
    assert.deepEqual(
      record.trials.slice(0, 3).map(({ config }) => config['row']),
      [0, 1, 2]
    );
    assert.ok(record.result.predictorsTrained > 0 && record.result.fates.stopped > 0, JSON.stringify(record.result));
  });

  for (const [name, parts] of Object.entries({
    constrained: {
      objective: { mode: 'within', limited: 'latency' },
      scheduler: { type: 'hyperband', maxBudget: 9, eta: 3 },
      sampler: 'tpe',
    },
    fronts: {
      objective: { mode: 'pair', second: 'latency' },
      scheduler: { type: 'fronts', maxBudget: 9, eta: 3 },
    },
  })) {
    it(`runs what looks at two metrics to the bytes of a run in memory, over kill -9 and a lost database: ${name}`, async () => {
      const file = path.join(tree, `${name}.yaml`);
      const study = { ...parts, name, seed: 5, space: twoMetricsSpace };
      const lost = path.join(tree, 'lost');
      rmSync(lost, { force: true });
      writeFileSync(path.join(tree, 'two-metrics.mjs'), twoMetrics);
      writeFileSync(file, JSON.stringify({ ...study, trainer: { module: './two-metrics.mjs' } }));
      assert.match(everband('validate', file), new RegExp(`study ${name} is fine`));
      everband('start', file);
      const state = () => JSON.parse(everband('status', name, '--json')) as { phase: string; epochs: number };
      let kills = 0;
      while (state().phase !== 'done') {
        if (kills > 1 || state().epochs < 12 * kills) continue;
        kills++;
        await endWorker();
        if (kills > 1) loseDatabase();
        await startWorker();
        if (kills > 1) everband('start', '--recover', name);
        if (kills > 1) writeFileSync(lost, '');
      }
      const own = JSON.parse(readFileSync(recordOf(name), 'utf8')) as StudyRecord;
      assert.ok(own.trials.every(({ metrics, values }) => metrics?.['latency']?.length === values.length));
      assert.equal(typeof own.result.best?.metrics?.['latency'], 'number');
      assert.match(everband('audit', name), new RegExp(`every decision of ${name} follows`));
      everband('report', name, '--out', path.join(tree, `${name}.html`));
      const { best } = own.result;
      assert.equal(
        /<tr data-r="\d+"( class="best")?>/.exec(readFileSync(path.join(tree, `${name}.html`), 'utf8'))?.[1],
        ' class="best"'
      );
      const page = await pageOf(workflowIds.round(name, best?.trial.slice(0, 2) ?? '', lastRoundOf(own, best?.trial)));
      assert.match(page, new RegExp(`\\| 1 \\| ${best?.trial} \\| `));
      everband('export', name, '--out', tree);
      assert.match(
        readFileSync(path.join(tree, `${name}.curves.csv`), 'utf8'),
        /^trial,epoch,value,metric\.latency,seconds,host,attempt\r\n/
      );
      const program = `
        import { canonicalJson, createSampler, defineStudy, predict, runInMemory } from 'everband/core';
        import { numbersOf } from ${JSON.stringify(path.join(tree, 'two-metrics.mjs'))};
        const study = defineStudy(${JSON.stringify({ ...study, space: wholeSpace })});
        const sampler = createSampler(study, null);
        const record = await runInMemory(study, {
          propose: (request) => sampler.propose(request),
          train({ config, seed }, from, to) {
            const all = Array.from({ length: to - from }, (_, i) => numbersOf(config, seed, from + 1 + i));
            const latency = all.map((one) => one.latency);
            return { outcome: 'completed', values: all.map(({ loss }) => loss), metrics: { latency } };
          },
          predict,
        });
        process.stdout.write(canonicalJson(record));
      `;
      assert.equal(inTree(program), readFileSync(recordOf(name), 'utf8'));
      const least = Math.min(...own.trials.flatMap(({ values }) => values[8] ?? []));
      if (name === 'constrained') {
        assert.ok((own.result.best?.metrics?.['latency'] as number) <= 12);
      } else {
        // Whoever is fast goes on with the best, although others have smaller losses.
        const fast = own.trials.filter(
          ({ values, metrics }) => values.length === 9 && (metrics?.['latency']?.[8] ?? 9) < 6
        );
        assert.ok(fast.length > 0 && own.result.best?.value === least);
      }
    });
  }

  it('runs them in memory, and the record says what follows from them', () => {
    const program = `
      import { audit, createSampler, defineStudy, predict, runInMemory } from 'everband/core';
      const space = { lr: { type: 'float', low: 1, high: 2 }, width: { type: 'int', low: 3, high: 5 } };
      const scheduler = { type: 'halfway', trials: 12, maxBudget: 8 };
      const pruner = { type: 'worst', predictor: 'drop', minCurves: 2 };
      const study = defineStudy({ space, scheduler, sampler: 'corners', objective: { mode: 'least' }, pruner });
      const level = ({ lr, width }) => lr + width;
      const train = ({ config, index }, from, to) =>
        Array.from({ length: to - from }, (_, i) => level(config) + index / 100 + 1 / (from + 1 + i));
      const record = await runInMemory(study, {
        propose: (request) => createSampler(study, null).propose(request),
        train: async (...asked) => ({ outcome: 'completed', values: train(...asked) }),
        predict,
      });
      const { config, value } = record.result.best;
      console.log(JSON.stringify([audit(record), config, value, record.result.fates.stopped > 0]));
    `;
    assert.deepEqual(JSON.parse(inTree(program)), [[], { lr: 1, width: 3 }, 4.125, true]);
  });
});
