/** What rounds need of this machine. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { built } from './stage.js';

/**
 * Forgets whatever cluster is named outside, for rounds start servers of their own. Gives the Python with the packages of
 * the project's tests; null: there is none. @throws Error that says what is missing
 */
export function prepare(): string | null {
  if (os.platform() !== 'linux') throw new Error('it looks at processes in /proc, which only Linux has');
  if (!existsSync(built)) throw new Error(`${built} is missing. Fix: npm run build`);
  for (const name of Object.keys(process.env)) if (name.startsWith('TEMPORAL_')) delete process.env[name];
  process.env['TEMPORAL_CONFIG_FILE'] = path.join(os.tmpdir(), 'everband-no-temporal.toml');
  const python = fileURLToPath(new URL('../python/.venv/bin/python', import.meta.url));
  return existsSync(python) ? python : null;
}
