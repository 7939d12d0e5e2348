/** The embedded Temporal server: one durable database file, loopback only, found again by what it wrote down. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Connection } from '@temporalio/client';
import { searchAttributes } from '../workflows/messages.js';
import { acquireTemporalCli, isAlive, lock, type Say } from './temporal-cli.js';

export interface ServerInfo {
  readonly address: string;
  /** Null for a cluster that is not ours. */
  readonly uiUrl: string | null;
  readonly pid: number | null;
  readonly namespace: string;
  /** It was running already. */
  readonly reused: boolean;
}
interface Remembered {
  readonly port: number;
  readonly uiPort: number;
  readonly pid: number;
}

/** Sequential activity 90 ms by default, 14 ms with these; a fan-out of 81 3.3 s by default, 0.4 s (docs/adr). */
const dynamicConfig = {
  'history.transferProcessorMaxPollRPS': 2000,
  'history.timerProcessorMaxPollRPS': 2000,
  'history.visibilityProcessorMaxPollRPS': 2000,
  'system.enableActivityEagerExecution': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'frontend.namespaceRPS': 100000,
  'frontend.namespaceCount': 100000,
  'frontend.rps': 100000,
  'history.rps': 100000,
  'matching.rps': 100000,
} as const;
const keywordTypes = { KEYWORD: 'Keyword', INT: 'Int', DOUBLE: 'Double' } as const;
/** Days a closed workflow stays in the Web UI; records stay for ever. */
const retention = 30 * 86400;

function files(stateDir: string) {
  const folder = path.join(stateDir, 'server');
  return {
    folder,
    database: path.join(folder, 'temporal.db'),
    remembered: path.join(folder, 'server.json'),
    log: path.join(folder, 'server.log'),
    lock: path.join(folder, 'start.lock'),
  };
}

/** An existing cluster (`TEMPORAL_ADDRESS`), the running embedded server, or a new one over the same database. */
export async function startServer(stateDir: string, say: Say): Promise<ServerInfo> {
  const outside = process.env['TEMPORAL_ADDRESS'];
  if (outside)
    return {
      address: outside,
      uiUrl: null,
      pid: null,
      namespace: process.env['TEMPORAL_NAMESPACE'] ?? 'default',
      reused: true,
    };
  const running = await serverInfo(stateDir);
  if (running) return running;
  const cli = await acquireTemporalCli(say);
  const place = files(stateDir);
  const release = await lock(place.lock, say);
  try {
    const meanwhile = await serverInfo(stateDir);
    if (meanwhile) return meanwhile;
    return await launch(cli, stateDir, say);
  } finally {
    release();
  }
}

async function launch(cli: string, stateDir: string, say: Say): Promise<ServerInfo> {
  const place = files(stateDir);
  mkdirSync(place.folder, { recursive: true });
  const before = remembered(stateDir);
  const port = await freePort(before?.port ?? 7233);
  const uiPort = await freePort(before?.uiPort ?? 8233, port);
  const args = [
    'server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-ip', '127.0.0.1', '--ui-port', String(uiPort),
    '--db-filename', place.database, '--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL', '--log-level', 'warn',
    ...Object.entries(dynamicConfig).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${String(value)}`]),
    ...Object.entries(searchAttributes).flatMap(([name, type]) => ['--search-attribute', `${name}=${keywordTypes[type]}`]),
  ]; // prettier-ignore
  const log = openSync(place.log, 'a');
  const child = spawn(cli, args, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let exit: number | null = null;
  let failure: Error | null = null;
  child.on('exit', (code) => (exit = code ?? -1));
  child.on('error', (error) => (failure = error));
  child.unref();
  const info: Remembered = { port, uiPort, pid: child.pid ?? -1 };
  const until = Date.now() + 30_000;
  while (!(await ready(`127.0.0.1:${port}`))) {
    if (failure !== null || exit !== null || Date.now() > until) {
      const end = existsSync(place.log) ? readFileSync(place.log, 'utf8').trim().split('\n').slice(-5).join('\n') : '';
      throw new Error(`the Temporal server did not start (log: ${place.log})\n${end}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  writeFileSync(`${place.remembered}.tmp`, JSON.stringify(info));
  renameSync(`${place.remembered}.tmp`, place.remembered);
  say(`Temporal server: 127.0.0.1:${port}, Web UI http://127.0.0.1:${uiPort}`);
  return asInfo(info, false);
}

/** True once the namespace answers and knows the search attributes; the first call sets the retention. */
async function ready(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 1000 });
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
      if (!Object.keys(searchAttributes).every((name) => name in (customAttributes ?? {}))) return false;
      await connection.workflowService.updateNamespace({
        namespace: 'default',
        config: { workflowExecutionRetentionTtl: { seconds: retention as never } },
      });
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

/** The embedded server if it runs and answers. */
export async function serverInfo(stateDir: string): Promise<ServerInfo | null> {
  const known = remembered(stateDir);
  if (!known || !isAlive(known.pid)) return null;
  try {
    const connection = await Connection.connect({ address: `127.0.0.1:${known.port}`, connectTimeout: 2000 });
    await connection.close();
    return asInfo(known, true);
  } catch {
    return null;
  }
}

/** Stops the embedded server; false when none runs. Its database stays. */
export async function stopServer(stateDir: string): Promise<boolean> {
  const running = await serverInfo(stateDir);
  if (!running?.pid) return false;
  process.kill(running.pid, 'SIGTERM');
  const until = Date.now() + 10_000;
  while (isAlive(running.pid)) {
    if (Date.now() > until) process.kill(running.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}

/** Ports are kept over restarts, so that open pages and workers find the server again. */
function remembered(stateDir: string): Remembered | null {
  const { remembered: file } = files(stateDir);
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Remembered;
  } catch {
    rmSync(file, { force: true });
    return null;
  }
}

function asInfo({ port, uiPort, pid }: Remembered, reused: boolean): ServerInfo {
  return { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, pid, namespace: 'default', reused };
}

/** `wanted` when it is free, else any free port. */
async function freePort(wanted: number, taken?: number): Promise<number> {
  const open = (port: number) =>
    new Promise<number | null>((resolve) => {
      const probe = net.createServer();
      probe.once('error', () => resolve(null));
      probe.listen(port, '127.0.0.1', () => {
        const { port: got } = probe.address() as net.AddressInfo;
        probe.close(() => resolve(got));
      });
    });
  return (wanted === taken ? null : await open(wanted)) ?? ((await open(0)) as number);
}
