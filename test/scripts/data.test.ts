import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { checkCurves, cifarCsv, curveSets, fetchCurves, ptbCsv } from '../../scripts/data.js';
import { cli, dataFolder, runCommand, type Printed } from '../harness.js';

/** cifar10.csv as its repository has it: column by column, epochs counted from 0. */
function asJson(csv: string): string {
  const [head = '', ...rows] = csv.trimEnd().split('\n');
  const cells = rows.map((row) => row.split(','));
  const columns = head.split(',').map((name, j) => {
    const key = name.startsWith('acc_') ? String(Number(name.slice(4)) - 1) : name;
    return `"${key}":{${cells.map((row, i) => `"${i}":${row[j]}`).join(',')}}`;
  });
  return `{${columns.join(',')}}\n`;
}

/** ptb.csv as its repository has it: a folder instead of two constant columns, the last epoch without a name. */
function withFolders(csv: string): string {
  const [head = '', ...rows] = csv.trimEnd().split('\n');
  const columns = head.split(',').slice(2, -1);
  const lines = rows.map((row) => `trained_models/gpu_0//n_layer/ ,${row.split(',').slice(2).join(',')}`);
  return [['location', ...columns].join(','), ...lines].map((line) => `${line}\n`).join('');
}

const original: Record<string, (csv: string) => string> = { cifar10: asJson, ptb: withFolders };

describe('everband data', function () {
  this.timeout(60_000);
  let folder = '';
  let server: http.Server;
  let base = '';
  let requests: string[] = [];
  /** Path to content; what is not in it is a 404. */
  let served = new Map<string, string>();

  before(async () => {
    server = http.createServer((request, response) => {
      requests.push(request.url ?? '');
      const content = served.get(request.url ?? '');
      if (content === 'break off') {
        response.writeHead(200, { 'content-length': '1000' }).write('half');
        setTimeout(() => response.destroy(), 20);
        return;
      }
      response.writeHead(content === undefined ? 404 : 200).end(content ?? 'not here');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  });
  beforeEach(function () {
    const data = dataFolder(this);
    folder = mkdtempSync(path.join(os.tmpdir(), 'everband-data-'));
    requests = [];
    served = new Map(
      curveSets.map((set) => {
        const csv = readFileSync(path.join(data, 'curves', `${set.name}.csv`), 'utf8');
        return [`/${set.repository}/${set.commit}/${set.path}`, (original[set.name] ?? String)(csv)];
      })
    );
  });
  afterEach(() => folder && rmSync(folder, { recursive: true, force: true }));
  after(() => server.close());

  const target = () => path.join(folder, 'new', 'data');
  const fetchAll = () => fetchCurves(target(), () => undefined, base);
  const everything = () => (existsSync(folder) ? readdirSync(folder, { recursive: true }).length : 0);

  it('fetches all four sets, once, in the form the tests read', async function () {
    assert.equal((await fetchAll()).length, 4);
    assert.deepEqual([...new Set(requests)].sort(), [...served.keys()].sort());
    for (const { file, found } of checkCurves(target())) {
      assert.equal(found, 'there');
      assert.deepEqual(readFileSync(file), readFileSync(path.join(dataFolder(this), 'curves', path.basename(file))));
    }
    assert.deepEqual(readdirSync(path.join(target(), 'curves')).length, 4);
    assert.deepEqual(await fetchAll(), []);
    assert.equal(requests.length, 4);
  });

  it('writes nothing when one file is missing, breaks off, cannot be read or is another', async () => {
    for (const [content, rule] of [
      [undefined, /ptb: .*lstm_ptb.csv answered 404; nothing was written/],
      ['break off', /ptb: .* cannot be reached/],
      ['location\n', /ptb: what arrived has SHA-256/],
    ] as const) {
      const url = [...served.keys()].at(-1) as string;
      const before = served.get(url);
      if (content === undefined) served.delete(url);
      else served.set(url, content);
      await assert.rejects(fetchAll(), rule);
      assert.equal(everything(), 0);
      served.set(url, before as string);
    }
    const cifar = [...served.keys()].find((url) => url.endsWith('.json')) as string;
    served.set(cifar, '{');
    await assert.rejects(fetchAll(), /cifar10: what arrived cannot be read/);
    assert.equal(everything(), 0);
  });

  it('leaves a file of other content alone', async () => {
    const file = path.join(target(), 'curves', 'svhn.csv');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, 'mine');
    await assert.rejects(fetchAll(), /this file does not hold the published curves: .*svhn\.csv\. Fix: move it away/);
    assert.equal(readFileSync(file, 'utf8'), 'mine');
    assert.deepEqual(requests, []);
  });

  it('reads columns and rows as they are', () => {
    assert.equal(
      cifarCsv('{"b":{"0":1,"1":2},"a":{"0":0.5,"1":3},"0":{"0":0.1,"1":0.2},"1":{"0":0.3,"1":0.4}}'),
      'b,a,acc_1,acc_2\n1,0.5,0.1,0.3\n2,3,0.2,0.4\n'
    );
    assert.equal(
      ptbCsv('location,n,ep_0\nx/ ,2,9,8\n'),
      'base_model,training_dataset,n,ep_0,ep_1\nlstm,penntreebank,2,9,8\n'
    );
  });

  /** Runs the command as a process, which the server here can answer meanwhile. */
  function everband(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Printed> {
    const own = { ...process.env, EVERBAND_HOME: folder, EVERBAND_DATA: undefined, ...env };
    return runCommand(cli, ['data', ...args], { env: own });
  }

  it('is a command: into a folder, checking EVERBAND_DATA, offline', async function () {
    const { code, out } = await everband({ EVERBAND_DATA_URL: base }, target());
    assert.equal(code, 0);
    assert.match(out, new RegExp(`mlpf +fetched[^]*export EVERBAND_DATA=${target()}`));
    requests = [];
    const checked = await everband({ EVERBAND_DATA: target(), EVERBAND_DATA_URL: base });
    assert.deepEqual([checked.code, requests], [0, []]);
    assert.match(checked.out, /ptb +there/);
    writeFileSync(path.join(target(), 'curves', 'ptb.csv'), 'changed');
    const wrong = await everband({ EVERBAND_DATA: target() });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /these sets are missing or not as published: ptb\. Fix: /);
    const offline = await everband({ EVERBAND_OFFLINE: '1' });
    assert.equal(offline.code, 1);
    assert.match(offline.err, /was not asked, EVERBAND_OFFLINE=1; nothing was written. Fix: connect to the internet/);
    const unreachable = await everband({ EVERBAND_DATA_URL: 'http://127.0.0.1:1' });
    assert.match(unreachable.err, /mlpf: http:..127.0.0.1:1.* cannot be reached .*set EVERBAND_DATA/);
    assert.equal(existsSync(path.join(folder, 'data')), false);
  });
});
