/** Kills processes of the demo with -9 while its study runs, and says so in plain lines. */
import type { ChildProcess } from 'node:child_process';

/** Milliseconds between two kills. */
const pause = 5000;

/** What may be killed. */
export interface Targets {
  /** Names of the roles; each has one worker. */
  readonly roles: readonly string[];
  /** The worker that plays a role now. */
  worker(role: string): ChildProcess;
  /** Starts another worker in the place of one that was killed. */
  replace(role: string): void;
  /** The embedded server's process; null for a server that is not ours. */
  serverPid(): number | null;
  /** Starts the server again over the same database. */
  startServer(): Promise<void>;
}

/** One kill after the other, everything at once at the end, until `over` aborts. Resolves with how many processes it killed. */
export async function killAway(targets: Targets, over: AbortSignal, say: (line: string) => void): Promise<number> {
  let killed = 0;
  const kill = async (role: string): Promise<() => void> => {
    const worker = targets.worker(role);
    if (worker.exitCode === null && worker.signalCode === null) {
      const gone = new Promise((resolve) => worker.once('exit', resolve));
      worker.kill('SIGKILL');
      await gone;
      killed++;
    }
    return () => {
      targets.replace(role);
      say(`kill -9: the ${role} worker (pid ${worker.pid}); pid ${targets.worker(role).pid} takes its place`);
    };
  };
  const killServer = async (): Promise<() => Promise<void>> => {
    const pid = targets.serverPid();
    if (pid === null) return async () => undefined;
    process.kill(pid, 'SIGKILL');
    killed++;
    return async () => {
      await targets.startServer();
      say(`kill -9: the Temporal server (pid ${pid}); it was started again over the same database`);
    };
  };
  const everything = async (): Promise<void> => {
    say('kill -9: everything at once');
    const [startServer, ...replace] = await Promise.all([killServer(), ...targets.roles.map(kill)]);
    // A worker that finds no server ends.
    await startServer();
    for (const one of replace) one();
  };
  const one = (role: string) => async () => (await kill(role))();
  const server = async () => (await killServer())();
  for (const act of [...targets.roles.map(one), server, everything]) {
    await sleep(pause, over);
    if (over.aborted) break;
    await act();
  }
  return killed;
}

async function sleep(milliseconds: number, over: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    over.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
