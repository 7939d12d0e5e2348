/** The npm package that the images come from: a checkout has it among its own; elsewhere `everband demo` installs it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { cacheDir } from '../../cluster/state.js';

/** As in package-lock.json. */
export const imagesPackage = {
  name: 'mnist',
  version: '1.1.0',
  integrity: 'sha512-x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw==',
} as const;

/** Where it is installed for every project of this machine. */
export function imagesCache(): string {
  return path.join(cacheDir(), imagesPackage.name, imagesPackage.version);
}

/** The folder of the images, one file a digit; null when the package is not here. */
export function imagesFolder(): string | null {
  return imagesFrom(import.meta.url) ?? cachedImages();
}

/** The same, of the cache alone. */
export function cachedImages(): string | null {
  return imagesFrom(path.join(imagesCache(), 'package.json'));
}

/** What a file at `place` would import. */
function imagesFrom(place: string): string | null {
  const { name, version } = imagesPackage;
  try {
    const file = createRequire(place).resolve(`${name}/package.json`);
    const found = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string };
    return found.version === version ? path.join(path.dirname(file), 'src', 'digits') : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}
