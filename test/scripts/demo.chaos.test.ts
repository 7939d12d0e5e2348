import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { stopServer } from '../../cluster/server.js';
import { cli, runCommand } from '../harness.js';

describe('the demo under fire', function () {
  this.timeout(900_000);
  const state = mkdtempSync(path.join(os.tmpdir(), 'everband-demo-'));
  after(async () => {
    await stopServer(state);
    rmSync(state, { recursive: true, force: true });
  });

  it('kills its own workers and its own server, and comes to the answer of an undisturbed run', async () => {
    const env = { ...process.env, EVERBAND_HOME: state, NO_COLOR: '1' };
    // Ports of its own: while its server is down, another test's would take the usual ones, and answer in its place.
    mkdirSync(path.join(state, 'server'));
    const [port, uiPort] = await freePorts(2);
    writeFileSync(path.join(state, 'server/server.json'), JSON.stringify({ port, uiPort, pid: 2 ** 22 + 1 }));
    const { code, out, err } = await runCommand(cli, ['demo', '--chaos'], { env });
    assert.equal(code, 0, out + err);
    for (const victim of ['the orchestrate worker', 'the train worker', 'the predict worker', 'the Temporal server']) {
      assert.match(out, new RegExp(`^kill -9: ${victim} \\(pid \\d+\\)`, 'm'));
    }
    assert.match(out, /^study digits-1 finished: 49 trials/m);
    assert.match(out, /^study digits-chaos-1 finished: 49 trials/m);
    assert.match(out, /^the same answer: digits-chaos-1, of which [4-9] processes were killed, and digits-1/m);
  });
});

async function freePorts(count: number): Promise<number[]> {
  const listeners = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'));
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.once('listening', resolve))));
  const ports = listeners.map((listener) => (listener.address() as net.AddressInfo).port);
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
  return ports;
}
