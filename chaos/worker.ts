/** A worker process of a round, its road to the server and its clock; started again when it ends by itself. */
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { sleep } from './command.js';
import { Proxy, type Cut } from './proxy.js';
import { childrenOf, found, isThere, signal, type Found } from './processes.js';

/** Milliseconds within which a worker that is told to end has ended: its trainers' grace, and what the machine takes. */
const endingMs = 45_000;
/** Milliseconds within which the trainers of a killed worker are gone. */
const orphanMs = 10_000;

export interface WorkerSettings {
  readonly label: string;
  /** Program and arguments, as they are now: another build may take over. */
  readonly command: () => readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** File that says how far its clock is off. */
  readonly clock: string;
  readonly note: (text: string) => void;
  readonly fault: (text: string) => void;
}

export class ChaosWorker {
  readonly proxy: Proxy;
  private child: ChildProcess | null = null;
  private address = '';
  /** Why it is not to be started again: how many have it down. */
  private down = 0;
  private closed = false;
  private readonly errors: string[] = [];

  constructor(
    private readonly settings: WorkerSettings,
    serverPort: () => number
  ) {
    this.proxy = new Proxy(serverPort);
  }

  get label(): string {
    return this.settings.label;
  }

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Trainers that it has started. */
  get trainers(): Found[] {
    return this.pid === null ? [] : childrenOf(this.pid);
  }

  /** The last lines that it wrote to standard error. */
  get tail(): string {
    return this.errors.join('').split('\n').slice(-15).join('\n');
  }

  /** Starts it; resolves once it polls, or has ended. */
  async start(): Promise<void> {
    if (this.closed || this.child !== null) return;
    this.address ||= await this.proxy.listen();
    const [program = '', ...args] = this.settings.command();
    const child = spawn(program, args, {
      env: { ...this.settings.env, TEMPORAL_ADDRESS: this.address },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.errors.push(chunk.toString());
      if (this.errors.length > 100) this.errors.shift();
    });
    child.once('exit', (code, how) => {
      if (this.child === child) this.child = null;
      if (this.down > 0 || this.closed) return;
      this.settings.note(`${this.label} ended by itself (${how ?? code}) and is started again`);
      void sleep(1000).then(async () => (this.down === 0 ? this.start() : undefined));
    });
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => chunk.toString().includes('worker ready') && resolve());
      child.once('exit', () => resolve());
    });
  }

  /** Ends it by a signal and starts it again after `back` milliseconds. */
  async restart(how: 'SIGKILL' | 'SIGTERM', back: number): Promise<void> {
    await this.takeDown(how);
    await sleep(back);
    this.bringBack();
  }

  /** Ends it; it stays down until it is brought back. */
  async takeDown(how: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.down++;
    const { child } = this;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const { trainers } = this;
    const gone = new Promise<true>((resolve) => child.once('exit', () => resolve(true)));
    signal(child.pid, how);
    const ended = await Promise.race([gone, sleep(endingMs).then(() => false)]);
    if (!ended) {
      // A frozen one hears nothing until it is thawed, which another fault sees to.
      this.settings.fault(`${this.label} (pid ${child.pid}) had not ended ${endingMs / 1000} s after ${how}`);
      signal(child.pid, 'SIGKILL');
      await gone;
    }
    void this.requireGone(trainers);
  }

  bringBack(): void {
    this.down--;
    if (this.down === 0) void this.start();
  }

  cut(how: Cut): () => void {
    return this.proxy.cut(how);
  }

  /** Sets its clock off by so many milliseconds; null: right again. */
  setClock(milliseconds: number | null): void {
    if (milliseconds === null) rmSync(this.settings.clock, { force: true });
    else writeFileSync(this.settings.clock, String(milliseconds));
  }

  /** Ends it for good, as an operator does. */
  async close(): Promise<void> {
    this.closed = true;
    await this.takeDown('SIGTERM');
    this.proxy.close();
  }

  private async requireGone(trainers: readonly Found[]): Promise<void> {
    for (const until = Date.now() + orphanMs; Date.now() < until && trainers.some(isThere);) await sleep(200);
    for (const one of trainers.filter(isThere)) {
      const again = found(one.pid);
      this.settings.fault(`a trainer (pid ${one.pid}, parent now ${again?.parent}) outlived its worker, ${this.label}`);
    }
  }
}
