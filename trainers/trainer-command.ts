/** How a trainer is started. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { CommandTrainer, ModuleTrainer } from '../core/study.js';
import type { TrainerCommand } from './process-pool.js';

export function trainerCommand(trainer: CommandTrainer | ModuleTrainer): TrainerCommand {
  if (trainer.type === 'command') {
    const paths = [trainer.env['PYTHONPATH'] ?? process.env['PYTHONPATH'], pythonHelper()];
    const env = { ...trainer.env, PYTHONPATH: paths.filter(Boolean).join(path.delimiter) };
    return { command: trainer.command, cwd: trainer.cwd, env };
  }
  // Built, there is a .js beside this file; from source, a .ts that needs a loader.
  const fromSource = import.meta.url.endsWith('.ts');
  const runner = fileURLToPath(new URL(`./module-runner.${fromSource ? 'ts' : 'js'}`, import.meta.url));
  const loader = fromSource ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : [];
  return {
    command: [process.execPath, ...loader, runner, trainer.module],
    cwd: path.dirname(trainer.module),
    env: {},
  };
}

/** The folder of the package `everband` for Python, so that `import everband` works in a script without an installation. */
function pythonHelper(): string | undefined {
  // Built, this file is in dist/trainers.
  const folders = ['../../python', '../python'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
  return folders.find((folder) => existsSync(path.join(folder, 'everband', '__init__.py')));
}
