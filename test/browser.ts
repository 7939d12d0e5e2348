/** A browser for tests. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** A browser on PATH; without one the tests say how to get it, and fail in CI. */
export function browserPath(test: Mocha.Context): string {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
      const file = path.join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        continue;
      }
    }
  }
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
