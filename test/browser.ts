/** A browser for tests. */
import { browserOnPath } from '../scripts/png.js';

/** A browser on PATH; without one the tests say how to get it, and fail in CI. */
export function browserPath(test: Mocha.Context): string {
  const found = browserOnPath();
  if (found) return found;
  const message = 'no chromium on PATH: install it with `apt-get install chromium`';
  if (process.env['CI'] === 'true') throw new Error(message);
  console.log(`      skipped: ${message}`);
  return test.skip();
}

/** Headless, and without traffic of its own. */
export const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
