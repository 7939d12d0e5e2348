/** Each library as its documentation says it survives: what to run, what trains, where its checkpoints are, what it knows. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readRecord } from '../../activities/record-store.js';
import { childrenOf, commandOf } from '../../chaos/processes.js';
import { remembered } from '../../cluster/remembered.js';

const here = fileURLToPath(new URL('./', import.meta.url));
const command = fileURLToPath(new URL('../../dist/scripts/everband.js', import.meta.url));
const helperPython = fileURLToPath(new URL('../../python/.venv/bin/python', import.meta.url));

/** One run of a library: its folder, its seed. */
export interface Place {
  readonly folder: string;
  readonly seed: number;
  /** Every epoch trained to its end is a line of it. */
  readonly journal: string;
}

/** What a library knows when it has ended. */
interface Told {
  readonly version: string;
  readonly trials: readonly { readonly trial: string; readonly epochs: number; readonly ended: boolean }[];
}

export interface Part {
  readonly name: string;
  readonly command: readonly string[];
  /** How it is started when it has ended by a fault, where that differs. */
  readonly again?: readonly string[];
  /** It runs until it is told to end, and is not waited for. */
  readonly serves?: true;
}

export interface Library {
  readonly name: string;
  readonly env: (place: Place) => NodeJS.ProcessEnv;
  /** Runs to its end before the parts start, also after everything was killed. */
  readonly before?: (place: Place) => readonly string[];
  readonly parts: (place: Place) => readonly Part[];
  /** Processes that train, among those that the parts have started: any of them may be hit. */
  readonly training: (pids: ReadonlyMap<string, number>) => number[];
  /** Processes besides the parts and what they started. */
  readonly others: (place: Place) => number[];
  /** Folder below which checkpoints are, and what their files are called. */
  readonly checkpoints: readonly [folder: string, file: RegExp];
  readonly tell: (place: Place) => Told;
}

/** Largest budget of the studies, in epochs. */
const R = 27;
/** Trials of one iteration of Hyperband with it and eta 3, and the evaluations (segments) that they come to. */
const trials = 49;
const evaluations = 69;

function peer(python: string, file: string, count: number, parts: readonly string[]) {
  const run = ({ folder, journal, seed }: Place, what: string) => [
    ...[python, path.join(here, file), what, folder, journal, String(seed), String(count), String(R)],
  ];
  return {
    env: () => process.env,
    parts: (place: Place) => parts.map((name) => ({ name, command: run(place, 'run') })),
    others: () => [],
    tell: (place: Place): Told => {
      const [program = '', ...args] = run(place, 'tell');
      const lines = execFileSync(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .trim()
        .split('\n');
      return JSON.parse(lines.at(-1) ?? '') as Told;
    },
  };
}

/** The libraries of bench/requirements.txt, and Everband. */
export function libraries(python: string): Library[] {
  const both = (pids: ReadonlyMap<string, number>) => [...pids.values()];
  return [
    everband,
    {
      ...{ name: 'Optuna', training: both, checkpoints: ['checkpoints', /\.json$/] },
      ...peer(python, 'optuna_peer.py', trials, ['process 1', 'process 2']),
    },
    {
      ...{ name: 'Ray Tune', checkpoints: ['results', /^state\.json$/] },
      ...peer(python, 'ray_peer.py', trials, ['driver']),
      training: (pids) => descendantsOf([...pids.values()]).filter((pid) => /^ray::.*train/.test(commandOf(pid))),
    },
    {
      ...{ name: 'NePS', training: both, checkpoints: ['run', /^state\.json$/] },
      ...peer(python, 'neps_peer.py', evaluations, ['process 1', 'process 2']),
    },
  ];
}

const study = 'faults';
const home = ({ folder }: Place) => path.join(folder, 'home');
const run = (...args: string[]) => [process.execPath, command, ...args];

const everband: Library = {
  name: 'Everband',
  env: (place) => ({ ...process.env, EVERBAND_HOME: home(place), NO_COLOR: '1' }),
  before: () => run('server'),
  parts: ({ folder, journal, seed }) => {
    const file = path.join(folder, 'study.json');
    writeFileSync(
      file,
      JSON.stringify({
        ...{ name: study, seed, objective: { metric: 'loss', mode: 'minimise' }, parallelism: 2 },
        space: { lr: { float: [0, 1] }, momentum: { float: [0, 1] } },
        scheduler: { type: 'hyperband', R, eta: 3 },
        trainer: { command: [helperPython, path.join(here, 'trainer.py'), journal] },
      })
    );
    return [
      { name: 'orchestrate', command: run('worker', 'orchestrate', 'predict'), serves: true },
      { name: 'train 1', command: run('worker', 'train', '--slots', '1'), serves: true },
      { name: 'train 2', command: run('worker', 'train', '--slots', '1'), serves: true },
      { name: 'client', command: run('start', file, '--wait'), again: run('watch', study) },
    ];
  },
  training: (pids) => [pids.get('train 1'), pids.get('train 2')].filter((pid) => pid !== undefined),
  others: (place) => {
    const server = remembered(home(place));
    return server ? [server.pid] : [];
  },
  checkpoints: ['home/studies', /^epoch-/],
  tell: (place) => {
    const { version } = JSON.parse(readFileSync(path.join(here, '../../package.json'), 'utf8')) as { version: string };
    return {
      version,
      trials: (readRecord(home(place), study)?.trials ?? []).map(({ config, values, fate }) => ({
        ...{ trial: `${config['lr']} ${config['momentum']}`, epochs: values.length, ended: fate !== 'failed' },
      })),
    };
  },
};

/** A process and what it and they have started. */
export function descendantsOf(pids: readonly number[]): number[] {
  return pids.flatMap((pid) => [pid, ...descendantsOf(childrenOf(pid).map((one) => one.pid))]);
}

/** The newest file below a folder whose name is of that kind. */
export function newestFile(folder: string, name: RegExp): string | null {
  if (!existsSync(folder)) return null;
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && name.test(one.name))
    .map((one) => path.join(one.parentPath, one.name))
    .map((file) => ({ file, at: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }));
  return files.sort((a, b) => b.at - a.at)[0]?.file ?? null;
}
