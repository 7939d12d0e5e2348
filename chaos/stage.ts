/** Everything that runs in a round: server, workers, studies, in folders of their own. Ends only what it started. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stream } from '../core/rng.js';
import { recordFile, studyFolder } from '../activities/record-store.js';
import { startServer, stopServer, type ServerInfo } from '../cluster/server.js';
import { parseStudy } from '../study/parse.js';
import type { Study } from '../core/study.js';
import { runCommand, sleep, type Printed } from './command.js';
import { ownPorts } from './ports.js';
import { mountSmall, unmount } from './disk.js';
import type { RoundPlan } from './plan.js';
import { found, naming, signal } from './processes.js';
import { asksElsewhere, curvesTable, fileOf, givesUp, isAsynchronous, queues, type StudyPlan } from './studies.js';
import { ChaosWorker } from './worker.js';

const root = fileURLToPath(new URL('../', import.meta.url));
/** The build of this checkout. */
export const built = path.join(root, 'dist');
const trainerFiles = fileURLToPath(new URL('./trainers/', import.meta.url));
/** Slots of a training worker, and of a Python worker. */
const slots = 2;
/** Seconds that an attempt may go on before it learns that it counts no more: it looks every second. */
const fenceSeconds = 2;
/** The first commands of a study and of a group, which another build gives later. */
const beginnings = ['const name = recoveryOf(input);', 'all = await local.run('];

/** Whom a fault hits: a worker by its role, a trainer process, or the server. */
export const roles = ['orchestrator', 'predictor', 'trainer', 'python', 'judge', 'process', 'server'] as const;
export type Role = (typeof roles)[number];
type WorkerRole = Exclude<Role, 'process' | 'server'>;

/** A study of the round as it stands. */
export interface ChaosStudy {
  readonly plan: StudyPlan;
  /** The how manieth of its name. */
  life: number;
  /** Why its bytes need not be those of the undisturbed study; empty: they must be. */
  readonly loosened: Set<string>;
  /** Epochs that a trial of it may have trained again so far. */
  again: number;
  /** Its workflow is gone with the server's database, and nobody has taken it up yet. */
  lost: boolean;
  /** What is done to it as a whole, one after the other: taken up, deleted, started anew. */
  work: Promise<unknown>;
}

/** Rounds that have begun and not ended. */
const running = new Set<Stage>();

/** Ends whatever rounds have started, at once, and removes their folders. */
export async function endRounds(): Promise<void> {
  await Promise.all(
    [...running].map(async (stage) => {
      await stage.end();
      stage.clean(false);
    })
  );
}

export class Stage {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'everband-chaos-'));
  readonly home = path.join(this.folder, 'home');
  readonly studies: readonly ChaosStudy[];
  /** What was done and seen, with seconds since the studies began. */
  readonly events: string[] = [];
  /** What must never be: orphans, workers that do not end. */
  readonly problems: string[] = [];
  /** Kinds that could not be injected, with the reason. */
  readonly skipped = new Map<string, string>();
  /** Whether the folder of studies is a small file system of its own. */
  small = false;
  private workers: { readonly role: Role; readonly worker: ChaosWorker }[] = [];
  private server: ServerInfo | null = null;
  private serverWork: Promise<unknown> = Promise.resolve();
  private began = Date.now();
  private builds = new Map<string, string>();
  private ended = false;
  /** Which build the orchestrating workers are of. */
  build = built;

  constructor(
    readonly plan: RoundPlan,
    private readonly python: string | null,
    private readonly hear: (line: string) => void
  ) {
    this.studies = plan.studies.map((one) => ({
      ...{ plan: one, life: 1, again: 0, lost: false, work: Promise.resolve() },
      loosened: new Set(givesUp(one) ? ['its trainer gives trials up'] : []),
    }));
  }

  get trainers(): string {
    return path.join(this.folder, 'trainers');
  }

  get journals(): string {
    return path.join(this.folder, 'journals');
  }

  /** File with the orders of the predictor elsewhere. */
  get orders(): string {
    return path.join(this.folder, 'orders.json');
  }

  get serverPid(): number | null {
    return this.server?.pid ?? null;
  }

  /** Starts server and workers, then the studies. */
  async begin(): Promise<void> {
    running.add(this);
    for (const one of [this.home, this.journals, path.join(this.home, 'studies')]) mkdirSync(one, { recursive: true });
    cpSync(trainerFiles, this.trainers, { recursive: true });
    writeFileSync(path.join(this.trainers, 'package.json'), '{"type":"module"}');
    writeFileSync(path.join(this.trainers, 'curves.csv'), curvesTable(stream(this.plan.seed, 'curves')));
    if (this.plan.faults.some(({ kind }) => kind === 'disk')) {
      const why = mountSmall(path.join(this.home, 'studies'));
      this.small = why === null;
      if (why !== null) this.skipped.set('disk', why);
    }
    // What this process asks by itself, it asks in the state folder of the round.
    process.env['EVERBAND_HOME'] = this.home;
    ownPorts(this.home);
    await this.startServer();
    const { studies, orchestrators } = this.plan;
    const has = (role: WorkerRole) => this.python !== null || (role !== 'python' && role !== 'judge');
    const wanted: [WorkerRole, number][] = [
      ['orchestrator', orchestrators],
      ['predictor', 1],
      ['trainer', 2],
      ['python', studies.some(({ trainer }) => trainer === 'python-worker') ? 2 : 0],
      ['judge', studies.some(asksElsewhere) ? 1 : 0],
    ];
    this.workers = wanted
      .filter(([role]) => has(role))
      .flatMap(([role, count]) => Array.from({ length: count }, (_, i) => ({ role, worker: this.worker(role, i) })));
    await Promise.all(this.workers.map(({ worker }) => worker.start()));
    this.began = Date.now();
    await Promise.all(this.studies.map((study) => this.start(study)));
    this.began = Date.now();
  }

  note(text: string): void {
    const line = `${((Date.now() - this.began) / 1000).toFixed(1).padStart(6)} s  ${text}`;
    this.events.push(line);
    this.hear(line);
  }

  problem(text: string): void {
    this.problems.push(text);
    this.note(`PROBLEM: ${text}`);
  }

  /** Members of a role; where a round has none, the training workers. */
  workersOf(role: Role): ChaosWorker[] {
    const own = this.workers.filter((one) => one.role === role);
    return (own.length > 0 ? own : this.workers.filter((one) => one.role === 'trainer')).map(({ worker }) => worker);
  }

  get allWorkers(): ChaosWorker[] {
    return this.workers.map(({ worker }) => worker);
  }

  workerAt(role: Role, index: number): ChaosWorker {
    const all = this.workersOf(role);
    return all[index % all.length] as ChaosWorker;
  }

  /** A trainer process that runs now; null where there is none. */
  trainerAt(index: number): number | null {
    const all = this.workers
      .filter(({ role }) => role === 'trainer' || role === 'python')
      .flatMap(({ worker }) => worker.trainers);
    return all.length === 0 ? null : (all[index % all.length]?.pid ?? null);
  }

  /** The studies that have not ended, as far as their records tell. */
  get open(): ChaosStudy[] {
    return this.studies.filter((study) => !this.isClosed(study));
  }

  isClosed({ plan: { name } }: ChaosStudy): boolean {
    return existsSync(recordFile(this.home, name));
  }

  /**
   * Every trial may train one epoch more again, and those that fit into `seconds`, while it may have had two attempts. Of
   * one study, or of all.
   */
  allow(seconds: number, studies: readonly ChaosStudy[] = this.open): void {
    for (const study of studies) study.again += 1 + Math.ceil((seconds * 1000) / study.plan.ms);
  }

  /** The same where an attempt goes on unseen for `seconds` until it learns that it counts no more. */
  allowOverlap(seconds: number): void {
    this.allow(seconds + fenceSeconds);
  }

  /** The study file of a study's present life, and the study that it makes. */
  studyOf(study: ChaosStudy): { readonly file: object; readonly study: Study } {
    const file = fileOf(study.plan, {
      ...{ trainers: this.trainers, journals: this.journals, python: this.python, life: study.life },
    });
    const parsed = parseStudy(file, { baseDir: this.folder });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return { file, study: parsed.study };
  }

  /** Why bytes and epochs of a study cannot be foretold. */
  isLoose(study: ChaosStudy): boolean {
    return study.loosened.size > 0 || isAsynchronous(this.studyOf(study).study);
  }

  journalOf({ plan: { name }, life }: ChaosStudy): string {
    return path.join(this.journals, `${name}-${life}.jsonl`);
  }

  folderOf({ plan: { name } }: ChaosStudy): string {
    return studyFolder(this.home, name);
  }

  /** Runs the command as an operator does, against the server itself. */
  async everband(args: readonly string[], milliseconds = 60_000, build = built): Promise<Printed> {
    return runCommand([process.execPath, path.join(build, 'scripts/everband.js'), ...args], {
      env: this.environment,
      milliseconds,
    });
  }

  /** The same again and again, until it succeeds or `over` says that nobody needs it any more. */
  async insist(args: readonly string[], over: (printed: Printed) => boolean, build = built): Promise<Printed> {
    for (let tries = 1; ; tries++) {
      const printed = await this.everband(args, 60_000, build);
      if (printed.code === 0 || over(printed) || tries === 12 || this.ended) return printed;
      await sleep(1500);
    }
  }

  /** Starts the study of a name's present life. */
  async start(study: ChaosStudy): Promise<void> {
    const { name } = study.plan;
    const file = path.join(this.folder, `${name}-${study.life}.json`);
    writeFileSync(file, JSON.stringify(this.studyOf(study).file));
    const began = (text: string) => / is known to the server already|a study named \S+ exists/.test(text);
    const { code, err } = await this.insist(['start', file], (printed) => began(printed.err));
    study.lost = false;
    if (code !== 0 && !began(err)) this.problem(`study ${name} could not be started: ${err.trim()}`);
  }

  async startServer(): Promise<void> {
    const settings = {
      'limit.historyCount.suggestContinueAsNew': this.plan.historyEvents,
      // A workflow is deleted only when its own tasks are acknowledged, by default every 30 s.
      'history.transferProcessorUpdateAckInterval': '"1s"',
      'history.visibilityProcessorUpdateAckInterval': '"1s"',
    };
    this.server = await startServer(this.home, () => undefined, settings);
  }

  /** Whoever stops or starts the server does so alone. */
  async aloneWithServer(work: () => Promise<void>): Promise<void> {
    const turn = this.serverWork.then(work);
    this.serverWork = turn.catch(() => undefined);
    await turn;
  }

  /** Whoever takes a study up, deletes it or starts it anew does so alone. */
  async alone<T>(study: ChaosStudy, work: () => Promise<T>): Promise<T> {
    const turn = study.work.then(work);
    study.work = turn.catch(() => undefined);
    return turn;
  }

  /** Takes a study up from its record, or starts it when there was nothing of it yet. */
  async recover(study: ChaosStudy, build = built): Promise<void> {
    const { name } = study.plan;
    const refusals = /has ended|still runs|no record of a study|wrote nothing to recover by|cut or changed|lacks/;
    this.allowOverlap(0);
    const { code, err } = await this.insist(
      ['start', '--recover', name],
      (printed) => refusals.test(printed.err),
      build
    );
    study.lost = false;
    if (code === 0) return this.note(`${name} goes on from its record`);
    if (/has ended|still runs/.test(err)) return;
    if (/no record of a study|wrote nothing to recover by/.test(err)) {
      this.note(`${name} had not begun, and is started again`);
      study.again = Infinity;
      await this.everband(['delete', name, '--force']);
      return this.start(study);
    }
    this.problem(`study ${name} could not be taken up: ${err.trim()}`);
  }

  /** Deletes a study, whatever it does, and starts another one of its name. */
  async startAnew(study: ChaosStudy, keeps: boolean): Promise<void> {
    const { name } = study.plan;
    if (!keeps) {
      const { code, err } = await this.insist(['delete', name, '--force'], ({ err: text }) =>
        /no study named/.test(text)
      );
      if (code !== 0 && !/no study named/.test(err)) this.problem(`study ${name} could not be deleted: ${err.trim()}`);
    }
    study.life++;
    study.again = 0;
    study.loosened.clear();
    if (givesUp(study.plan)) study.loosened.add('its trainer gives trials up');
    await this.start(study);
  }

  /** Ends the server by a signal; resolves once it has gone. */
  async endServer(how: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const pid = this.serverPid;
    if (pid === null) return;
    signal(pid, how);
    for (let tries = 0; found(pid) !== null; tries++) {
      if (tries === 400) signal(pid, 'SIGKILL');
      await sleep(50);
    }
  }

  /** Lets a study go on that an operator has paused. */
  async resume({ plan: { name } }: ChaosStudy): Promise<void> {
    await this.insist(['resume', name], ({ err }) => /not paused|no more orders|no study named|has ended/.test(err));
  }

  /** Removes the database of a server that is down. */
  wipeDatabase(): void {
    const folder = path.join(this.home, 'server');
    for (const name of readdirSync(folder)) if (name.startsWith('temporal.db')) rmSync(path.join(folder, name));
    for (const study of this.open) study.lost = true;
  }

  /** A build of the same version; `differs`: whose workflow code cannot go on with what this one began. */
  buildOf(differs: boolean): string {
    const name = differs ? 'differs' : 'same';
    const known = this.builds.get(name);
    if (known) return known;
    const tree = path.join(this.folder, `build-${name}`);
    mkdirSync(tree);
    cpSync(built, path.join(tree, 'dist'), { recursive: true });
    cpSync(path.join(root, 'package.json'), path.join(tree, 'package.json'));
    for (const shared of ['node_modules', 'python']) symlinkSync(path.join(root, shared), path.join(tree, shared));
    if (differs) {
      const file = path.join(tree, 'dist/workflows/bundle.js');
      let text = readFileSync(file, 'utf8');
      for (const line of beginnings) {
        if (!text.includes(line))
          throw new Error(`${line} is gone from workflows/bundle.js: chaos/stage.ts changes it`);
        text = text.replace(line, `await new Promise((done) => setTimeout(done, 1)); ${line}`);
      }
      writeFileSync(file, text);
    }
    this.builds.set(name, path.join(tree, 'dist'));
    return path.join(tree, 'dist');
  }

  /** What the command says of a study, in one line. */
  async statusOf({ plan: { name } }: ChaosStudy): Promise<string> {
    const { code, out, err } = await this.everband(['status', name]);
    return `exit code ${code}, ${(out + err).trim().replaceAll('\n', ' | ').slice(0, 1500)}`;
  }

  /** Ends everything in an orderly way and looks for what stayed behind. */
  async end(): Promise<void> {
    this.ended = true;
    await Promise.all(this.allWorkers.map((worker) => worker.close()));
    await stopServer(this.home);
    let left = naming(this.folder);
    for (let tries = 0; left.length > 0 && tries < 40; tries++) {
      await sleep(250);
      left = naming(this.folder);
    }
    for (const { pid, command } of left) {
      this.problem(`orphan: pid ${pid} is left over (${command})`);
      signal(pid, 'SIGKILL');
    }
  }

  /** Removes the folders; `keep` leaves them, as plain files, for whoever looks into a failure. */
  clean(keep: boolean): void {
    running.delete(this);
    if (this.small) unmount(path.join(this.home, 'studies'), keep);
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }

  private get environment(): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = { ...process.env, EVERBAND_HOME: this.home, NO_COLOR: '1' };
    delete env['TEMPORAL_ADDRESS'];
    return env;
  }

  private worker(role: WorkerRole, index: number): ChaosWorker {
    const label = `${role} ${index}`;
    const clock = path.join(this.folder, `clock-${role}-${index}`);
    // Trainers have the worker's clock.
    const passed = ['--pass-env', 'NODE_OPTIONS', '--pass-env', 'CHAOS_CLOCK'];
    const files = this.trainers;
    const python = this.python ?? '';
    const everband = (...args: string[]) => [
      path.join(role === 'orchestrator' ? this.build : built, 'scripts/everband.js'),
      'worker',
      ...args,
    ];
    const command = (): readonly string[] => {
      switch (role) {
        case 'orchestrator':
          return [process.execPath, ...everband('orchestrate')];
        case 'predictor':
          return [process.execPath, ...everband('predict')];
        case 'python':
          return [python, path.join(files, 'worker.py'), queues.python, String(slots)];
        case 'judge':
          return [python, path.join(files, 'predictor.py'), queues.predictor, this.orders];
        case 'trainer':
          return [process.execPath, ...everband('train', '--slots', String(slots), ...passed)];
      }
    };
    const env = {
      ...this.environment,
      CHAOS_CLOCK: clock,
      NODE_OPTIONS: `--import=file://${path.join(files, 'clock.mjs')}`,
      ...(role === 'python' || role === 'judge' ? { PYTHONPATH: path.join(root, 'python') } : {}),
    };
    const settings = {
      ...{ label, command, env, clock },
      note: (text: string) => this.note(text),
      fault: (text: string) => this.problem(text),
    };
    return new ChaosWorker(settings, () => Number(this.server?.address.split(':')[1]));
  }
}
