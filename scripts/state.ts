/** Where a project keeps its server, records, checkpoints and logs. */
import path from 'node:path';

/** `$EVERBAND_HOME`, or `.everband` in the current folder. */
export function stateDir(): string {
  return path.resolve(process.env['EVERBAND_HOME'] ?? '.everband');
}
