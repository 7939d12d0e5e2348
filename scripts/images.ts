/** Installs the images of the demo, which are not among Everband's own dependencies. */
import { execFile } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { cachedImages, imagesCache, imagesPackage } from '../examples/digits/images.js';
import { CliError } from '../cluster/errors.js';
import { lock, type Say } from '../cluster/temporal-cli.js';

const run = promisify(execFile);

/**
 * Once a machine: npm takes nothing but the package of this version and this hash.
 * @throws CliError in one line when npm cannot have it; nothing is left then
 */
export async function installImages(say: Say): Promise<void> {
  const { name, version, integrity } = imagesPackage;
  const folder = imagesCache();
  const release = await lock(`${folder}.lock`, say);
  const half = `${folder}.${process.pid}.tmp`;
  try {
    if (cachedImages() !== null) return;
    say(`handwritten digits: installing the npm package ${name} ${version} (${integrity}) into ${folder}`);
    mkdirSync(half, { recursive: true });
    const project = { name: 'everband-images', version: '1.0.0', dependencies: { [name]: version } };
    const packages = { '': project, [`node_modules/${name}`]: { version, integrity } };
    writeFileSync(path.join(half, 'package.json'), JSON.stringify(project));
    writeFileSync(path.join(half, 'package-lock.json'), JSON.stringify({ ...project, lockfileVersion: 3, packages }));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...network()], {
      cwd: half,
    });
    rmSync(folder, { recursive: true, force: true });
    renameSync(half, folder);
  } catch (error) {
    const { reason, fix } = whyNot(error);
    throw new CliError(`handwritten digits: npm could not install ${name} ${version} (${reason}). Fix: ${fix}`);
  } finally {
    rmSync(half, { recursive: true, force: true });
    release();
  }
}

/** What npm has in its own cache is taken from there; without a network it gives up within seconds. */
function network(): string[] {
  if (process.env['EVERBAND_OFFLINE'] === '1') return ['--offline'];
  return ['--prefer-offline', '--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-timeout=30000'];
}

/** Out of what npm says: the first line that is no code. */
function whyNot(error: unknown): { readonly reason: string; readonly fix: string } {
  const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
  if (code === 'ENOENT') return { reason: 'npm is not on PATH', fix: 'install it, then run `everband demo` again.' };
  const lines = stderr.split('\n').map((line) => line.replace(/^npm error /, ''));
  const reason = lines.find((line) => line.length > 0 && !/^(code|errno|syscall|type) /.test(line)) ?? message;
  return lines.includes('code EINTEGRITY')
    ? { reason, fix: 'name a registry that has the published package (`npm config get registry` says which is asked).' }
    : { reason, fix: 'connect to the internet and run `everband demo` again.' };
}
