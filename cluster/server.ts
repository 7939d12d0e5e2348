/** The embedded Temporal server: one durable database file, loopback only, found again by what it wrote down. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { Connection } from '@temporalio/client';
import { searchAttributes } from '../workflows/messages.js';
import { namedCluster } from './named.js';
import { claimPort, firstPorts, freePort } from './ports.js';
import { files, remember, remembered, type Remembered } from './remembered.js';
import { acquireTemporalCli, isAlive, lock, versionOf, type Say } from './temporal-cli.js';

export interface ServerInfo {
  readonly address: string;
  /** Null for a cluster that is not ours. */
  readonly uiUrl: string | null;
  readonly pid: number | null;
  readonly namespace: string;
  /** It was running already. */
  readonly reused: boolean;
}

/**
 * Measured on 2 cores over one database file: an activity after another 103 ms by default, 12 ms with these and WAL; a
 * fan-out of 81 1.3 s by default, 0.2 s. One partition instead of four is
 * worth 20 ms -> 14 ms and 0.29 s -> 0.20 s. synchronous=FULL costs nothing that shows, and outlasts a power cut.
 */
const dynamicConfig = {
  'history.transferProcessorMaxPollRPS': 2000,
  'history.timerProcessorMaxPollRPS': 2000,
  'history.visibilityProcessorMaxPollRPS': 2000,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'frontend.namespaceRPS': 100000,
  'frontend.namespaceCount': 100000,
  'frontend.rps': 100000,
  'history.rps': 100000,
  'matching.rps': 100000,
  // Its HTTP API has no door, takes what any page in a browser sends it, and cannot be turned off: it answers nobody.
  'frontend.httpAllowedHosts': JSON.stringify(['nobody.invalid']),
} as const;
const keywordTypes = { KEYWORD: 'Keyword', INT: 'Int', DOUBLE: 'Double' } as const;
/** Seconds a closed workflow stays in the Web UI, 30 days; records stay for ever. */
const retention = 30 * 86400;
const startMs = 30_000;
const stopMs = 10_000;
const logBytes = 10_000_000;

/**
 * The cluster that is named, the running embedded server, or a new one over the same database.
 * `settings`: dynamic configuration of a new one, on top of the usual.
 */
export async function startServer(
  stateDir: string,
  say: Say,
  settings: Readonly<Record<string, string | number>> = {}
): Promise<ServerInfo> {
  const named = namedCluster();
  if (named) {
    const { address, namespace } = named.settings;
    say(`Temporal: ${named.by} names ${address}, nothing is started here`);
    return { address, uiUrl: null, pid: null, namespace, reused: true };
  }
  const running = await runningServer(stateDir, 0);
  if (running) return running;
  const cli = await acquireTemporalCli(say);
  const release = await lock(files(stateDir).lock, say);
  try {
    const meanwhile = await runningServer(stateDir, startMs);
    if (meanwhile) return meanwhile;
    const version = (await versionOf(cli))?.server ?? 'unknown';
    checkVersion(stateDir, version);
    const before = remembered(stateDir);
    for (let tries = 1; ; tries++) {
      try {
        const wanted = tries === 1 ? (before ?? (await firstPorts(stateDir))) : { port: 0, uiPort: 0 };
        const port = await freePort(wanted.port);
        const uiPort = await freePort(wanted.uiPort, port);
        const info = await launch(cli, stateDir, { port, uiPort, version, settings }, say);
        claimPort(port, stateDir);
        return info;
      } catch (error) {
        // Another program took the port between the look and the start.
        if (tries === 3 || !/address already in use|can't (set|bind)/i.test((error as Error).message)) throw error;
      }
    }
  } finally {
    release();
  }
}

/**
 * The server of this folder when its process runs and answers within `patience`; null when there is no such process.
 * @throws Error when it runs and is of no use: a second one over the same database would be worse
 */
export async function runningServer(stateDir: string, patience: number): Promise<ServerInfo | null> {
  const place = files(stateDir);
  const until = Date.now() + patience;
  for (;;) {
    const server = embeddedServer(stateDir);
    if (!server) return null;
    if (!existsSync(place.database))
      throw new Error(
        `the Temporal server (process ${server.pid}) has lost its database ${place.database}. Fix: everband server stop, then everband server`
      );
    if ((await probe(server.address)) === null) return server;
    if (patience === 0) return null;
    if (Date.now() > until)
      throw new Error(
        `the Temporal server (process ${server.pid}) does not answer at ${server.address}. Fix: everband server stop, then everband server`
      );
    await pause(100);
  }
}

/** @throws Error when another minor version of the server made the database: its tables may differ */
function checkVersion(stateDir: string, version: string): void {
  const place = files(stateDir);
  const made = remembered(stateDir)?.version;
  if (!existsSync(place.database) || made === undefined) return;
  const minor = (full: string): string => full.split('.').slice(0, 2).join('.');
  if (made === 'unknown' || version === 'unknown' || minor(made) === minor(version)) return;
  throw new Error(
    `${place.database} belongs to Temporal server ${made}, and the CLI found here brings ${version}. ` +
      `Fix: put the earlier CLI on PATH, or move ${place.folder} away (records of finished studies stay)`
  );
}

interface Launch {
  readonly port: number;
  readonly uiPort: number;
  readonly version: string;
  readonly settings: Readonly<Record<string, string | number>>;
}

async function launch(
  cli: string,
  stateDir: string,
  { port, uiPort, version, settings }: Launch,
  say: Say
): Promise<ServerInfo> {
  const place = files(stateDir);
  mkdirSync(place.folder, { recursive: true, mode: 0o700 });
  const args = [
    'server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-ip', '127.0.0.1', '--ui-port', String(uiPort),
    '--db-filename', place.database, '--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=FULL', '--log-level', 'warn',
    ...Object.entries({ ...dynamicConfig, ...settings }).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${String(value)}`]),
    ...Object.entries(searchAttributes).flatMap(([name, type]) => ['--search-attribute', `${name}=${keywordTypes[type]}`]),
  ]; // prettier-ignore
  if (existsSync(place.log) && statSync(place.log).size > logBytes) renameSync(place.log, `${place.log}.old`);
  const log = openSync(place.log, 'a');
  const said = statSync(place.log).size;
  const child = spawn(cli, args, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let ended: string | null = null;
  child.on('exit', (code, signal) => (ended = `ended with ${code ?? signal}`));
  child.on('error', (error) => (ended = error.message));
  child.unref();
  const pid = child.pid ?? -1;
  // Written before the server answers: were this process killed now, the next one would still find the server.
  const info: Remembered = { port, uiPort, pid, started: beganAt(pid), version };
  if (child.pid !== undefined) remember(stateDir, info);
  const until = Date.now() + startMs;
  for (;;) {
    // Whoever answers while our process is gone is a stranger on the same port.
    const problem = await probe(`127.0.0.1:${port}`, true);
    if (problem === null && ended === null) break;
    if (ended !== null || Date.now() > until) {
      if (ended === null) child.kill('SIGKILL');
      // A server that cannot bind its port says so and then panics: what counts stands above the stack.
      const [reason = ''] = readFileSync(place.log)
        .subarray(said)
        .toString('utf8')
        .split(/^goroutine \d+ /m);
      const lines = reason.trim().split('\n').slice(-5).join('\n');
      throw new Error(`the Temporal server did not start: ${ended ?? problem ?? ''} (log: ${place.log})\n${lines}`);
    }
    await pause(100);
  }
  say(`Temporal server: 127.0.0.1:${port}, Web UI http://127.0.0.1:${uiPort}`);
  return asInfo(info, false);
}

/**
 * Null once the namespace answers and knows the search attributes, else what is amiss. `setUp` sets the retention too,
 * which the server takes up anew at each start.
 */
async function probe(address: string, setUp = false): Promise<string | null> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 2000 });
    try {
      return await connection.withDeadline(Date.now() + 5000, async () => {
        const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
        const missing = Object.keys(searchAttributes).filter((name) => !(name in (customAttributes ?? {})));
        if (missing.length > 0) return `search attributes missing: ${missing.join(', ')}`;
        if (setUp)
          await connection.workflowService.updateNamespace({
            namespace: 'default',
            config: { workflowExecutionRetentionTtl: { seconds: retention as never } },
          });
        return null;
      });
    } finally {
      await connection.close();
    }
  } catch (error) {
    return (error as Error).message;
  }
}

/** The embedded server while its process runs, whether or not it answers at this moment: on a busy machine it may take seconds. */
export function embeddedServer(stateDir: string): ServerInfo | null {
  const known = remembered(stateDir);
  return known && isOurs(known) ? asInfo(known, true) : null;
}

/** Stops the embedded server, whether it answers or not; false when none runs. Its database stays. */
export async function stopServer(stateDir: string): Promise<boolean> {
  const known = remembered(stateDir);
  if (!known || !isOurs(known)) return false;
  signal(known.pid, 'SIGTERM');
  const until = Date.now() + stopMs;
  while (isOurs(known)) {
    if (Date.now() > until) signal(known.pid, 'SIGKILL');
    await pause(50);
  }
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** True while the process that was started runs: the same number, begun at the same time. */
function isOurs({ pid, started }: Remembered): boolean {
  if (!isAlive(pid)) return false;
  const began = beganAt(pid);
  return began !== null && (started === undefined || started === null || began === started);
}

/** When a process began, in words of its system that differ between boots; null once it has ended. */
function beganAt(pid: number): string | null {
  try {
    if (process.platform === 'linux') {
      // After the name, which may hold anything: state, then 18 fields, then the start in ticks since boot.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return null;
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19] ?? ''}`;
    }
    const [state = '', ...since] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/);
    return state.startsWith('Z') ? null : since.join(' ');
  } catch {
    return null;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function asInfo({ port, uiPort, pid }: Remembered, reused: boolean): ServerInfo {
  return { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, pid, namespace: 'default', reused };
}
