// Everything that must hold, in one command: set-up, compiler, lint, tests in TypeScript and in Python.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
let passed = 0;
let failed = 0;
let skipped = 0;

function step(name, program, args) {
  const since = Date.now();
  const { status } = spawnSync(program, args, { stdio: 'inherit' });
  console.log(`${status === 0 ? 'ok' : 'FAILED'}: ${name}, ${((Date.now() - since) / 1000).toFixed(1)} s`);
  if (status === 0) passed++;
  else failed++;
  return status === 0;
}

if (spawnSync(process.execPath, ['scripts/setup.mjs', '--python'], { stdio: 'inherit' }).status !== 0) process.exit(1);
step('compiler', process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit']);
step('lint', process.execPath, ['node_modules/eslint/bin/eslint.js', '.']);
step('format', process.execPath, ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']);

const files = process.argv.slice(2);
// mocha may start a process of its own, so its counts come through a file.
const counts = path.join(mkdtempSync(path.join(os.tmpdir(), 'everband-counts-')), 'counts.json');
const mocha = [
  'node_modules/mocha/bin/mocha.js',
  '--import=tsx',
  '--reporter',
  'test/reporter.mjs',
  '--timeout',
  '60000',
];
const { status } = spawnSync(
  process.execPath,
  [...mocha, '--exit', ...(files.length > 0 ? files : ['test/**/*.test.ts'])],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, EVERBAND_OFFLINE: process.env.EVERBAND_OFFLINE ?? '1', EVERBAND_COUNTS: counts },
  }
);
if (existsSync(counts)) {
  const { passes, failures, pending } = JSON.parse(readFileSync(counts, 'utf8'));
  passed += passes;
  failed += failures;
  skipped += pending;
}
if (!existsSync(counts) || (status !== 0 && failed === 0)) failed++;
if (existsSync('python/tests') && files.length === 0) python();
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 ? 0 : 1);

/** pytest's own counts go into the closing line. */
function python() {
  const { status, stdout } = spawnSync(
    'python/.venv/bin/python',
    ['-m', 'pytest', '-q', '--color=no', 'python/tests'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    }
  );
  const closing = stdout?.trim().split('\n').at(-1) ?? '';
  console.log(stdout?.trim() || 'pytest did not run');
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0);
  const bad = count('failed') + count('errors?');
  passed += count('passed');
  skipped += count('skipped');
  failed += status !== 0 && bad === 0 ? 1 : bad;
}
