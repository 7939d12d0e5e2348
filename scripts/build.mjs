// Compiles the sources and bundles the workflows into dist/, when they changed since the last build.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const folders = ['core', 'study', 'trainers', 'workflows', 'activities', 'workers', 'scripts', 'report', 'examples'];
const digest = createHash('sha256');
for (const file of [
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
  ...folders.flatMap(sources),
]) {
  digest.update(file).update(readFileSync(file));
}
const key = digest.digest('hex');
const stamp = 'dist/.stamp';
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) process.exit(0);

const since = Date.now();
console.log('build: compiling ...');
rmSync('dist', { recursive: true, force: true });
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);
const { bundleWorkflowCode } = await import('@temporalio/worker');
const quiet = Object.fromEntries(
  ['log', 'trace', 'debug', 'info', 'warn', 'error'].map((level) => [level, () => undefined])
);
const { code } = await bundleWorkflowCode({ workflowsPath: path.resolve('dist/workflows/index.js'), logger: quiet });
mkdirSync('dist/workflows', { recursive: true });
writeFileSync('dist/workflows/bundle.js.tmp', code);
renameSync('dist/workflows/bundle.js.tmp', 'dist/workflows/bundle.js');
const { studyJsonSchema } = await import(new URL('../dist/study/json-schema.js', import.meta.url));
writeFileSync('dist/study/study.schema.json', JSON.stringify(studyJsonSchema(), null, 1));
for (const file of folders.flatMap(sources)) {
  if (/\.(yaml|html|css)$/.test(file)) {
    mkdirSync(path.join('dist', path.dirname(file)), { recursive: true });
    writeFileSync(path.join('dist', file), readFileSync(file));
  }
}
chmodSync('dist/scripts/everband.js', 0o755);
writeFileSync(stamp, key);
console.log(`build: done, ${((Date.now() - since) / 1000).toFixed(1)} s`);

function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|yaml|html|css)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
