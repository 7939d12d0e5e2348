import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readRecord } from '../../activities/record-store.js';
import { canonicalJson } from '../../core/record.js';
import { authority, signedBy } from '../certificates.js';
import { cli, Cluster, ended, pythonOf, reference, runCommand, studyOf, type Printed } from '../harness.js';
import { TlsProxy } from '../tls-proxy.js';

const packageFolder = fileURLToPath(new URL('../../python', import.meta.url));
const apiKey = 'the key of the tests';

describe('TLS, client certificates and API keys', function () {
  this.timeout(240_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-tls-'));
  const cluster = new Cluster();
  const proxies: TlsProxy[] = [];
  let python: string;
  /** Where a server is that asks for: a certificate and a key, a key, a certificate. */
  let both = '';
  let keyed = '';
  let mutual = '';
  let plain = '';
  const trusted = authority('everband tests');
  const other = authority('another authority');
  const write = (name: string, text: string) => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const ca = { TEMPORAL_TLS_SERVER_CA_CERT_PATH: write('ca.pem', trusted.cert) };
  const pair = (name: string, { cert, key }: { cert: string; key: string }) => ({
    TEMPORAL_TLS_CLIENT_CERT_PATH: write(`${name}.pem`, cert),
    TEMPORAL_TLS_CLIENT_KEY_PATH: write(`${name}.key`, key),
  });
  const certificate = pair('client', signedBy(trusted, 'client of the tests'));
  const key = { TEMPORAL_API_KEY: apiKey };

  before(async function () {
    python = pythonOf(this);
    const { address } = await cluster.start();
    plain = address.replace('127.0.0.1', 'localhost');
    const server = signedBy(trusted, 'server');
    const start = async (asks: object): Promise<string> => {
      const proxy = await TlsProxy.start({ to: address, server, ...asks });
      proxies.push(proxy);
      return proxy.address;
    };
    both = await start({ clientAuthority: trusted.cert, apiKey });
    keyed = await start({ apiKey });
    mutual = await start({ clientAuthority: trusted.cert });
  });
  after(async () => {
    for (const proxy of proxies) await proxy.end();
    await cluster.end();
    rmSync(folder, { recursive: true });
  });

  const everband = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Printed> =>
    runCommand(cli, args, { env: { ...cluster.environment, EVERBAND_HOME: path.join(folder, 'state'), ...env } });

  /** A Python worker that cannot connect says why and ends. */
  async function pythonSays(env: NodeJS.ProcessEnv): Promise<Printed> {
    const script = "import everband.predictor; everband.predictor.run(print, task_queue='q')";
    const child = spawn(python, ['-c', script], {
      env: { ...cluster.environment, PYTHONPATH: packageFolder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? -1)));
    return { code, out, err };
  }

  const refusals: readonly (readonly [
    what: string,
    env: () => NodeJS.ProcessEnv,
    says: (address: string) => RegExp,
    python?: (address: string) => RegExp,
  ])[] = [
    [
      'no client certificate',
      () => ({ ...ca, ...key, TEMPORAL_ADDRESS: both }),
      (at) =>
        new RegExp(
          `^${at} takes no connection without a client certificate\\. Fix: set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH\\.?\n$`
        ),
    ],
    [
      'a client certificate of another authority',
      () => ({ ...ca, ...key, ...pair('stranger', signedBy(other, 'stranger')), TEMPORAL_ADDRESS: both }),
      (at) =>
        new RegExp(
          `^${at} does not accept the client certificate\\. Fix: set TEMPORAL_TLS_CLIENT_CERT_PATH and .* to one that it knows\\.?\n$`
        ),
    ],
    [
      'a server certificate of another authority',
      () => ({
        ...key,
        ...certificate,
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: write('other.pem', other.cert),
        TEMPORAL_ADDRESS: both,
      }),
      (at) =>
        new RegExp(
          `^the certificate of ${at} is not trusted here.*\\. Fix: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to its authority's\\.?\n$`
        ),
    ],
    [
      'a server certificate for other names',
      () => ({ ...key, ...ca, ...certificate, TEMPORAL_TLS_SERVER_NAME: 'elsewhere.example', TEMPORAL_ADDRESS: both }),
      (at) =>
        new RegExp(
          `^the certificate of ${at} is for other names.*\\. Fix: set TEMPORAL_TLS_SERVER_NAME to one that it has\\.?\n$`
        ),
    ],
    [
      'no API key, with a client certificate',
      () => ({ ...ca, ...certificate, TEMPORAL_ADDRESS: both }),
      (at) =>
        new RegExp(
          `^${at} refuses access without an API key, with this client certificate\\. Fix: set TEMPORAL_API_KEY\\.?\n$`
        ),
    ],
    [
      'no API key',
      () => ({ ...ca, TEMPORAL_ADDRESS: keyed }),
      (at) =>
        new RegExp(
          `^${at} refuses access without an API key\\. Fix: set TEMPORAL_API_KEY, or TEMPORAL_TLS_\\* for mTLS\\.?\n$`
        ),
    ],
    [
      'a wrong API key',
      () => ({ ...ca, TEMPORAL_API_KEY: 'another', TEMPORAL_ADDRESS: keyed }),
      (at) =>
        new RegExp(
          `^${at} refuses access with this API key\\. Fix: correct TEMPORAL_API_KEY, or the api_key of the profile\\.?\n$`
        ),
    ],
    [
      'no TLS where the server speaks it alone',
      () => ({ TEMPORAL_ADDRESS: keyed }),
      (at) => new RegExp(`^${at} .*speaks? TLS alone\\. Fix: set TEMPORAL_TLS=true, or .*TEMPORAL_API_KEY\\.?\n$`),
    ],
    [
      'TLS where the server does not speak it: an API key implies it',
      () => ({ ...key, TEMPORAL_ADDRESS: plain }),
      (at) =>
        new RegExp(`^${at} does not speak TLS\\. Fix: set TEMPORAL_TLS=false, or correct TEMPORAL_ADDRESS\\.?\n$`),
    ],
    [
      'a certificate that is none',
      () => ({
        ...ca,
        ...key,
        ...certificate,
        TEMPORAL_TLS_CLIENT_CERT_PATH: write('none.pem', 'nothing'),
        TEMPORAL_ADDRESS: both,
      }),
      (at) => new RegExp(`^a certificate or key for ${at} cannot be read.*\\. Fix: correct TEMPORAL_TLS_`),
    ],
    [
      'a certificate that is missing',
      () => ({
        ...ca,
        ...key,
        ...certificate,
        TEMPORAL_TLS_CLIENT_CERT_PATH: path.join(folder, 'missing.pem'),
        TEMPORAL_ADDRESS: both,
      }),
      () =>
        /^Temporal's configuration cannot be read \(.*missing\.pem.*\)\. Fix: correct TEMPORAL_PROFILE, .*TEMPORAL_TLS_\* or the file itself\.?\n$/,
    ],
  ];
  for (const [what, env, says] of refusals) {
    it(`one line says what to set: ${what}`, async () => {
      const own = env();
      const expected = says(own['TEMPORAL_ADDRESS'] ?? '');
      const [list, worker, pythons] = await Promise.all([
        everband(own, 'list'),
        everband(own, 'worker', 'train'),
        pythonSays(own),
      ]);
      const code = what.endsWith('missing') ? 2 : 1;
      // `list` says it and still shows the records of this machine.
      assert.match(list.err, new RegExp(expected.source.slice(1).replace('\n$', '')));
      assert.match(worker.err, expected);
      assert.equal(worker.code, code);
      assert.match(pythons.err, expected);
      assert.deepEqual([pythons.code, pythons.out], [1, '']);
    });
  }

  it('TEMPORAL_TLS=false is heard beside an API key, and TEMPORAL_TLS=true does not turn TLS off', async () => {
    const off = await everband({ ...key, TEMPORAL_TLS: 'false', TEMPORAL_ADDRESS: plain }, 'list');
    assert.deepEqual([off.code, off.err], [0, '']);
    const on = await everband({ ...ca, ...key, TEMPORAL_TLS: 'true', TEMPORAL_ADDRESS: keyed }, 'list');
    assert.deepEqual([on.code, on.err], [0, '']);
  });

  /** A study whose trials train in Python and whose predictor is in TypeScript; everything goes through the proxy. */
  async function runs(name: string, env: NodeJS.ProcessEnv, proxy: TlsProxy): Promise<void> {
    const state = path.join(folder, name);
    const own = { ...cluster.environment, ...env, EVERBAND_HOME: state };
    const study = {
      name,
      seed: 3,
      space: { x: { float: [0, 0.8] } },
      scheduler: { type: 'hyperband', R: 9, eta: 3 },
      pruner: { type: 'swift', minCurves: 4 },
      trainer: { activity: 'trainSegment', taskQueue: name },
      parallelism: 4,
    };
    const file = write(`${name}.json`, JSON.stringify(study));
    const before = proxy.passed;
    const worker = await cluster.workerOf(cli, { ...env, EVERBAND_HOME: state }, ['orchestrate', 'predict']);
    const script = `import everband.worker
def train(request):
    for epoch in request.epochs():
        request.report(loss=request.config["x"] + 1 / epoch)
everband.worker.run(train, task_queue=${JSON.stringify(name)}, slots=2)
`;
    const pythons = spawn(python, [write(`${name}.py`, script)], {
      env: { ...own, PYTHONPATH: packageFolder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await new Promise<void>((resolve, reject) => {
        pythons.stdout.once('data', () => resolve());
        pythons.once('exit', (code) => reject(new Error(`the Python worker ended with ${code}`)));
      });
      const { code, out, err } = await runCommand(cli, ['start', file, '--wait'], { env: own });
      assert.equal(code, 0, err);
      assert.match(out, new RegExp(`study ${name} finished`));
    } finally {
      await ended(pythons);
      await ended(worker);
    }
    assert.ok(proxy.passed - before > 50, `${proxy.passed - before} requests went through`);
    const record = readRecord(state, name);
    const parsed = studyOf(study);
    const wanted = await reference(parsed, ({ config }, from, to) => ({
      outcome: 'completed',
      values: Array.from({ length: to - from }, (_, i) => Number(config['x']) + 1 / (from + 1 + i)),
    }));
    assert.equal(canonicalJson(record), canonicalJson(wanted));
  }

  it('a study runs whole over mutual TLS with an API key, by variables', async () => {
    const [proxy] = proxies as [TlsProxy, TlsProxy, TlsProxy];
    await runs('by-variables', { ...ca, ...certificate, ...key, TEMPORAL_ADDRESS: both }, proxy);
    assert.deepEqual([...proxy.clients], ['client of the tests']);
  });

  it('a study runs whole with an API key alone, by a profile', async () => {
    const [, proxy] = proxies as [TlsProxy, TlsProxy, TlsProxy];
    const config = write(
      'temporal.toml',
      `[profile.keyed]\naddress = "${keyed}"\napi_key = "${apiKey}"\n[profile.keyed.tls]\nserver_ca_cert_path = "${ca.TEMPORAL_TLS_SERVER_CA_CERT_PATH}"\n` +
        `[profile.mutual]\naddress = "${mutual}"\n[profile.mutual.tls]\nserver_ca_cert_path = "${ca.TEMPORAL_TLS_SERVER_CA_CERT_PATH}"\n` +
        `client_cert_path = "${certificate.TEMPORAL_TLS_CLIENT_CERT_PATH}"\nclient_key_path = "${certificate.TEMPORAL_TLS_CLIENT_KEY_PATH}"\n`
    );
    const profile = (name: string) => ({ TEMPORAL_CONFIG_FILE: config, TEMPORAL_PROFILE: name });
    await runs('by-key', profile('keyed'), proxy);
    // And over mutual TLS, by a profile too.
    const checked = await everband(profile('mutual'), 'doctor', '--json');
    const server = (JSON.parse(checked.out) as { name: string; state: string }[]).find(({ name }) => name === 'server');
    assert.equal(server?.state, 'fine');
    assert.deepEqual([...(proxies[2] as TlsProxy).clients], ['client of the tests']);
  });
});
