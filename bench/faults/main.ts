/**
 * The same faults at the same moments on Everband, Optuna, Ray Tune and NePS, each set up as its documentation says that it
 * survives, on one task: 49 trials of Hyperband (R = 27, eta 3), epochs of 50 ms, two processes that train.
 * `npx tsx bench/faults/main.ts <python with bench/requirements.txt> [seeds] [library,…] [fault,…]`
 *
 * A supervisor starts every part again that has ended by a fault or with an error, a second later, at most 8 times; nobody
 * does more. Prints a line for every run, and the table.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runCommand, sleep } from '../../chaos/command.js';
import { mountSmall, unmount } from '../../chaos/disk.js';
import { found, naming, signal } from '../../chaos/processes.js';
import { digestOf } from '../../core/record.js';
import { stream } from '../../core/rng.js';
import { descendantsOf, libraries, newestFile, type Library, type Part, type Place } from './libraries.js';

/** Seconds without an epoch after which a run will not end any more, and seconds that it has in any case. */
const patience = 120;
const limit = 900;
/** Times that a part is started again. */
const most = 8;
const python = process.argv[2];
if (!python) throw new Error('which Python has bench/requirements.txt? npx tsx bench/faults/main.ts <python> [seeds]');
const seeds = Number(process.argv[3] ?? 3);
const wanted = process.argv[4]?.split(',');
const onlyFaults = process.argv[5]?.split(',');

/** A library that runs, and those who start it again. */
class Run {
  readonly pids = new Map<string, number>();
  private readonly children = new Map<string, ChildProcess>();
  private readonly starts = new Map<string, number>();
  private over = false;
  /** Nobody is started again while the machine is down. */
  private down = false;
  private end: (well: boolean) => void = () => undefined;
  /** Whether it came to its end; not, where a part ended too often. */
  readonly ended = new Promise<boolean>((resolve) => (this.end = resolve));

  constructor(
    readonly library: Library,
    readonly place: Place
  ) {}

  async begin(): Promise<void> {
    const { library, place } = this;
    const before = library.before?.(place);
    if (before) await runCommand(before, { env: library.env(place), milliseconds: 60_000 });
    for (const part of library.parts(place)) this.start(part);
  }

  get everyone(): number[] {
    return [...descendantsOf([...this.pids.values()]), ...this.library.others(this.place)];
  }

  /** Kills all of them, then starts them again. */
  async killAll(): Promise<void> {
    this.down = true;
    for (const pid of this.everyone) signal(pid, 'SIGKILL');
    while (this.children.size > 0) await sleep(20);
    await sleep(1000);
    this.down = false;
    if (!this.over) await this.begin();
  }

  async close(): Promise<void> {
    this.over = true;
    for (const pid of this.everyone) signal(pid, 'SIGKILL');
    for (const { pid } of naming(this.place.folder)) signal(pid, 'SIGKILL');
    while (this.children.size > 0) await sleep(20);
  }

  private start(part: Part): void {
    const times = (this.starts.get(part.name) ?? 0) + 1;
    this.starts.set(part.name, times);
    const [program = '', ...args] = times > 1 && part.again ? part.again : part.command;
    const env = this.library.env(this.place);
    const child = spawn(program, args, { env, cwd: this.place.folder, stdio: 'ignore' });
    this.children.set(part.name, child);
    this.pids.set(part.name, child.pid as number);
    child.once('exit', (code) => {
      this.children.delete(part.name);
      this.pids.delete(part.name);
      if (this.over || this.down) return;
      if (code === 0 && !part.serves) {
        const left = this.library.parts(this.place).filter(({ name, serves }) => !serves && this.children.has(name));
        if (left.length === 0) this.end(true);
      } else if (times > most) this.end(false);
      else setTimeout(() => !this.over && !this.down && !this.children.has(part.name) && this.start(part), 1000);
    });
  }
}

/** What is done in a run, once; resolves when it is over. */
const faults: Readonly<Record<string, ((run: Run, index: number) => Promise<void>) | null>> = {
  none: null,
  'a process that trains is killed': async (run, index) => {
    const pid = await aTrainingProcess(run, index);
    if (pid !== null) signal(pid, 'SIGKILL');
  },
  'all processes are killed': async (run) => run.killAll(),
  'all processes are killed three times': async (run) => {
    for (let time = 0; time < 3; time++) {
      await run.killAll();
      await sleep(4000);
    }
  },
  'a process that trains is frozen for 20 s': async (run, index) => {
    const pid = await aTrainingProcess(run, index);
    if (pid === null) return;
    const stopped = descendantsOf([pid]);
    for (const one of stopped) signal(one, 'SIGSTOP');
    await sleep(20_000);
    for (const one of stopped) if (found(one)) signal(one, 'SIGCONT');
  },
  'the newest checkpoint is cut, all are killed': async (run) => {
    const [folder, name] = run.library.checkpoints;
    const file = newestFile(path.join(run.place.folder, folder), name);
    if (file === null) throw new Error(`${run.library.name} has no checkpoint yet`);
    truncateSync(file, Math.floor(statSync(file).size / 2));
    await run.killAll();
  },
  'the disk is full for 5 s': async (run) => {
    const filler = path.join(run.place.folder, 'filler');
    const until = Date.now() + 5000;
    while (Date.now() < until) {
      try {
        writeFileSync(filler, Buffer.alloc(65_536), { flag: 'a' });
      } catch {
        await sleep(20);
      }
    }
    rmSync(filler, { force: true });
  },
};

interface Outcome {
  readonly library: string;
  readonly fault: string;
  readonly seed: number;
  readonly ended: boolean;
  readonly seconds: number;
  /** Trials known that have not come to an end. */
  readonly open: number;
  /** Epochs trained to their end that had been trained before. */
  readonly again: number;
  /** Epochs of trials that came to no end, which nobody uses. */
  readonly wasted: number;
  /** What was trained how far, sorted: the result. */
  readonly result: string;
  readonly version: string;
}

/** What is to be ended when this is interrupted. */
let running: Run | null = null;
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => void Promise.resolve(running?.close()).then(() => process.exit(1)));

async function observe(library: Library, fault: string, seed: number, at: number): Promise<Outcome> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-faults-'));
  const small = fault.startsWith('the disk');
  if (small) {
    const why = mountSmall(folder);
    if (why !== null) throw new Error(why);
  }
  const apart = mkdtempSync(path.join(os.tmpdir(), 'everband-journal-'));
  const place: Place = { folder, seed, journal: path.join(apart, 'journal.jsonl') };
  const run = new Run(library, place);
  running = run;
  try {
    const began = Date.now();
    await run.begin();
    const act = faults[fault];
    if (act) {
      // The moment is a number of epochs, so that it is the same for the quick and for the slow to start.
      while (linesOf(place.journal).length < at && Date.now() - began < limit * 1000) await sleep(20);
      await act(run, seed);
    }
    const ended = await Promise.race([run.ended, standsStill(place.journal, began)]);
    const seconds = (Date.now() - began) / 1000;
    await run.close();
    const lines = linesOf(place.journal).map((line) => JSON.parse(line) as { trial: string; epoch: number });
    const { version, trials } = library.tell(place);
    const done = new Map<string, number>();
    for (const one of trials)
      if (one.ended) done.set(keyOf(one.trial), Math.max(one.epochs, done.get(keyOf(one.trial)) ?? 0));
    const once = new Set(lines.map(({ trial, epoch }) => `${keyOf(trial)} ${epoch}`));
    return {
      ...{ library: library.name, fault, seed, ended, seconds, version },
      open: trials.filter((one) => !one.ended).length,
      again: lines.length - once.size,
      wasted: lines.filter(({ trial, epoch }) => epoch > (done.get(keyOf(trial)) ?? 0)).length,
      result: [...done]
        .map(([trial, epochs]) => `${trial} ${epochs}`)
        .sort()
        .join('\n'),
    };
  } finally {
    await run.close();
    if (small) unmount(folder, false);
    for (const one of [folder, apart]) rmSync(one, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** False, once no epoch was trained for so long that none will be. */
async function standsStill(journal: string, began: number): Promise<false> {
  let known = 0;
  for (
    let last = Date.now();
    Date.now() - last < patience * 1000 && Date.now() - began < limit * 1000;
    await sleep(200)
  ) {
    const now = linesOf(journal).length;
    if (now > known) [known, last] = [now, Date.now()];
  }
  return false;
}

/** Numbers as JavaScript writes them. */
function keyOf(trial: string): string {
  return trial.split(' ').map(Number).join(' ');
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}

async function aTrainingProcess(run: Run, index: number): Promise<number | null> {
  for (let tries = 0; tries < 100; tries++) {
    const pids = run.library.training(run.pids);
    if (pids.length > 0) return pids[index % pids.length] as number;
    await sleep(50);
  }
  return null;
}

const chosen = Object.keys(faults).filter((name) => onlyFaults?.some((part) => name.includes(part)) ?? true);
const outcomes: Outcome[] = [];
for (let seed = 1; seed <= seeds; seed++) {
  const at = 60 + Math.floor(stream(seed, 'faults').uniform() * 120);
  for (const library of libraries(python).filter(({ name }) => wanted?.includes(name) ?? true))
    // Undisturbed twice: what differs between these two is no fault's doing.
    for (const fault of ['none', ...chosen]) {
      const outcome = await observe(library, fault, seed, at);
      outcomes.push(outcome);
      const { ended, seconds, open, again, wasted } = outcome;
      console.log(
        `${library.name} ${outcome.version}, seed ${seed}, ${fault}: ${ended ? 'ended' : 'DID NOT END'} after ${seconds.toFixed(1)} s; ` +
          `${open} open, ${again} again, ${wasted} for nothing, result ${digestOf(outcome.result).slice(0, 8)}`
      );
    }
}

console.log(
  `\n${os.availableParallelism()} cores, Node ${process.versions.node}, load at the end ${os.loadavg()[0]?.toFixed(1)}\n`
);
console.log(
  '| fault | library | ended | same result | trials left open | epochs again | epochs for nothing | seconds more |'
);
console.log('|---|---|---|---|---|---|---|---|');
for (const fault of Object.keys(faults))
  for (const library of new Set(outcomes.map((one) => one.library))) {
    const all = outcomes.filter((one) => one.library === library && one.fault === fault);
    const calm = (seed: number) =>
      outcomes.find((one) => one.library === library && one.seed === seed && one.fault === 'none');
    const rest = all.filter((one) => one !== calm(one.seed));
    if (rest.length === 0) continue;
    const of = (value: (one: Outcome) => number) => {
      const sorted = rest.map(value).sort((a, b) => a - b);
      return sorted[0] === sorted.at(-1) ? `${sorted[0]}` : `${sorted[0]} to ${sorted.at(-1)}`;
    };
    const more = rest.map((one) => one.seconds - (calm(one.seed)?.seconds ?? 0)).sort((a, b) => a - b);
    const cells = [
      fault,
      library,
      `${rest.filter((one) => one.ended).length} of ${rest.length}`,
      `${rest.filter((one) => one.result === calm(one.seed)?.result).length} of ${rest.length}`,
      ...[of((one) => one.open), of((one) => one.again), of((one) => one.wasted)],
      (more[Math.floor(more.length / 2)] as number).toFixed(1),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
process.exit();
