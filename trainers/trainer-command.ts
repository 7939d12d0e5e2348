/** How a trainer is started. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { CommandTrainer, ModuleTrainer } from '../core/study.js';
import { requireAllowed } from '../trust/allowed.js';
import { environmentOf } from '../trust/environment.js';
import type { TrainerCommand } from './process-pool.js';

/** Where a trainer's code and environment come from. */
interface TrainerHost {
  readonly stateDir: string;
  /** Further names of the worker's environment that trainers get. */
  readonly passEnv: readonly string[];
}

/** @throws {NotAllowedError | SecretError} */
export function trainerCommand(trainer: CommandTrainer | ModuleTrainer, host: TrainerHost): TrainerCommand {
  const allowed = requireAllowed(host.stateDir, trainer);
  const { env, secrets } = environmentOf(trainer.type === 'command' ? trainer.env : {}, host);
  if (trainer.type === 'command') {
    const paths = [env['PYTHONPATH'], pythonHelper()].filter(Boolean).join(path.delimiter);
    // What was looked up is what runs: neither a search path nor a symbolic link is followed again.
    const own = 'program' in allowed ? [allowed.program, ...allowed.words] : [];
    const command = [...own, ...trainer.command.slice(own.length)];
    return { command, cwd: trainer.cwd, env: { PYTHONUNBUFFERED: '1', ...env, PYTHONPATH: paths }, secrets };
  }
  // Built, there is a .js beside this file; from source, a .ts that needs a loader.
  const fromSource = import.meta.url.endsWith('.ts');
  const runner = fileURLToPath(new URL(`./module-runner.${fromSource ? 'ts' : 'js'}`, import.meta.url));
  const loader = fromSource ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : [];
  return {
    command: [process.execPath, ...loader, runner, 'module' in allowed ? allowed.module : trainer.module],
    cwd: path.dirname(trainer.module),
    env,
    secrets,
  };
}

/** The folder of the package `everband` for Python, so that `import everband` works in a script without an installation. */
function pythonHelper(): string | undefined {
  // Built, this file is in dist/trainers.
  const folders = ['../../python', '../python'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
  return folders.find((folder) => existsSync(path.join(folder, 'everband', '__init__.py')));
}
