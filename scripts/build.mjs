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
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const folders = [
  'core',
  'study',
  'trust',
  'trainers',
  'workflows',
  'activities',
  'cluster',
  'workers',
  'scripts',
  'report',
  'simulate',
  'examples',
];
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
// Built beside and swapped in whole: a build that fails, or another at the same time, leaves dist/ as it was.
// In .everband, for there it is no part of the checkout and still of the package.
const made = path.resolve('.everband', `build.${process.pid}`);
const old = `${made}.old`;
process.on('exit', () => [made, old].forEach((folder) => rmSync(folder, { recursive: true, force: true })));
const compiler = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', made];
const { status } = spawnSync(process.execPath, [...compiler, '--tsBuildInfoFile', path.join(made, '.tsbuildinfo')], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);
const { bundleWorkflowCode } = await import('@temporalio/worker');
const quiet = Object.fromEntries(
  ['log', 'trace', 'debug', 'info', 'warn', 'error'].map((level) => [level, () => undefined])
);
const { code } = await bundleWorkflowCode({
  workflowsPath: path.join(made, 'workflows/index.js'),
  preloadModules: [path.join(made, 'workflows/preload.js')],
  failureConverterPath: path.join(made, 'workflows/failure-converter.js'),
  workflowInterceptorModules: [path.join(made, 'workflows/refusals.js')],
  logger: quiet,
});
writeFileSync(path.join(made, 'workflows/bundle.js'), code);
const { studyJsonSchema } = await import(pathToFileURL(path.join(made, 'study/json-schema.js')));
writeFileSync(path.join(made, 'study/study.schema.json'), JSON.stringify(studyJsonSchema(), null, 1));
for (const file of folders.flatMap(sources)) {
  if (/\.(yaml|html|css)$/.test(file)) {
    mkdirSync(path.join(made, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(made, file), readFileSync(file));
  }
}
chmodSync(path.join(made, 'scripts/everband.js'), 0o755);
writeFileSync(path.join(made, path.basename(stamp)), key);
for (let tries = 1; ; tries++) {
  try {
    if (existsSync('dist')) renameSync('dist', old);
    renameSync(made, 'dist');
    break;
  } catch (error) {
    // Another build swapped its own in at this moment.
    if (tries === 5) throw error;
    rmSync(old, { recursive: true, force: true });
  }
}
console.log(`build: done, ${((Date.now() - since) / 1000).toFixed(1)} s`);

function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|yaml|html|css)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
