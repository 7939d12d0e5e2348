/** An SVG as a PNG, by a browser where there is one. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { CliError } from '../cluster/errors.js';

/** @throws CliError without a browser on PATH, or when it draws nothing */
export async function writePng(svg: string, file: string): Promise<void> {
  const browser = browserFor(file);
  const [, width = '', height = ''] = /<svg [^>]*?width="(\d+)" height="(\d+)"/.exec(svg) ?? [];
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-figure-'));
  try {
    const page = path.join(folder, 'figure.html');
    writeFileSync(page, `<!doctype html><style>body{margin:0}svg{display:block}</style>${svg}`);
    await promisify(execFile)(
      browser,
      [
        '--headless',
        // A container's root has no sandbox to use, and the page is our own.
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
        '--hide-scrollbars',
        '--force-device-scale-factor=2',
        `--user-data-dir=${path.join(folder, 'profile')}`,
        `--window-size=${width},${height}`,
        `--screenshot=${path.resolve(file)}`,
        pathToFileURL(page).href,
      ],
      { timeout: 60_000 }
    );
  } catch (error) {
    throw new CliError(`${browser} did not draw ${file}: ${(error as Error).message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  if (!existsSync(file)) throw new CliError(`${browser} did not write ${file}`);
}

/** @throws CliError without a browser on PATH */
export function browserFor(file: string): string {
  const browser = browserOnPath();
  if (browser) return browser;
  const other = file.replace(/\.png$/i, '.svg');
  throw new CliError(`a PNG needs chromium on PATH. Fix: install it, or write the same figure as ${other}.`);
}

/** Path of a browser that draws pages without a screen; null when there is none. */
export function browserOnPath(): string | null {
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
  return null;
}
