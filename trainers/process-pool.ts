/**
 * Trainer processes: one per slot, kept between segments of the same trainer, gone with the worker however it ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { Redactor } from '../trust/secrets.js';
import { LineSplitter, Tail } from './output.js';
import { readLine, type Said } from './protocol.js';

/** A program to run; two equal commands share a process one after the other. */
export interface TrainerCommand {
  readonly command: readonly string[];
  readonly cwd: string;
  /** All of it. */
  readonly env: Readonly<Record<string, string>>;
  /** Values that must not be shown, wherever the program prints them. */
  readonly secrets: readonly string[];
}

/** What a trainer process tells, in order; `exit` is the last. What it prints besides goes to its log alone. */
export type ProcessEvent =
  | { readonly type: 'said'; readonly said: Said; /** ms since 1970. */ readonly at: number }
  | { readonly type: 'exit'; readonly how: string; readonly clean: boolean };

/**
 * `sh` starts a watcher and becomes the trainer. The watcher reads a pipe that only the worker holds: it ends when the
 * worker ends, kill -9 included, and then the whole process group goes, grandchildren and all. The watcher is nobody's
 * child (a trainer that waits for its children would find it), lets go of the trainer's output (nobody would see its
 * end), and ignores SIGTERM, which is meant for the trainer.
 */
const launcher =
  '( ( trap "" TERM INT HUP; exec 0<&3 3<&- 1>/dev/null 2>/dev/null; read x; kill -KILL 0 ) & ); exec 3<&-; exec "$@"';

/** Where a trainer's output goes; a trainer is made to wait for `room` where it is `full`. */
export interface OutputLog {
  write(text: Buffer): void;
  readonly full: boolean;
  room(): Promise<void>;
}

/** Events, and characters of them, that may wait before the trainer has to. */
const mostEvents = 256;
const mostHeard = 1 << 22;

/** One running trainer. */
export class TrainerProcess {
  readonly pid: number | undefined;
  /** It has printed nothing on standard output since the last request. */
  silent = true;
  private log: OutputLog | null = null;
  private readonly stdout: LineSplitter;
  private readonly redactors: readonly Redactor[];
  private readonly child: ChildProcess;
  private readonly leash: Duplex;
  private readonly events: ProcessEvent[] = [];
  private readonly tail = new Tail();
  private heard = 0;
  private waits = false;
  private wake: (() => void) | null = null;
  private over = false;
  /** Resolves once the process and its group are gone. */
  readonly exited: Promise<void>;
  /** Whether the last request could be handed over: nobody is there to take it from a process that has ended. */
  reached = true;

  constructor({ command, cwd, env, secrets }: TrainerCommand, gpu: string | undefined) {
    this.child = spawn('/bin/sh', ['-c', launcher, 'sh', ...command], {
      cwd,
      env: { ...env, ...(gpu === undefined ? {} : { CUDA_VISIBLE_DEVICES: gpu }) },
      // A group of its own, so that one signal reaches everything the trainer started.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.pid = this.child.pid;
    this.leash = this.child.stdio[3] as Duplex;
    this.leash.on('error', () => {});
    const stdin = this.child.stdin as Writable;
    // A trainer that died before it read its request is told by its exit.
    stdin.on('error', () => {});
    const shown = [
      new Redactor(secrets, (text) => this.log?.write(text)),
      new Redactor(secrets, (text) => {
        this.tail.push(text);
        this.log?.write(text);
      }),
    ] as const;
    const [output, errors] = shown;
    this.redactors = shown;
    this.stdout = new LineSplitter(
      (text) => output.push(text),
      (line) => this.hear(line)
    );
    (this.child.stdout as Readable).on('data', (chunk: Buffer) => {
      this.silent = false;
      this.stdout.push(chunk);
      this.keepUp();
    });
    (this.child.stdout as Readable).on('end', () => {
      this.stdout.end();
      output.flush();
    });
    (this.child.stderr as Readable).on('end', () => errors.flush());
    (this.child.stderr as Readable).on('data', (chunk: Buffer) => {
      errors.push(chunk);
      this.keepUp();
    });
    this.exited = new Promise((resolve) => {
      const end = (how: string, clean: boolean): void => {
        if (this.over) return;
        this.over = true;
        this.push({ type: 'exit', how, clean });
        resolve();
      };
      this.child.once('error', (error) => {
        this.leash.destroy();
        end(`could not start: ${error.message}`, false);
      });
      this.child.once('exit', () => {
        // The watcher sees the end of its pipe and takes what the trainer left behind.
        this.leash.destroy();
        this.signal('SIGKILL');
        // What it has said last is not much, and no longer holds it up.
        this.flow();
        // Something that left the group may hold the output open for ever.
        const { stdout, stderr } = this.child;
        setTimeout(() => (stdout?.destroy(), stderr?.destroy()), 1000).unref();
      });
      this.child.once('close', (code, signal) =>
        end(signal ? `was ended by ${signal}` : `ended with exit code ${code}`, code === 0)
      );
    });
  }

  get alive(): boolean {
    return !this.over && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The last lines of standard error. */
  get stderrTail(): string {
    return this.tail.text;
  }

  /** Is there an event that `next` would give at once? */
  get hasEvents(): boolean {
    return this.events.length > 0;
  }

  send(request: object): void {
    this.silent = true;
    (this.child.stdin as Writable).write(JSON.stringify(request) + '\n', (error) => {
      if (error) this.reached = false;
    });
  }

  /** Tells the trainer that nothing more will be asked. */
  closeInput(): void {
    (this.child.stdin as Writable).end();
  }

  /** Signals the trainer and everything it started. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group is gone.
    }
  }

  /** The next event, or null when there is none within `milliseconds` or `interrupt` was called. */
  async next(milliseconds: number): Promise<ProcessEvent | null> {
    if (this.events.length === 0 && milliseconds > 0) {
      await new Promise<void>((resolve) => {
        // Node's timers end at 2^31 - 1 ms.
        const timer = setTimeout(resolve, Math.min(milliseconds, 2 ** 31 - 1));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = null;
    }
    const event = this.events.shift() ?? null;
    if (this.events.length === 0) {
      this.heard = 0;
      this.flow();
    }
    return event;
  }

  /** From now on output goes there; null: nowhere. */
  logTo(log: OutputLog | null): void {
    this.flush();
    this.log = log;
    this.flow();
  }

  /** Drops what was said between two segments. */
  forget(): void {
    this.flush();
    this.events.length = 0;
    this.heard = 0;
    this.tail.clear();
    this.flow();
  }

  private flush(): void {
    this.stdout.flush();
    for (const redactor of this.redactors) redactor.flush();
  }

  /** Makes a waiting `next` return. */
  interrupt(): void {
    this.wake?.();
  }

  /** Asks to end, then makes it end; resolves when it is gone. */
  async end(graceMilliseconds: number): Promise<void> {
    if (this.over) return;
    this.closeInput();
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMilliseconds);
    await this.exited;
    clearTimeout(timer);
  }

  private push(event: ProcessEvent): void {
    this.events.push(event);
    this.wake?.();
  }

  private hear(line: string): void {
    const said = readLine(line);
    if (said === null) return;
    this.heard += line.length;
    this.push({ type: 'said', said, at: Date.now() });
  }

  /** Makes a trainer wait that prints faster than its log is written, or tells more than anybody listens to. */
  private keepUp(): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const { log } = this;
    if (this.isAhead) this.hold();
    else if (log?.full && !this.waits) {
      this.hold();
      void log.room().then(() => this.log === log && !this.isAhead && this.flow());
    }
  }

  private get isAhead(): boolean {
    return this.events.length >= mostEvents || this.heard >= mostHeard;
  }

  private hold(): void {
    this.waits = true;
    this.child.stdout?.pause();
    this.child.stderr?.pause();
  }

  private flow(): void {
    if (!this.waits) return;
    this.waits = false;
    this.child.stdout?.resume();
    this.child.stderr?.resume();
  }
}

interface Slot {
  readonly gpu: string | undefined;
  process: { readonly key: string; readonly process: TrainerProcess; idle: NodeJS.Timeout | null } | null;
  busy: boolean;
}

export interface PoolOptions {
  /** Processes that train at once. */
  readonly slots: number;
  /** CUDA index per slot. @default trainers see what the worker sees */
  readonly gpus?: readonly string[] | undefined;
  /** Milliseconds a trainer may wait for its next segment before it gives its memory back. @default 60000 */
  readonly idleMilliseconds?: number | undefined;
}

/** A slot with its process, until `release`. */
export interface Lease {
  readonly process: TrainerProcess;
  /** It has trained a segment before. */
  readonly reused: boolean;
  /** Gives the slot back; a process that is not to be reused is killed first. */
  release(reuse: boolean): Promise<void>;
}

/** Hands out slots; whoever waits gets the next one in the order of asking. */
export class ProcessPool {
  private readonly slots: Slot[];
  private readonly waiting: (() => void)[] = [];
  private disposed = false;

  constructor(private readonly options: PoolOptions) {
    const { slots, gpus = [] } = options;
    this.slots = Array.from({ length: Math.max(1, slots) }, (_, index) => ({
      gpu: gpus.length > 0 ? gpus[index % gpus.length] : undefined,
      process: null,
      busy: false,
    }));
  }

  /** A process of this command, an idle one where there is one. Null when `signal` aborts before a slot is free. */
  async acquire(command: TrainerCommand, signal: AbortSignal): Promise<Lease | null> {
    const key = JSON.stringify([command.command, command.cwd, Object.entries(command.env).sort()]);
    let slot: Slot | null;
    while (!(slot = this.freeSlot(key))) {
      if (signal.aborted) return null;
      await new Promise<void>((resolve) => {
        const onAbort = (): void => {
          const place = this.waiting.indexOf(resolve);
          if (place >= 0) this.waiting.splice(place, 1);
          resolve();
        };
        signal.addEventListener('abort', onAbort, { once: true });
        this.waiting.push(() => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        });
      });
    }
    if (signal.aborted) {
      this.waiting.shift()?.();
      return null;
    }
    slot.busy = true;
    return this.lease(slot, key, command);
  }

  /** Kills every trainer. */
  dispose(): void {
    this.disposed = true;
    for (const slot of this.slots) slot.process?.process.signal('SIGKILL');
  }

  private freeSlot(key: string): Slot | null {
    const free = this.slots.filter((slot) => !slot.busy);
    const fits = (slot: Slot) => slot.process?.key === key && slot.process.process.alive;
    return free.find(fits) ?? free.find((slot) => !slot.process) ?? free[0] ?? null;
  }

  private async lease(slot: Slot, key: string, command: TrainerCommand): Promise<Lease> {
    if (this.disposed) throw new Error('the worker has ended');
    const kept = slot.process;
    if (kept?.idle) clearTimeout(kept.idle);
    if (kept && (kept.key !== key || !kept.process.alive)) {
      slot.process = null;
      await kept.process.end(2000);
    }
    const reused = slot.process !== null;
    slot.process?.process.forget();
    const entry = (slot.process ??= { key, process: new TrainerProcess(command, slot.gpu), idle: null });
    const { process } = entry;
    return {
      process,
      reused,
      release: async (reuse) => {
        process.logTo(null);
        if (reuse && process.alive && !this.disposed) {
          entry.idle = setTimeout(() => void this.retire(slot, entry), this.options.idleMilliseconds ?? 60_000).unref();
        } else {
          process.signal('SIGKILL');
          await process.exited;
          slot.process = null;
        }
        slot.busy = false;
        this.waiting.shift()?.();
      },
    };
  }

  /** Ends a process that nobody wanted for a while. */
  private async retire(slot: Slot, entry: NonNullable<Slot['process']>): Promise<void> {
    if (slot.busy || slot.process !== entry) return;
    slot.process = null;
    await entry.process.end(2000);
  }
}
