/** Finds or makes the Temporal CLI, which is also the embedded server. */
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  createWriteStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { cacheDir } from './state.js';

export const cliVersion = '1.5.1';
const module = `github.com/temporalio/cli/cmd/temporal@v${cliVersion}`;
const run = promisify(execFile);
const connectMs = 5000;
/** A download that brings nothing for this long has died. */
const stallMs = 30_000;
/** A lock's holder touches it; one left alone for longer has no holder, whatever process has its number now. */
const touchMs = 5000;
const forgottenMs = 60_000;

/** Takes a line of progress. */
export type Say = (line: string) => void;

/** What `temporal --version` says. A CLI built from source calls itself 0.0.0-DEV, its server has a version all the same. */
export interface CliVersion {
  readonly cli: string;
  readonly server: string;
}

/** The cache lies outside any project, keyed by version, so that a build happens once a machine. */
export function cachedCli(): string {
  return path.join(cacheDir(), 'temporal', cliVersion, 'temporal');
}

/**
 * Path of a working `temporal`: on PATH, cached, downloaded, or built with Go, in this order.
 * @throws Error that lists what was tried, with the one-line fix
 */
export async function acquireTemporalCli(
  say: Say,
  { downloadFrom = 'https://temporal.download/cli/archive' }: { readonly downloadFrom?: string } = {}
): Promise<string> {
  const found = await findTemporalCli();
  if (found.program !== null) {
    say(`Temporal CLI: ${found.where}`);
    return found.program;
  }
  for (const line of found.tried.filter((one) => !one.startsWith('not '))) say(`Temporal CLI: ${line}`);
  const cached = cachedCli();
  mkdirSync(path.dirname(cached), { recursive: true });
  const release = await lock(`${cached}.lock`, say);
  try {
    const meanwhile = await findTemporalCli();
    if (meanwhile.program !== null) return meanwhile.program;
    const tried = ['no cluster is named', ...meanwhile.tried];
    removeLeftovers(path.dirname(cached));
    for (const [name, make] of [
      ['official download', (folder: string) => download(downloadFrom, folder, say)],
      ['build with Go', (folder: string) => buildWithGo(folder, say)],
    ] as const) {
      const folder = `${cached}.${process.pid}.tmp`;
      mkdirSync(folder, { recursive: true });
      try {
        const made = await make(folder);
        if (!(await versionOf(made))) throw new Error('the program that was fetched or built does not run');
        const file = openSync(made, 'r');
        fsyncSync(file);
        closeSync(file);
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
      `no Temporal CLI was found or made. What was tried:\n${tried.map((one) => `  - ${one}`).join('\n')}\n` +
        'Fix: install Go 1.24 or newer and run this again, or put `temporal` on PATH, or set TEMPORAL_ADDRESS or TEMPORAL_PROFILE to name a running cluster.'
    );
  } finally {
    release();
  }
}

/** A CLI that is there already, on PATH or in the cache, or why none of them will do. Makes nothing. */
export async function findTemporalCli(): Promise<
  { readonly program: string; readonly where: string } | { readonly program: null; readonly tried: readonly string[] }
> {
  const onPath = await versionOf('temporal');
  if (onPath && newEnough(onPath)) return { program: 'temporal', where: `${onPath.cli} on PATH` };
  const tried = [onPath ? `${onPath.cli} on PATH is too old, 1.4 is needed` : 'not on PATH'];
  const cached = cachedCli();
  if (!existsSync(cached)) return { program: null, tried: [...tried, `not in the cache (${cached})`] };
  if (await versionOf(cached)) return { program: cached, where: `${cliVersion} from the cache` };
  return { program: null, tried: [...tried, `the one in the cache does not run (${cached})`] };
}

/** The versions a program reports, 'unknown' where it names none; null when it does not run. */
export async function versionOf(program: string): Promise<CliVersion | null> {
  try {
    const { stdout } = await run(program, ['--version'], { timeout: 20_000 });
    const match = /temporal version (\S+)(?: \(Server ([^,)]+))?/.exec(stdout);
    return { cli: match?.[1] ?? 'unknown', server: match?.[2] ?? 'unknown' };
  } catch {
    return null;
  }
}

/** CLI 1.4 brought server 1.28. */
function newEnough({ cli, server }: CliVersion): boolean {
  const [version, needed] = cli.startsWith('0.0.0') ? [server, 28] : [cli, 4];
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > 1 || (major === 1 && minor >= needed);
}

/** What a set-up that was killed left half-made. The caller holds the lock. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /\.(\d+)\.tmp$/.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) rmSync(path.join(folder, name), { recursive: true, force: true });
  }
}

async function download(from: string, folder: string, say: Say): Promise<string> {
  if (process.env['EVERBAND_OFFLINE'] === '1') throw new Error('skipped, EVERBAND_OFFLINE=1');
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const url = `${from}/v${cliVersion}?platform=${process.platform}&arch=${arch}`;
  say(`Temporal CLI: downloading ${cliVersion} from ${new URL(url).host}`);
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(new Error('no connection within 5 s')), connectMs);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error('the download stalled')), stallMs);
  };
  try {
    const answer = await fetch(url, { signal: stop.signal }).catch((error: unknown) => {
      const { message, cause } = error as Error;
      throw new Error(`cannot be reached (${cause instanceof Error ? cause.message || cause.name : message})`);
    });
    if (!answer.ok || !answer.body) throw new Error(`answered ${answer.status}`);
    alive();
    const body = Readable.fromWeb(answer.body as never);
    const archive = path.join(folder, 'temporal.tar.gz');
    const written = pipeline(body, createWriteStream(archive), { signal: stop.signal });
    body.on('data', alive);
    await written;
    await run('tar', ['-xzf', archive, '-C', folder]);
  } finally {
    clearTimeout(timer);
  }
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

/**
 * Takes a lock file for this process, waiting for whoever has it; one whose holder is gone is taken over.
 * Answers with what releases it.
 */
export async function lock(file: string, say: Say): Promise<() => void> {
  mkdirSync(path.dirname(file), { recursive: true });
  const mine = `${process.pid} ${randomUUID()}`;
  let told = false;
  for (;;) {
    if (create(file, mine)) {
      const touch = setInterval(() => {
        if (holds(file, mine)) utimesSync(file, new Date(), new Date());
      }, touchMs);
      touch.unref();
      return () => {
        clearInterval(touch);
        if (holds(file, mine)) rmSync(file, { force: true });
      };
    }
    if (abandoned(file)) {
      takeAway(file);
      continue;
    }
    if (!told) say(`waiting for another set-up (${path.basename(file)})`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function create(file: string, content: string): boolean {
  try {
    writeFileSync(file, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function holds(file: string, content: string): boolean {
  try {
    return readFileSync(file, 'utf8') === content;
  } catch {
    return false;
  }
}

/** Removes an abandoned lock. Looked at again under a guard, so that no one removes the lock of who came first. */
function takeAway(file: string): void {
  const guard = `${file}.guard`;
  if (create(guard, '')) {
    try {
      if (abandoned(file)) rmSync(file, { force: true });
    } finally {
      rmSync(guard, { force: true });
    }
  } else if (age(guard) > 10_000) rmSync(guard, { force: true });
}

function abandoned(file: string): boolean {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    // Between creation and the pid's arrival the file is empty for a moment.
    if (!pid) return age(file) > touchMs;
    return !isAlive(pid) || age(file) > forgottenMs;
  } catch {
    return false;
  }
}

/** Milliseconds since the file was touched; 0 when it is gone. */
function age(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return 0;
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
