/** How a trainer is started. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { CommandTrainer, ModuleTrainer } from '../core/study.js';
import type { TrainerCommand } from './process-pool.js';

export function trainerCommand(trainer: CommandTrainer | ModuleTrainer): TrainerCommand {
  if (trainer.type === 'command') return { command: trainer.command, cwd: trainer.cwd, env: trainer.env };
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
