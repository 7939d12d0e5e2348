/** A comparison on several threads. Every piece is seeded by itself, so that their number changes nothing but time. */
import { Worker } from 'node:worker_threads';
import { pieces, simulate, type Comparison, type Run } from './comparison.js';

export interface PoolOptions {
  /** Threads; 1 works in this one. */
  readonly jobs: number;
  /** Ends the work and keeps what is done. */
  readonly signal?: AbortSignal;
  /** Runs that were asked for; those of the yardstick, which nobody asked for, are not counted. */
  progress?(done: number, all: number): void;
}

/** Runs in the order of contestants, then seeds; fewer than asked for when the signal ended it. */
export async function runComparison(comparison: Comparison, options: PoolOptions): Promise<Run[]> {
  const todo = pieces(comparison);
  const done: Run[] = [];
  const all = shown(comparison, todo).length;
  let many = 0;
  const note = (run: Run) => {
    done.push(run);
    many += shown(comparison, [run]).length;
    options.progress?.(many, all);
  };
  if (options.jobs <= 1) {
    for (const piece of todo) {
      if (options.signal?.aborted) break;
      note(await simulate(comparison, piece));
      // Signals and timers get their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } else {
    const threads = Math.min(options.jobs, todo.length);
    let next = 0;
    let failed = false;
    const take = () => (failed || options.signal?.aborted ? undefined : todo[next++]);
    const working = Array.from({ length: threads }, () => work(comparison, take, note, options.signal));
    for (const one of working) one.catch(() => (failed = true));
    await Promise.all(working);
  }
  return done.sort((a, b) => a.contestant - b.contestant || a.seed - b.seed);
}

/** Those of `some` that were asked for. */
export function shown<T extends { readonly contestant: number }>(
  { contestants }: Pick<Comparison, 'contestants'>,
  some: readonly T[]
): T[] {
  return some.filter(({ contestant }) => contestants[contestant]?.shown);
}

type Piece = ReturnType<typeof pieces>[number];
/** What a thread answers. */
export type Answer = { readonly run: Run } | { readonly error: string };

function work(
  comparison: Comparison,
  take: () => Piece | undefined,
  note: (run: Run) => void,
  signal: AbortSignal | undefined
): Promise<void> {
  const worker = thread(comparison);
  return new Promise<void>((resolve, reject) => {
    const end = () => void worker.terminate().then(() => resolve());
    const give = () => {
      const piece = take();
      if (piece) worker.postMessage(piece);
      else end();
    };
    worker.on('message', (answer: Answer) => {
      if ('error' in answer) {
        void worker.terminate();
        reject(new Error(answer.error));
        return;
      }
      note(answer.run);
      give();
    });
    worker.on('error', reject);
    signal?.addEventListener('abort', end, { once: true });
    give();
  });
}

/** From the TypeScript sources a thread needs tsx of its own, found from the working folder. */
function thread(comparison: Comparison): Worker {
  const options = { workerData: comparison };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./thread.js', import.meta.url), options);
  const entry = JSON.stringify(new URL('./thread.ts', import.meta.url).href);
  const code = `import('tsx/esm/api').then(({ register }) => (register(), import(${entry})))`;
  return new Worker(code, { ...options, eval: true });
}
