/**
 * The four public sets of learning curves, fetched from their repositories at one commit each. What arrives is brought
 * into the form that tests and studies read, a row a model and a column an epoch, and must have a known SHA-256.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CliError } from '../cluster/errors.js';

export interface CurveSet {
  /** The file is `curves/<name>.csv`. */
  readonly name: string;
  /** owner/name on GitHub. */
  readonly repository: string;
  readonly commit: string;
  readonly path: string;
  /** Of the finished CSV. */
  readonly sha256: string;
  readonly licence: string;
  /** From the repository's form to ours; absent where it is the same. */
  readonly convert?: (text: string) => string;
}

export const curveSets: readonly CurveSet[] = [
  {
    name: 'mlpf',
    repository: 'JP-Amboage/performance-pred',
    commit: '5e01d32b04424278395f14631ae5f905a760fb5d',
    path: 'data/mlpf/delphes_trainings_processed.csv',
    sha256: '83c7ae6933f20379d8edbb733dbc5a5a463009c99ecb3d6d906459c4c14d7fa6',
    licence: 'Apache-2.0',
  },
  {
    name: 'cifar10',
    repository: 'erwulff/performance-pred',
    commit: '851cca10fa1c7598537500c6e6d04a0bc17de538',
    path: 'data/cifar/cifar_curves_mod.json',
    sha256: '180be1a151a7ef7529bd8bb452c90eef4dbc121efc2f74166e63eca569df0187',
    licence: 'Apache-2.0',
    convert: cifarCsv,
  },
  {
    name: 'svhn',
    repository: 'MITAutoML/accelerating_nas',
    commit: '7a0abeb37787f51f47231c45af2796be697fe2cc',
    path: 'data/metaqnn_svhn.csv',
    sha256: '9407b8b58e1739244376a968ecf5ac1250360da67ca30834ce34eece91d53283',
    licence: 'MIT',
  },
  {
    name: 'ptb',
    repository: 'MITAutoML/accelerating_nas',
    commit: '7a0abeb37787f51f47231c45af2796be697fe2cc',
    path: 'data/lstm_ptb.csv',
    sha256: '154d96926a0085287ac507e39f37f5943425224af0eee8d126e00aab702441d9',
    licence: 'MIT',
    convert: ptbCsv,
  },
];

/** Column by column, `{"lr": {"0": 0.1, "1": 0.2}, ..., "0": {...}}`: numbered columns are epochs, counted from 0. */
export function cifarCsv(text: string): string {
  const columns = JSON.parse(text) as Record<string, Record<string, number>>;
  // An object gives its whole-number keys first and in order; the file has them last.
  const names = Object.keys(columns).filter((name) => !/^\d+$/.test(name));
  const epochs = Object.keys(columns).filter((name) => /^\d+$/.test(name));
  const head = [...names, ...epochs.map((epoch) => `acc_${Number(epoch) + 1}`)];
  const rows = Object.keys(columns[names[0] ?? ''] ?? {});
  const lines = rows.map((row) => [...names, ...epochs].map((name) => columns[name]?.[row]));
  return [head, ...lines].map((cells) => `${cells.join(',')}\n`).join('');
}

/** The first column is a folder of the authors, and the header names one epoch too few. */
export function ptbCsv(text: string): string {
  const [head = '', ...rows] = text.trimEnd().split('\n');
  const after = (line: string) => line.slice(line.indexOf(',') + 1);
  const columns = after(head).split(',');
  const epochs = columns.filter((name) => name.startsWith('ep_')).length;
  const names = ['base_model', 'training_dataset', ...columns, `ep_${epochs}`].join(',');
  return [names, ...rows.map((row) => `lstm,penntreebank,${after(row)}`)].map((line) => `${line}\n`).join('');
}

export type Found = 'there' | 'missing' | 'different';

/** How each set stands in a folder. */
export function checkCurves(
  folder: string
): { readonly set: CurveSet; readonly file: string; readonly found: Found }[] {
  return curveSets.map((set) => {
    const file = path.join(folder, 'curves', `${set.name}.csv`);
    if (!existsSync(file)) return { set, file, found: 'missing' };
    return { set, file, found: sha256(readFileSync(file)) === set.sha256 ? 'there' : 'different' };
  });
}

/** Where raw files of GitHub are served. */
const github = 'https://raw.githubusercontent.com';
/** A whole file is at most 550 kB. */
const timeoutMs = 60_000;

/**
 * Fetches what is missing into `folder`; gives the sets it fetched. A file is written whole or not at all, and only once
 * all have arrived. `base` stands in for GitHub.
 * @throws CliError when a file with other content is there, the source cannot be reached, or sends something else
 */
export async function fetchCurves(folder: string, say: (line: string) => void, base = github): Promise<CurveSet[]> {
  const sets = checkCurves(folder);
  const other = sets.filter(({ found }) => found === 'different');
  if (other.length > 0) {
    const [these, them] = other.length === 1 ? ['this file does', 'it'] : ['these files do', 'them'];
    throw new CliError(
      `${these} not hold the published curves: ${other.map(({ file }) => file).join(', ')}. Fix: move ${them} away, or name another folder.`
    );
  }
  const missing = sets.filter(({ found }) => found === 'missing');
  const arrived: { readonly file: string; readonly text: string }[] = [];
  for (const { set, file } of missing) {
    say(`${set.name}: ${set.repository} @ ${set.commit.slice(0, 7)}, ${set.licence}`);
    const text = await download(set, base);
    const converted = set.convert ? convert(set, text) : text;
    const got = sha256(converted);
    if (got !== set.sha256) {
      throw new CliError(`${set.name}: what arrived has SHA-256 ${got} instead of ${set.sha256}; nothing was written.`);
    }
    arrived.push({ file, text: converted });
  }
  for (const { file, text } of arrived) {
    mkdirSync(path.dirname(file), { recursive: true });
    const part = `${file}.${process.pid}.part`;
    try {
      writeFileSync(part, text);
      renameSync(part, file);
    } finally {
      rmSync(part, { force: true });
    }
  }
  return missing.map(({ set }) => set);
}

async function download(set: CurveSet, base: string): Promise<string> {
  const url = `${base}/${set.repository}/${set.commit}/${set.path}`;
  const offline = (why: string) =>
    new CliError(
      `${set.name}: ${url} ${why}; nothing was written. Fix: connect to the internet and try again, or set EVERBAND_DATA to a folder that has curves/${set.name}.csv.`
    );
  if (process.env['EVERBAND_OFFLINE'] === '1' && base === github) throw offline('was not asked, EVERBAND_OFFLINE=1');
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    if (!answer.ok) throw offline(`answered ${answer.status}`);
    return await answer.text();
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { message, cause } = error as Error;
    throw offline(`cannot be reached (${cause instanceof Error ? cause.message || cause.name : message})`);
  }
}

function convert(set: CurveSet, text: string): string {
  try {
    return set.convert?.(text) ?? text;
  } catch (error) {
    throw new CliError(`${set.name}: what arrived cannot be read (${(error as Error).message}); nothing was written.`);
  }
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
