/** Who may run what on whose workers, as the command has it. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cli, Cluster, ended, runCommand, type Printed } from '../harness.js';

interface Status {
  readonly phase?: string;
  readonly cause?: string;
}

describe('trust', function () {
  this.timeout(120_000);
  const cluster = new Cluster();
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'everband-trust-')));
  const python = `import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    print("I see", os.environ.get("TEMPORAL_API_KEY"), os.environ.get("MINE"), os.environ.get("PASSED"), flush=True)
    for epoch in range(request["from"] + 1, request["to"] + 1):
        print(json.dumps({"epoch": epoch, "loss": 1 / epoch}), flush=True)
    print(json.dumps({"ready": True}), flush=True)
`;
  const study = (name: string, trainer: object) => {
    const file = path.join(folder, `${name}.yaml`);
    const scheduler = { type: 'full', trials: 1, R: 2 };
    const training = { attempts: 1, parkSeconds: 0 };
    writeFileSync(file, JSON.stringify({ name, space: { x: { float: [0, 1] } }, scheduler, trainer, training }));
    return file;
  };
  const run = (args: string[], more: NodeJS.ProcessEnv = {}): Promise<Printed> =>
    runCommand(cli, args, { env: { ...cluster.environment, ...more }, cwd: folder });
  const address = { TEMPORAL_ADDRESS: '' };

  before(async () => {
    writeFileSync(path.join(folder, 'train.py'), python);
    writeFileSync(path.join(folder, 'other.py'), python);
    address.TEMPORAL_ADDRESS = (await cluster.start()).address;
  });
  after(async () => {
    await cluster.end();
    rmSync(folder, { recursive: true, force: true });
  });

  it('start allows its own trainer, once, where all is of one user, and trains with an environment of its own', async () => {
    const own = { TEMPORAL_API_KEY_NOT: 'x', PASSED: 'on', MINE_TOO: 'no' };
    const worker = await cluster.workerOf(cli, own, ['orchestrate', 'train'], '--pass-env', 'PASSED');
    const file = study('mine', { command: ['python3', 'train.py'], env: { MINE: 'set' } });
    const first = await run(['start', file, '--wait', '--json']);
    assert.equal(first.code, 0, first.err);
    assert.match(first.err, new RegExp(`^its workers may run /.*python3 ${folder}/train.py in ${folder}$`, 'm'));
    const log = await run(['logs', 'mine', 'b0-t000']);
    assert.match(log.out, /I see None set on/);
    const again = await run(['start', file, '--name', 'again', '--wait']);
    assert.equal(again.code, 0, again.err);
    assert.doesNotMatch(again.out + again.err, /may run/);
    await ended(worker);
    assert.equal(statSync(cluster.stateDir).mode & 0o777, 0o700);
    for (const name of ['key', ...readdirSync(path.join(cluster.stateDir, 'allowed')).map((one) => `allowed/${one}`)]) {
      assert.equal(statSync(path.join(cluster.stateDir, name)).mode & 0o777, 0o600, name);
    }
  });

  it('on a cluster the operator of a worker allows, and what is refused names the flag that would', async () => {
    const file = study('cluster', { command: ['python3', 'other.py'] });
    const worker = await cluster.workerOf(cli, address, ['orchestrate', 'train']);
    const refused = await run(['start', file], address);
    assert.match(
      refused.out,
      /workers have to be told .* for TEMPORAL_ADDRESS names a cluster: `everband worker --allow/
    );
    const paused = async () => JSON.parse((await run(['status', 'cluster', '--json'], address)).out || '{}') as Status;
    let status = await paused();
    while (status.phase !== 'paused') status = await paused();
    assert.match(status.cause ?? '', /has not allowed the trainer `python3 other\.py`\. Fix: `everband worker --allow/);
    await ended(worker);
    // Nothing of it has counted as a failure.
    const allowing = await cluster.workerOf(cli, address, ['orchestrate', 'train'], '--allow', file);
    const resumed = await run(['resume', 'cluster'], address);
    assert.equal(resumed.code, 0, resumed.err);
    const fine = await run(['watch', 'cluster'], address);
    assert.equal(fine.code, 0, fine.err);
    await ended(allowing);
  });

  it('a secret is in no history, record, log or message, although its trainer prints it', async () => {
    const secret = 'geheim-7f3a';
    const script = path.join(folder, 'leaks.py');
    const says = 'os.environ["TOKEN"] + " as bytes " + repr(os.environ["TOKEN"].encode())';
    writeFileSync(
      script,
      `import os, sys\ninput()\nprint(${says}, flush=True)\nprint(${says}, file=sys.stderr)\nraise SystemExit(${says})\n`
    );
    const file = study('secretive', { command: ['python3', 'leaks.py'], env: { TOKEN: { secret: 'tok' } } });
    const worker = await cluster.workerOf(cli, { EVERBAND_SECRET_TOK: secret }, ['orchestrate', 'train']);
    assert.equal((await run(['start', file])).code, 0);
    await run(['watch', 'secretive']);
    const record = readFileSync(path.join(cluster.stateDir, 'studies/secretive/record/record.json'), 'utf8');
    assert.match(record, /exit code 1.*\*\*\* as bytes b'\*\*\*'/);
    await ended(worker);
    const files = readdirSync(cluster.stateDir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const holding = files.filter((one) => readFileSync(path.join(one.parentPath, one.name)).includes(secret));
    // The server's database, with every history, is one of them.
    assert.ok(files.some(({ name }) => name.startsWith('temporal.db')));
    assert.deepEqual(
      holding.map(({ name }) => name),
      []
    );
    assert.match((await run(['logs', 'secretive', 'b0-t000'])).out, /\*\*\* as bytes/);
  });

  it('a worker without the key waits for it, and says so', async () => {
    const other = path.join(folder, 'without-key');
    mkdirSync(other, { mode: 0o700 });
    const file = study('keyless', { command: ['python3', 'train.py'] });
    const worker = await cluster.workerOf(
      cli,
      { ...address, EVERBAND_HOME: other },
      ['orchestrate', 'train'],
      '--allow',
      file
    );
    assert.equal((await run(['start', file], address)).code, 0);
    const status = async () => (await run(['status', 'keyless'], address)).out;
    while (!/there is no key in .*without-key/.test(await status())) continue;
    // Given the key, it goes on.
    cpSync(path.join(cluster.stateDir, 'key'), path.join(other, 'key'));
    chmodSync(path.join(other, 'key'), 0o600);
    const watched = await run(['watch', 'keyless'], { ...address, EVERBAND_HOME: other });
    assert.equal(watched.code, 0, watched.out + watched.err);
    await ended(worker);
  });

  it('refuses what no worker should be told, before anything starts', async () => {
    const cases: [string[], RegExp][] = [
      [
        ['worker', '--allow', "python3 -c 'print(1)'"],
        /gives python3 its code in an argument.*Fix: put the code into a file/,
      ],
      [['worker', '--allow', 'python3'], /has no script or module/],
      [['worker', '--allow', 'python3 train.py | tee x'], /has \|, which only a shell understands/],
      [['worker', '--allow-env', 'PYTHONPATH'], /--allow-env belongs to a trainer/],
      [['worker', '--pass-env', 'TEMPORAL_API_KEY'], /never reaches a trainer/],
      [['worker', '--pass-env', 'EVERBAND_KEY'], /never reaches a trainer/],
      [['start', study('shell', { command: 'python3 train.py > log' })], /trainer\.command.*has >, which only a shell/],
      [['start', study('inline', { command: ['python3', '-c', 'x'] })], /gives python3 its code in an argument/],
      [
        ['start', study('secret', { command: ['python3', 'train.py'], env: { A: { secret: '../key' } } })],
        /must be the name of a secret/,
      ],
    ];
    for (const [args, message] of cases) {
      const { code, err } = await run(args);
      assert.equal(code, 2, `${args.join(' ')}: ${err}`);
      assert.match(err, message);
    }
  });

  it('says what a trainer gets to see', async () => {
    const file = study('shown', { command: ['python3', 'train.py'], env: { MINE: 'set', TOKEN: { secret: 'wandb' } } });
    const { code, out } = await run(['validate', file], { CUDA_VISIBLE_DEVICES: '0', AWS_SECRET_ACCESS_KEY: 'x' });
    assert.equal(code, 0);
    assert.match(out, /its trainer gets of a worker's environment.*: .*CUDA_VISIBLE_DEVICES.*PATH/);
    assert.doesNotMatch(out, /AWS|EVERBAND_HOME/);
    assert.match(out, /set by the study: MINE, TOKEN \(the secret wandb\)/);
  });

  it('a key that others can read is no key', async () => {
    const state = path.join(folder, 'open');
    mkdirSync(state, { mode: 0o700 });
    writeFileSync(path.join(state, 'key'), Buffer.alloc(32).toString('base64'), { mode: 0o644 });
    const { code, err } = await run(['start', study('open-key', { command: ['python3', 'train.py'] })], {
      ...{ EVERBAND_HOME: state, ...address },
    });
    assert.equal(code, 1);
    assert.match(err, /open to other users \(mode 644\).*Fix: chmod go-rwx/);
  });
});
