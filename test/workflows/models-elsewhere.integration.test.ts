import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StudyRecord } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { Cluster, dataFolder, ended, pythonOf, reference, sleep, studyOf, itReplays } from '../harness.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('a model that somebody else answers for', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  const workers: ChildProcess[] = [];
  let python: string;
  let address: string;
  before(async function () {
    python = pythonOf(this);
    ({ address } = await cluster.start());
    await cluster.worker(['orchestrate', 'train', 'predict'], 20);
  });
  after(async () => {
    for (const worker of workers) if (worker.exitCode === null && !worker.killed) await ended(worker, 'SIGKILL');
    await cluster.end();
  });

  function run(...args: string[]): ChildProcess {
    const worker = spawn(python, args, {
      env: { ...cluster.environment, PYTHONPATH: path.join(root, 'python') },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    workers.push(worker);
    return worker;
  }

  const study = (test: Mocha.Context, name: string, model: object) =>
    studyOf({
      name,
      scheduler: { type: 'hyperband', R: 27, eta: 3 },
      trainer: { replay: path.join(dataFolder(test), 'curves', 'taskset.csv'), columns: 'loss_' },
      pruner: { type: 'swift', minCurves: 5, predictor: model },
      parallelism: 50,
    });
  const dwave = { type: 'annealer', solver: 'dwave', reads: 40 };

  const decisions = (record: StudyRecord) =>
    record.brackets.flatMap(({ rounds }) => rounds.flatMap(({ decision }) => decision ?? []));

  async function finished(one: Study): Promise<StudyRecord> {
    await cluster.begin(one);
    await cluster.result(one);
    return cluster.record(one);
  }

  it('finds the package of this checkout from any folder, as the set-up left it', () => {
    const env = { ...process.env, PYTHONPATH: '' };
    const found = execFileSync(python, ['-c', 'import everband; print(everband.__file__)'], { cwd: os.tmpdir(), env });
    assert.equal(found.toString().trim(), path.join(root, 'python', 'everband', '__init__.py'));
  });

  it('in Python: decides as the same model does here', async function () {
    run(path.join(root, 'test', 'fixtures', 'python_predictor.py'), address);
    const one = study(this, 'python-model', { type: 'activity', taskQueue: 'python-predict' });
    const record = await finished(one);
    assert.ok(record.result.predictorsTrained > 0);
    const wanted = await reference(study(this, 'python-model', { type: 'last' }));
    // The log has this predictor's answers, for no computer gives them again; what follows from them is the same.
    const followed = ({ brackets, trials, result }: StudyRecord) =>
      JSON.stringify({ brackets, trials, result }, (key, value: unknown) => (key === 'answers' ? undefined : value));
    assert.deepEqual(JSON.parse(followed(record)), JSON.parse(followed(wanted)));
  });

  it("on D-Wave's SDK: embedded on a Pegasus graph, asked once for every decision point, whoever is killed", async function () {
    const one = study(this, 'mock-qpu', dwave);
    const solver = () => run('-m', 'everband.qubo', '--address', address, '--solver', 'mock');
    const first = solver();
    await cluster.begin(one);
    await sleep(6000);
    await ended(first, 'SIGKILL');
    solver();
    await cluster.result(one);
    const record = cluster.record(one);
    assert.equal(record.result.best?.reachedMaxBudget, true);
    const answered = decisions(record).filter(({ trainedOn }) => trainedOn > 0);
    assert.ok(answered.length > 0);
    assert.ok(answered.every(({ fallback }) => fallback === undefined));
    assert.equal(await sampled(one), record.result.predictorsTrained);
  });

  it('falls back when its solver refuses, and says so in the decision', async function () {
    const record = await finished(study(this, 'no-qpu-time', { ...dwave, maxQpuSeconds: 0.001 }));
    const answered = decisions(record).filter(({ trainedOn }) => trainedOn > 0);
    assert.ok(answered.length > 0);
    for (const { fallback } of answered) assert.match(fallback ?? '', /^svr, because .*QPU time/);
  });

  /** Questions to the solver in all histories of a study. */
  async function sampled(one: Study): Promise<number> {
    const client = await cluster.client();
    let count = 0;
    for await (const found of client.workflow.list({ query: `WorkflowId STARTS_WITH 'everband/${one.name}/'` })) {
      const { events } = await client.workflow.getHandle(found.workflowId, found.runId).fetchHistory();
      count += (events ?? []).filter(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'sampleQubo'
      ).length;
    }
    return count;
  }

  itReplays(cluster, 5);
});
