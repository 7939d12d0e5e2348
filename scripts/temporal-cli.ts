/** Finds or makes the Temporal CLI, which is also the embedded server. */
import { execFile, spawn } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

export const cliVersion = '1.5.1';
const module = `github.com/temporalio/cli/cmd/temporal@v${cliVersion}`;
const run = promisify(execFile);

/** Takes a line of progress. */
export type Say = (line: string) => void;

/** The cache lies outside any project, keyed by version, so that a build happens once a machine. */
export function cachedCli(): string {
  const root =
    process.env['EVERBAND_CACHE'] ??
    path.join(process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'), 'everband');
  return path.join(root, 'temporal', cliVersion, 'temporal');
}

/**
 * Path of a working `temporal`: on PATH, cached, downloaded, or built with Go, in this order.
 * @throws Error that lists what was tried, with the one-line fix
 */
export async function acquireTemporalCli(say: Say): Promise<string> {
  const onPath = await worksAs('temporal');
  if (onPath) {
    say(`Temporal CLI: ${onPath} on PATH`);
    return 'temporal';
  }
  const cached = cachedCli();
  if (existsSync(cached)) return cached;
  mkdirSync(path.dirname(cached), { recursive: true });
  const release = await lock(`${cached}.lock`, say);
  try {
    if (existsSync(cached)) return cached;
    const tried = ['not on PATH', `not in the cache (${cached})`];
    for (const [name, make] of [
      ['official download', download],
      ['build with Go', buildWithGo],
    ] as const) {
      const folder = `${cached}.${process.pid}.tmp`;
      mkdirSync(folder, { recursive: true });
      try {
        const made = await make(folder, say);
        if (!(await worksAs(made))) throw new Error('the program does not run');
        renameSync(made, cached);
        say(`Temporal CLI: ready in ${cached}`);
        return cached;
      } catch (error) {
        tried.push(`${name}: ${(error as Error).message.split('\n')[0]}`);
        say(`Temporal CLI: ${tried.at(-1)}`);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
    throw new Error(
      `no Temporal CLI. Tried:\n${tried.map((one) => `  - ${one}`).join('\n')}\n` +
        'Fix: install Go 1.24 or newer and run this again, or put `temporal` on PATH, or set TEMPORAL_ADDRESS to a running cluster.'
    );
  } finally {
    release();
  }
}

/** The version a program reports, or null when it does not run. */
async function worksAs(program: string): Promise<string | null> {
  try {
    const { stdout } = await run(program, ['--version'], { timeout: 20_000 });
    return stdout.trim().split('\n')[0] ?? null;
  } catch {
    return null;
  }
}

async function download(folder: string, say: Say): Promise<string> {
  if (process.env['EVERBAND_OFFLINE'] === '1') throw new Error('skipped, EVERBAND_OFFLINE=1');
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const url = `https://temporal.download/cli/archive/v${cliVersion}?platform=${process.platform}&arch=${arch}`;
  say(`Temporal CLI: downloading ${cliVersion} from temporal.download`);
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch((error: unknown) => {
    throw new Error(`cannot be reached (${String((error as { cause?: unknown }).cause ?? error)})`);
  });
  if (!answer.ok || !answer.body) throw new Error(`answered ${answer.status}`);
  const archive = path.join(folder, 'temporal.tar.gz');
  await pipeline(Readable.fromWeb(answer.body as never), createWriteStream(archive));
  await run('tar', ['-xzf', archive, '-C', folder]);
  return path.join(folder, 'temporal');
}

async function buildWithGo(folder: string, say: Say): Promise<string> {
  await run('go', ['version']).catch(() => {
    throw new Error('Go is not installed');
  });
  say(`Temporal CLI: building ${module} with Go, about 3 minutes, once`);
  const since = Date.now();
  const still = setInterval(
    () => say(`Temporal CLI: still building, ${Math.round((Date.now() - since) / 1000)} s`),
    30_000
  );
  try {
    await new Promise<void>((resolve, reject) => {
      const go = spawn('go', ['install', module], {
        env: { ...process.env, GOBIN: folder, GOFLAGS: '' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let errors = '';
      go.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)));
      go.on('error', reject);
      go.on('close', (code) =>
        code === 0 ? resolve() : reject(new Error(errors.trim().split('\n').at(-1) ?? `go ended with ${code}`))
      );
    });
  } finally {
    clearInterval(still);
  }
  return path.join(folder, 'temporal');
}

/** A lock file with the holder's pid; one whose holder is gone is taken over. */
export async function lock(file: string, say: Say): Promise<() => void> {
  mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (abandoned(file)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!told) say(`waiting for another set-up (${path.basename(file)})`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function abandoned(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    // Between creation and the pid's arrival the file is empty for a moment.
    if (!pid) return Date.now() - statSync(file).mtimeMs > 5000;
    return !isAlive(pid);
  } catch {
    return false;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
