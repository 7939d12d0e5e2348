/** Where a project keeps its server, records, checkpoints and logs, and the machine what every project uses. */
import os from 'node:os';
import path from 'node:path';

/** `$EVERBAND_HOME`, or `.everband` in the current folder. */
export function stateDir(): string {
  return path.resolve(process.env['EVERBAND_HOME'] ?? '.everband');
}

/** `$EVERBAND_CACHE`, or `everband` in the user's cache: what is made or fetched once a machine, keyed by version. */
export function cacheDir(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache');
  return process.env['EVERBAND_CACHE'] ?? path.join(cache, 'everband');
}
