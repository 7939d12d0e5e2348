import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ownPorts } from '../../chaos/ports.js';
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
    ownPorts(state);
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
