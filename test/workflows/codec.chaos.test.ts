import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { addCodecKey, keysVariable } from '../../cluster/codec.js';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { taskQueues, workflowIds, workflowTypes } from '../../workflows/messages.js';
import { Cluster, ended, itReplays, pythonOf, studyOf, until } from '../harness.js';

const { History } = proto.temporal.api.history.v1;
const { DescribeWorkflowExecutionResponse } = proto.temporal.api.workflowservice.v1;
const root = fileURLToPath(new URL('../../', import.meta.url));

const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-codec-'));
const script = path.join(folder, 'markercommand.mjs');
/** Losses begin with the same digits, and one trial in some fails with a text of its own. */
const trainer = `
import { createInterface } from 'node:readline';
for await (const line of createInterface({ input: process.stdin })) {
  const { from, to, config } = JSON.parse(line);
  for (let epoch = from + 1; epoch <= to; epoch++) {
    if (config.markerparameter > 0.8) { console.error('markerstderr'); console.log('{"error":"markerfailure"}'); process.exit(1); }
    await new Promise((resolve) => setTimeout(resolve, config.pause));
    console.log(JSON.stringify({ epoch, loss: 31415 + config.markerparameter + 1 / epoch }));
  }
  console.log('{"ready":true}');
}`;
const markers = ['markerparameter', 'markervalue', 'markercommand', 'markerfailure', 'markerstderr', '31415.'];
const pythonMarkers = ['markerparameter', 'markervalue'];

const study = (name: string, more: object) =>
  studyOf({
    name,
    seed: 11,
    space: {
      markerparameter: { float: [0, 1] },
      other: { choice: ['markervalue', 'markervalue2'] },
      pause: { choice: [0] },
    },
    scheduler: { type: 'hyperband', R: 9, eta: 3 },
    pruner: { type: 'swift', minCurves: 4 },
    trainer: { command: [process.execPath, script] },
    training: { attempts: 1, parkSeconds: 0 },
    parallelism: 4,
    ...more,
  });
const pythonStudy = (name: string, seconds: number) =>
  study(name, {
    space: { x: { float: [0, 1] }, markerparameter: { choice: ['markervalue'] }, seconds: { choice: [seconds] } },
    trainer: { activity: 'trainSegment', taskQueue: 'python' },
  });
const both = [study('typescript', {}), pythonStudy('python', 0)];

/** Everything that the server keeps and shows of its workflows, as bytes. */
async function everythingOf(client: Client): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const { workflowId, runId } of client.workflow.list()) {
    const execution = { workflowId, runId };
    let nextPageToken: Uint8Array | undefined;
    do {
      const page = await client.workflowService.getWorkflowExecutionHistory({
        ...{ namespace: 'default', execution, ...(nextPageToken ? { nextPageToken } : {}) },
      });
      all.push(History.encode(page.history ?? {}).finish());
      nextPageToken = page.nextPageToken?.length ? page.nextPageToken : undefined;
    } while (nextPageToken);
    const described = await client.workflowService.describeWorkflowExecution({ namespace: 'default', execution });
    all.push(DescribeWorkflowExecutionResponse.encode(described).finish());
  }
  return Buffer.concat(all);
}

/** A Python worker of the queue `python`; resolves once it polls. */
async function pythonWorker(
  python: string,
  cluster: Cluster,
  address: string,
  queue = 'python',
  own: NodeJS.ProcessEnv = {}
): Promise<ChildProcess> {
  const work = path.join(cluster.stateDir, 'python');
  mkdirSync(work, { recursive: true });
  const child = spawn(python, [path.join(root, 'test/fixtures/python_worker.py'), address, work, queue, '2'], {
    env: { ...cluster.environment, PYTHONPATH: path.join(root, 'python'), ...own },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`worker ended with ${code}`)));
  });
  return child;
}

/** Polls, for the machine may be busy. */
describe('studies over the payload codec', function () {
  this.timeout(300_000);
  const file = path.join(folder, 'codec.json');
  const plain: StudyRecord[] = [];
  let python: string;
  before(function () {
    python = pythonOf(this);
    writeFileSync(script, trainer);
    addCodecKey(file);
  });
  after(() => {
    delete process.env[keysVariable];
    rmSync(folder, { recursive: true });
  });

  describe('off', () => {
    const cluster = new Cluster();
    let pythons: ChildProcess;
    before(async () => {
      const { address } = await cluster.start();
      await cluster.worker(['orchestrate', 'predict', 'train'], 4);
      pythons = await pythonWorker(python, cluster, address);
    });
    after(async () => {
      await ended(pythons, 'SIGKILL');
      await cluster.end();
    });

    it('anyone who reads the histories reads the studies', async () => {
      for (const one of both) {
        await cluster.begin(one);
        await cluster.result(one);
        plain.push(cluster.record(one));
      }
      const bytes = await everythingOf(await cluster.client());
      assert.deepEqual(
        markers.filter((marker) => !bytes.includes(marker)),
        []
      );
    });

    it('an encrypted payload says which setting is missing', async () => {
      const one = study('keyless', { scheduler: { type: 'full', trials: 2, R: 2 }, pruner: 'none' });
      process.env[keysVariable] = file;
      try {
        await cluster.begin(one);
      } finally {
        delete process.env[keysVariable];
      }
      const said = await until('status says it', async () => {
        const { code, err } = await cluster.everband('status', one.name);
        return code === 1 && err.includes('cannot go on') ? err : null;
      });
      assert.match(
        said,
        /a payload is encrypted \(key "k1"\), and EVERBAND_CODEC_KEYS is not set here\. Fix: set EVERBAND_CODEC_KEYS/
      );
    });
  });

  describe('on', () => {
    const cluster = new Cluster();
    let pythons: ChildProcess;
    let address = '';
    /** Whoever has no keys. */
    let stranger: Client;
    let connection: Connection;
    before(async () => {
      process.env[keysVariable] = file;
      ({ address } = await cluster.start());
      await cluster.worker(['orchestrate', 'predict', 'train'], 4);
      pythons = await pythonWorker(python, cluster, address);
      connection = await Connection.connect({ address });
      stranger = new Client({ connection });
    });
    after(async () => {
      await connection.close();
      await ended(pythons, 'SIGKILL');
      await cluster.end();
    });

    it('they come to the same bytes, and nothing of them stands in any history', async () => {
      for (const [i, one] of both.entries()) {
        await cluster.begin(one);
        await cluster.result(one);
        const record = cluster.record(one);
        assert.equal(canonicalJson(record), canonicalJson(plain[i]));
        assert.ok(record.result.fates.failed > 0 || one.name === 'python', 'no trial failed: nothing was to be hidden');
      }
      const bytes = await everythingOf(await cluster.client());
      const numbers = both.flatMap((one) =>
        cluster
          .record(one)
          .trials.flatMap(({ config, values }) => [...Object.values(config), ...values])
          .map(String)
          .filter((text) => text.length > 8)
      );
      assert.ok(numbers.length > 50, `${numbers.length} numbers to look for`);
      const found = [...markers, ...pythonMarkers, ...numbers].filter((text) => bytes.includes(text));
      assert.deepEqual(found, []);
      assert.ok(bytes.includes('Encoded failure'));
    });

    it('the command shows them, and `list` has both', async () => {
      const trials = await cluster.everband('trials', 'typescript', '--json');
      assert.match(trials.out, /markervalue/);
      const list = await cluster.everband('list', '--json');
      assert.equal(list.code, 0, list.err);
      assert.ok(list.out.includes('typescript') && list.out.includes('python'));
      const { out } = await cluster.everband('doctor');
      assert.match(out, /payload codec: on, key k1 of /);
    });

    it('keys are rotated while one runs, in Python too', async () => {
      const one = pythonStudy('rotated', 0.2);
      await cluster.begin(one);
      const client = await cluster.client();
      await until('it trains', async () => {
        const bytes = await everythingOf(client);
        return bytes.includes(workflowIds.round(one.name, 'b2', 0)) ? true : null;
      });
      const { code, out } = await cluster.everband('codec', 'new');
      assert.equal(code, 0);
      assert.match(out, /encrypts with key k2 from now on, and has k1, k2/);
      await cluster.result(one);
      const curves = ({ trials }: StudyRecord) => trials.map(({ id, values }) => ({ id, values }));
      assert.deepEqual(curves(cluster.record(one)), curves(plain[1] as StudyRecord));
      const bytes = await everythingOf(client);
      // A value of two bytes in a map of protobuf.
      const used = ['k1', 'k2', 'k3'].filter((id) => bytes.includes(Buffer.from([0x12, 0x02, ...Buffer.from(id)])));
      assert.deepEqual(used, ['k1', 'k2']);
    });

    it('whoever has no key is refused, and disturbs nobody', async () => {
      // Begun in plain.
      const plainly = { workflowId: workflowIds.study('plainly'), taskQueue: taskQueues.orchestrate };
      await stranger.workflow.start(workflowTypes.study, { ...plainly, args: [study('plainly', {})] });
      const failed = await cluster.everband('status', 'plainly').then(async () =>
        until('it fails', async () => {
          const { code, err } = await cluster.everband('status', 'plainly');
          return code === 1 && err.includes('failed') ? err : null;
        })
      );
      assert.match(
        failed,
        /study plainly failed: a payload is not encrypted \(its encoding is "json\/plain"\), and EVERBAND_CODEC_KEYS is set/
      );
      // A signal and an update to a study that runs.
      const one = study('disturbed', {
        space: { ...study('x', {}).space, pause: { choice: [150] } },
        pruner: 'none',
      }) as Study;
      await cluster.begin(one);
      const handle = stranger.workflow.getHandle(workflowIds.study(one.name));
      await handle.signal('late', { trial: null });
      await handle.signal('control', null);
      // Why, only holders of a key can read.
      await assert.rejects(handle.executeUpdate('setParallelism', { args: [{ parallelism: 1 }] }));
      await assert.rejects(handle.query('trial', 'b2-t000'));
      const { fates } = await cluster.result(one);
      assert.ok(fates.completed > 0);
      const { events } = await stranger.workflow.getHandle(workflowIds.study(one.name)).fetchHistory();
      assert.equal(events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes).length, 0);
      assert.equal(events?.filter((event) => event.workflowTaskFailedEventAttributes).length, 0);
    });

    it('a worker with other keys leaves the trial to one that has them, and status says which those are', async () => {
      const one = pythonStudy('otherkeys', 0);
      const elsewhere = { ...one, trainer: { ...one.trainer, taskQueue: 'elsewhere' } } as Study;
      const others = path.join(folder, 'others.json');
      const key = addCodecKey(others).keys.get('k1')?.toString('base64');
      writeFileSync(others, JSON.stringify({ current: 'k9', keys: { k9: key } }));
      const stray = await pythonWorker(python, cluster, address, 'elsewhere', { [keysVariable]: others });
      await cluster.begin(elsewhere);
      const said = await until('status says it', async () => {
        const { code, out, err } = await cluster.everband('status', one.name);
        return code === 1 && /no worker that polls can read/.test(out + err) ? out + err : null;
      });
      // What that worker says of it is encrypted with its own key.
      assert.match(said, /a payload is encrypted with key "k9", and .*codec\.json has k1, k2\b/);
      assert.match(said, /Fix: start workers with the keys that the study is encrypted with/);
      await ended(stray);
      const worker = await pythonWorker(python, cluster, address, 'elsewhere');
      assert.equal((await cluster.result(one)).fates.failed, 0);
      await ended(worker);
    });

    itReplays(cluster, 20);
  });
});
