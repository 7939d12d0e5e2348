import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { imagesFolder } from '../../examples/digits/images.js';
import type { Check } from '../../scripts/doctor.js';
import { embeddedServer } from '../../cluster/server.js';
import { cli, Cluster, runCommand, type Printed } from '../harness.js';

describe('a cluster that a Temporal profile names', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  const home = mkdtempSync(path.join(os.tmpdir(), 'everband-profile-'));
  const config = path.join(home, 'temporal.toml');
  let address = '';
  before(async () => {
    ({ address } = await cluster.start());
    writeFileSync(
      config,
      `[profile.default]\naddress = "127.0.0.1:1"\n[profile.there]\naddress = "${address}"\nnamespace = "default"\n`
    );
  });
  after(async () => {
    await cluster.end();
    rmSync(home, { recursive: true, force: true });
  });

  /** The command in a state folder of its own, where no server was ever started. */
  const everband = (profile: string | null, ...args: string[]) => everbandWith({}, profile, ...args);
  function everbandWith(
    more: Readonly<Record<string, string>>,
    profile: string | null,
    ...args: string[]
  ): Promise<Printed> {
    const env = {
      ...process.env,
      EVERBAND_HOME: path.join(home, 'state'),
      NO_COLOR: '1',
      TEMPORAL_CONFIG_FILE: config,
      ...(profile === null ? {} : { TEMPORAL_PROFILE: profile }),
      ...more,
    };
    return runCommand(cli, args, { env, cwd: home });
  }
  const nothingStarted = () => assert.ok(!existsSync(path.join(home, 'state', 'server')), 'a server was started');

  it('is the one that `server` tells, and none is started', async () => {
    const { code, out, err } = await everband('there', 'server', '--json');
    assert.equal(code, 0, err);
    assert.equal(err, `Temporal: profile there names ${address}, nothing is started here\n`);
    assert.deepEqual(JSON.parse(out), { address, uiUrl: null, pid: null, namespace: 'default', reused: true });
    nothingStarted();
  });

  it('is not one that `server status` and `server stop` take for their own', async () => {
    const status = await everband('there', 'server', 'status');
    assert.equal(status.code, 0, status.err);
    assert.match(status.out, new RegExp(`^profile there names ${address}, which is not Everband's own server; `));
    const { out } = await everband('there', 'server', '--json', 'status');
    assert.deepEqual(JSON.parse(out), { address, uiUrl: null, pid: null, namespace: 'default', reused: true });
    const stop = await everband('there', 'server', 'stop');
    assert.equal(stop.code, 1);
    assert.match(stop.err, /not Everband's own server\. Fix: stop it where it was started/);
    assert.ok(embeddedServer(cluster.stateDir), 'it still runs');
    nothingStarted();
  });

  it("may be the embedded one itself, which is Everband's own then", async () => {
    const env = { EVERBAND_HOME: cluster.stateDir };
    const { code, out } = await everbandWith(env, 'there', 'server', 'status');
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^running: ${address}, Web UI `));
  });

  it('is the one that doctor looks at, and the default profile counts, too', async () => {
    const checks = JSON.parse((await everband('there', 'doctor', '--json')).out) as Check[];
    const of = (name: string) => checks.find((check) => check.name === name);
    assert.match(of('Temporal')?.found ?? '', new RegExp(`^profile there names ${address}, `));
    assert.equal(of('server')?.found, 'it answers, with namespace default');
    assert.equal(of('search attributes')?.state, 'fine');
    assert.equal(of('Temporal CLI'), undefined);
    const { code, out } = await everband(null, 'doctor');
    assert.equal(code, 1);
    assert.match(
      out,
      /profile default names 127\.0\.0\.1:1[^]*WRONG server: .*127\.0\.0\.1:1[^]*fix: start it, or correct profile/
    );
    const missing = await everband('missing', 'doctor');
    assert.equal(missing.code, 1);
    assert.match(
      missing.out,
      /WRONG server: Temporal's configuration cannot be read .*missing.*\n.*fix: correct TEMPORAL_PROFILE/
    );
    nothingStarted();
  });

  it('is the one that the demo runs on', async function () {
    if (imagesFolder() === null) {
      console.log('      skipped: the images of the demo are not installed');
      return this.skip();
    }
    const { code, out, err } = await everband('there', 'demo');
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`Temporal: profile there names ${address}`));
    assert.match(out, /^study digits-1 finished/m);
    assert.ok(!out.includes('the server keeps running'));
    const client = await cluster.client();
    assert.equal((await client.workflow.getHandle('everband/digits-1').describe()).status.name, 'COMPLETED');
    nothingStarted();
  }).timeout(600_000);
});
