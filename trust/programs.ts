/** What a trainer's command runs: which program, and which part of its arguments says what code it is. */
import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';

/** A program as it stands on this machine, with the arguments that say what it runs. */
export interface Program {
  /** Absolute path as it is called: in a virtual environment another one than `real`, and both count. */
  readonly program: string;
  /** The same with every symbolic link followed. */
  readonly real: string;
  /** The first arguments, up to a script (by real path) or a module; none where the program is its own. */
  readonly words: readonly string[];
  /** Where it holds, by real path: for launchers, which look for code where they are started. Null: anywhere. */
  readonly folder: string | null;
}

/** A command that cannot be allowed; the message is the end of a sentence that begins with the command. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
}

/** Programs that run what their arguments say, by name without version and extension. */
const launchers = new Set(
  (
    'python pythonw pypy micropython node nodejs deno bun tsx ts-node esrun sh bash dash zsh ksh mksh fish csh tcsh ash busybox toybox ' +
    'ruby irb perl php lua luajit tclsh wish expect guile racket scheme sbcl clojure clj ghci runghc runhaskell ocaml elixir iex erl escript ' +
    'rscript r julia octave matlab sage java javaw scala kotlin groovy jshell dotnet mono pwsh powershell cmd wscript cscript osascript ' +
    'env uv uvx pipx pip poetry hatch pdm rye pixi pipenv conda mamba micromamba npx npm pnpm pnpx yarn corepack volta fnm nvm asdf mise direnv ' +
    'nohup nice ionice chrt time timeout gtimeout stdbuf setsid script unbuffer xargs parallel watch flock taskset numactl prlimit ' +
    'sudo doas su runuser chroot unshare nsenter setpriv capsh firejail bwrap proot fakeroot eatmydata faketime strace ltrace gdb lldb valgrind perf ' +
    'srun sbatch salloc mpirun mpiexec orterun prterun jsrun aprun qsub bsub torchrun accelerate deepspeed horovodrun ray dask ' +
    'docker podman nerdctl singularity apptainer enroot ssh rsh kubectl make gmake ninja bazel buck just task go cargo gcc cc tcc ' +
    'awk gawk mawk nawk sed find vi vim nvim emacs ed ex man less git tar zip systemd-run busctl ld ld-linux ld-linux-x86-64.so'
  ).split(' ')
);

/** Options that are followed by a word of their own, which is no script. */
const valued = new Set(
  '-W -X --check-hash-based-pycs -r --require --import --loader --experimental-loader -C --conditions --env-file --title'.split(
    ' '
  )
);

/** The code itself as an argument, or from standard input. */
const inline = new Set(
  '- -c -e --command --eval --print -p --exec --expression -E -ce -ec /dev/stdin /dev/fd/0 /proc/self/fd/0'.split(' ')
);

/**
 * Looks a command up: which file its program is, and how far its arguments say what it runs.
 * @throws {ProgramError}
 */
export function programOf(command: readonly string[], cwd: string, searchPath = process.env['PATH'] ?? ''): Program {
  const [name = '', ...args] = command;
  if (placeholder.test(name)) throw new ProgramError(`has a placeholder, ${name}, for its program`);
  const program = find(name, cwd, searchPath);
  if (program === null) throw new ProgramError(`names a program, ${name}, that is not on this machine`);
  const real = realpathSync(program);
  if (!isLauncher(program) && !isLauncher(real)) return { program, real, words: [], folder: null };
  return { program, real, words: wordsOf(path.basename(name), args, cwd), folder: realpathSync(cwd) };
}

const placeholder = /\{[^{}]*\}/;

/** The arguments of a launcher up to what it runs. */
function wordsOf(name: string, args: readonly string[], cwd: string): string[] {
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] as string;
    if (inline.has(word) || /^-[a-zA-Z]*[ce]$/.test(word) || /^--(eval|command|print|exec|expression)=/.test(word)) {
      throw new ProgramError(`gives ${name} its code in an argument or on standard input (${word})`);
    }
    if (placeholder.test(word)) throw new ProgramError(`has a placeholder, ${word}, before or in its script`);
    words.push(word);
    if (/^-[a-zA-Z]*m$/.test(word) || word === '--module') {
      const module = args[i + 1];
      if (module === undefined || placeholder.test(module)) throw new ProgramError(`names no module after ${word}`);
      return [...words, module];
    }
    if (valued.has(word)) {
      const value = args[++i];
      if (value !== undefined) words.push(value);
      continue;
    }
    const script = path.resolve(cwd, word);
    if (!word.startsWith('-') && isFile(script)) return [...words.slice(0, -1), realpathSync(script)];
  }
  throw new ProgramError(`has no script or module for ${name} to run, or the script is not there`);
}

/** By the name without a version: `python3.11` is `python`. */
function isLauncher(file: string): boolean {
  const name = path
    .basename(file)
    .toLowerCase()
    .replace(/\.(exe|cmd|bat)$/, '');
  return launchers.has(name) || launchers.has(name.replace(/[-.]?\d[\d.]*t?$/, ''));
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
  try {
    const { mode } = statSync(file);
    return isFile(file) && (process.platform === 'win32' || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
