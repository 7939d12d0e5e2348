// Makes a fresh checkout ready: dependencies, build, Temporal CLI; with --python the Python environment too, with
// --integrations the libraries of other projects that the integration tests compare with.
// Plain JavaScript without dependencies, for it runs before there are any. Nothing to do: well under a second.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Node ${process.versions.node} is too old: Everband needs Node 20.19 or newer.`);
  process.exit(1);
}

const hash = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Runs `work` unless the stamp says that it ran for this key; says how long it took. */
function once(name, stamp, key, work) {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  const since = Date.now();
  console.log(`set-up: ${name} ...`);
  work();
  writeFileSync(stamp, key);
  console.log(`set-up: ${name}, ${((Date.now() - since) / 1000).toFixed(1)} s`);
}

/** Waits until no other set-up of this checkout runs; the lock goes with the process. */
function takeTurn() {
  const file = path.join('.everband', 'setup.lock');
  mkdirSync('.everband', { recursive: true });
  for (let told = false; ; Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      process.on('exit', () => rmSync(file, { force: true }));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (abandoned(file)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!told) console.log('set-up: waiting for another set-up of this checkout');
    told = true;
  }
}

/** Its process is gone, or it is older than any set-up takes (the number may be another's by now). */
function abandoned(file) {
  try {
    const old = Date.now() - statSync(file).mtimeMs;
    const pid = Number(readFileSync(file, 'utf8'));
    if (!pid) return old > 5000;
    if (old > 20 * 60_000) return true;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

function command(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error || status !== 0) {
    console.error(`set-up failed: ${program} ${args.join(' ')}${error ? ` (${error.message})` : ''}`);
    process.exit(1);
  }
}

takeTurn();
once('dependencies (npm ci)', 'node_modules/.everband-lock-hash', hash('package-lock.json'), () =>
  command('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
);
command(process.execPath, ['scripts/build.mjs']);
const { namedCluster } = await import(new URL('../dist/cluster/named.js', import.meta.url));
const { acquireTemporalCli } = await import(new URL('../dist/cluster/temporal-cli.js', import.meta.url));
try {
  const named = namedCluster();
  if (named) console.log(`set-up: ${named.by} names ${named.settings.address}, no Temporal CLI is needed`);
  else await acquireTemporalCli((line) => console.log(`set-up: ${line}`));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const integrations = process.argv.includes('--integrations');
if (integrations || process.argv.includes('--python')) {
  const python = ['python3', 'python'].find(
    (name) => spawnSync(name, ['-c', 'import sys; assert sys.version_info >= (3, 10)']).status === 0
  );
  if (!python) {
    console.error(
      'set-up failed: Python 3.10 or newer is not on PATH. Fix: install python3 (with venv) and run this again.'
    );
    process.exit(1);
  }
  if (!existsSync('python/.venv/bin/python')) command(python, ['-m', 'venv', 'python/.venv']);
  pip('test');
  if (integrations) pip('integration');
  // The package itself, as it stands in this checkout: `python/.venv/bin/python -m everband.qubo` from any folder.
  once('Python package everband', 'python/.venv/.everband-path', path.resolve('python'), () =>
    command('python/.venv/bin/python', [
      '-c',
      'import pathlib, sys, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "everband.pth").write_text(sys.argv[1] + "\\n")',
      path.resolve('python'),
    ])
  );
}

/** Installs python/requirements-<kind>.txt. */
function pip(kind) {
  const file = `python/requirements-${kind}.txt`;
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', file];
  const key = `${hash('python/requirements-test.txt')} ${hash(file)}`;
  once(`Python packages for ${kind}s (pip)`, `python/.venv/.everband-${kind}`, key, () =>
    command('python/.venv/bin/python', install)
  );
}
