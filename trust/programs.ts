/** What a trainer's command runs: which program, and which part of its arguments says what code it is. */
import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';

/** A program as it stands on this machine, with the arguments that say what it runs. */
export interface Program {
  /** Absolute path as it is called: in a virtual environment another one than `real`, and both count. */
  readonly program: string;
  /** The same with every symbolic link followed. */
  readonly real: string;
  /** The arguments up to an interpreter's script (by real path) or module; of every other program all of them. */
  readonly words: readonly string[];
  /** Real paths of the files among `words`. */
  readonly files: readonly string[];
  /** Whether any arguments may follow. */
  readonly open: boolean;
  /** Where it is started, by real path: many programs look for code there. */
  readonly folder: string;
}

/** A command that cannot be allowed; the message is the end of a sentence that begins with the command. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
}

/** How an interpreter takes its script. */
interface Grammar {
  /** The code itself as an argument, or from standard input. */
  readonly inline: RegExp;
  /** Options that are followed by a word of their own, which is no script. */
  readonly valued: RegExp;
  /** The option that names a module, with the module where it is attached. */
  readonly module?: RegExp;
}

const python: Grammar = {
  inline: /^(-[bBdEhiIOPqsStuvVxR3]*c.*|-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/,
  valued: /^(-[bBdEhiIOPqsStuvVxR3]*[WX]|--check-hash-based-pycs)$/,
  module: /^-[bBdEhiIOPqsStuvVxR3]*m(.*)$/,
};
const node: Grammar = {
  inline: /^(-[pei]+|--(eval|print|interactive)(=.*)?|-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/,
  valued: /^(-r|-C|--(require|import|loader|experimental-loader|conditions|env-file|title|input-type))$/,
};
const shell: Grammar = {
  inline: /^(-[a-zA-Z]*[cs][a-zA-Z]*|-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/,
  valued: /^([-+]o|[-+]O|--rcfile|--init-file)$/,
};
const interpreters: Readonly<Record<string, Grammar>> = {
  ...{ python, pythonw: python, pypy: python, node, nodejs: node },
  ...{ sh: shell, bash: shell, dash: shell, ash: shell, zsh: shell, ksh: shell, mksh: shell },
};

/** Modules that run what their own arguments say: all of those count. */
const launching =
  /^(torch\.distributed\.(run|launch|launcher.*)|accelerate(\..*)?|deepspeed(\..*)?|cProfile|profile|pdb|trace|timeit|runpy|coverage|debugpy|pytest|IPython|ipykernel.*|jupyter.*|line_profiler|kernprof|memory_profiler|scalene|viztracer|pyinstrument|horovod.*|ray.*|dask.*|mpi4py.*|torchx.*|lightning.*|mlflow.*|streamlit.*|code|asyncio|site|venv|pip|uv|pipx|zipapp|zipfile|http\.server|idlelib|__main__)$/;

/**
 * Programs that run what their arguments say, by name without version and extension: alone they are nothing to be allowed.
 * What is not on this list is no more trusted for that: of every program that is no interpreter, all arguments count.
 */
const launchers = new Set(
  (
    'micropython deno bun bunx tsx ts-node fish csh tcsh busybox toybox ruby irb perl php lua luajit tclsh wish expect guile racket ' +
    'clojure clj ghci runghc runhaskell ocaml elixir iex erl escript rscript r julia octave matlab sage java javaw scala kotlin groovy jshell dotnet mono pwsh powershell cmd ' +
    'env uv uvx pipx pip poetry hatch pdm rye pixi pipenv conda mamba micromamba npx npm pnpm pnpx yarn corepack volta fnm nvm asdf mise direnv dotenv nix ' +
    'nohup nice ionice chrt time timeout gtimeout stdbuf setsid script unbuffer xargs parallel watch flock taskset numactl prlimit tini dumb-init gosu setarch xvfb-run ' +
    'sudo doas su runuser chroot unshare nsenter setpriv capsh firejail bwrap proot fakeroot eatmydata faketime strace ltrace gdb lldb valgrind perf nsys ncu ' +
    'srun sbatch salloc mpirun mpiexec orterun prterun jsrun aprun qsub bsub torchrun accelerate deepspeed horovodrun ray dask ipython jupyter papermill pytest coverage kernprof lightning composer mlflow wandb ' +
    'docker podman nerdctl singularity apptainer enroot ch-run ssh ssh-agent rsh kubectl make gmake ninja bazel buck just task go cargo gcc cc tcc ' +
    'awk gawk mawk nawk sed find vi vim nvim emacs ed ex man less git tar zip systemd-run busctl'
  ).split(' ')
);

/** The last word of a command in `--allow`: any arguments may follow on what stands before it. */
const anything = '...';

/**
 * Looks a command up: which file its program is, and how far its arguments say what it runs.
 * @throws {ProgramError}
 */
export function programOf(command: readonly string[], cwd: string, searchPath = process.env['PATH'] ?? ''): Program {
  const [name = '', ...args] = command;
  if (placeholder.test(name)) throw new ProgramError(`has a placeholder, ${name}, for its program`);
  const program = find(name, cwd, searchPath);
  if (program === null) throw new ProgramError(`names a program, ${name}, that is not on this machine`);
  const place = { program, real: realpathSync(program), folder: realpathSync(cwd) };
  const grammar = grammarOf(program) ?? grammarOf(place.real);
  if (grammar) return { ...place, ...scriptOf(path.basename(name), args, cwd, grammar) };
  const open = args.at(-1) === anything;
  const words = open ? args.slice(0, -1) : args;
  if (isLauncher(program) || isLauncher(place.real)) requireScript(path.basename(name), words, cwd);
  return { ...place, words, files: filesOf(words, cwd), open };
}

/** Whether what is wanted is what was allowed. */
export function coversProgram(allowed: Program, wanted: Program): boolean {
  const same = (one: readonly string[], other: readonly string[]) => JSON.stringify(one) === JSON.stringify(other);
  if (allowed.program !== wanted.program || allowed.real !== wanted.real || allowed.folder !== wanted.folder)
    return false;
  if (!allowed.open) return !wanted.open && same(allowed.words, wanted.words) && same(allowed.files, wanted.files);
  const { words, files } = allowed;
  return same(words, wanted.words.slice(0, words.length)) && same(files, wanted.files.slice(0, files.length));
}

const placeholder = /\{[^{}]*\}/;

type Said = Pick<Program, 'words' | 'files' | 'open'>;

/** The arguments of an interpreter up to what it runs. */
function scriptOf(name: string, args: readonly string[], cwd: string, grammar: Grammar): Said {
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] as string;
    if (grammar.inline.test(word)) {
      throw new ProgramError(`gives ${name} its code in an argument or on standard input (${word})`);
    }
    if (placeholder.test(word)) throw new ProgramError(`has a placeholder, ${word}, before or in its script`);
    words.push(word);
    const named = grammar.module?.exec(word);
    if (named) {
      const module = named[1] || args[i + 1];
      if (module === undefined || placeholder.test(module)) throw new ProgramError(`names no module after ${word}`);
      if (launching.test(module)) return { words: args, files: filesOf(args, cwd), open: false };
      return { words: named[1] ? words : [...words, module], files: [], open: true };
    }
    if (grammar.valued.test(word)) {
      const value = args[++i];
      if (value !== undefined) words.push(value);
      continue;
    }
    if (word.startsWith('-') || (word.startsWith('+') && grammar === shell)) continue;
    const script = path.resolve(cwd, word);
    if (!isFile(script)) break;
    const real = realpathSync(script);
    return { words: [...words.slice(0, -1), real], files: [real], open: true };
  }
  throw new ProgramError(`has no script or module for ${name} to run, or the script is not there`);
}

/** A launcher needs something to launch that can be looked at. @throws {ProgramError} */
function requireScript(name: string, words: readonly string[], cwd: string): void {
  const at = words.findIndex((word) => !word.startsWith('-') && grammarOf(word) !== null);
  const inner = words[at];
  if (inner !== undefined) {
    scriptOf(path.basename(inner), words.slice(at + 1), cwd, grammarOf(inner) as Grammar);
    return;
  }
  if (words.includes('-') || words.includes('/dev/stdin'))
    throw new ProgramError(`gives ${name} its code on standard input`);
  if (interpretsArguments.test(name) && words.some((word) => /^(-e|-E|-c|--eval|--exec|-r)$/.test(word))) {
    throw new ProgramError(`gives ${name} its code in an argument`);
  }
  const script = words.some(
    (word) => !word.startsWith('-') && !placeholder.test(word) && isFile(path.resolve(cwd, word))
  );
  if (!script) throw new ProgramError(`has no script for ${name} to run, or the script is not there`);
}

/** Launchers that are languages: with them `-e` and its like are code. */
const interpretsArguments =
  /^(micropython|deno|bun|tsx|ts-node|fish|csh|tcsh|ruby|perl|php|lua|luajit|guile|racket|ghci|elixir|erl|rscript|r|julia|octave|scala|groovy|pwsh|powershell)[-.\d]*$/i;

function filesOf(words: readonly string[], cwd: string): string[] {
  return words.map((word) => path.resolve(cwd, word)).flatMap((file) => (isFile(file) ? realpathSync(file) : []));
}

function isLauncher(file: string): boolean {
  const name = bareName(file);
  return launchers.has(name) || launchers.has(withoutVersion(name)) || /^ld(-|\.|$)/.test(name);
}

function grammarOf(file: string): Grammar | null {
  const name = withoutVersion(bareName(file));
  return Object.hasOwn(interpreters, name) ? (interpreters[name] as Grammar) : null;
}

function bareName(file: string): string {
  return path
    .basename(file)
    .toLowerCase()
    .replace(/\.(exe|cmd|bat)$/, '');
}

/** `python3.11` is `python`, and `mpirun.openmpi` is `mpirun`. */
function withoutVersion(name: string): string {
  return name.replace(/[-.]?\d[\d.]*[a-z]?$/, '').replace(/\.(openmpi|mpich|hydra)$/, '');
}

/** The file that a program's name stands for, its folder by real path; null when there is none. */
function find(name: string, cwd: string, searchPath: string): string | null {
  const places = /[/\\]/.test(name)
    ? [path.resolve(cwd, name)]
    : searchPath.split(path.delimiter).map((folder) => path.resolve(cwd, folder || '.', name));
  const found = places.find((place) => name !== '' && isExecutable(place));
  return found === undefined ? null : path.join(realpathSync(path.dirname(found)), path.basename(found));
}

function isExecutable(file: string): boolean {
  return isFile(file) && (process.platform === 'win32' || (statSync(file).mode & 0o111) !== 0);
}

function isFile(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    // A name that is too long, or that leads through a file.
    return false;
  }
}
