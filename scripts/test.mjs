// Everything that must hold, in one command: set-up, compiler, lint, tests in TypeScript and in Python. With --all also
// what takes long or needs other projects' packages; a file's name says which it is: `x.chaos.test.ts` kills processes or
// runs large studies, `x.integration.test.ts` needs a browser, a registry or python/requirements-integration.txt,
// `x.docs.test.ts` runs what the documentation shows.
// Names of test files as arguments run only these. The last line counts everything; not 0 is returned when anything failed.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const all = process.argv.includes('--all');
const named = process.argv.slice(2).filter((argument) => argument !== '--all');
const began = Date.now();
const total = { passed: 0, failed: 0, skipped: 0 };
const took = [];
/** How long a program's output may stay open once it has ended: then something that it started still runs. */
const leftoverSeconds = 30;
/** What failed, a line each: said once more before the last line, where nobody has to look for it. */
const failures = [];
const counts = mkdtempSync(path.join(os.tmpdir(), 'everband-counts-'));
process.on('exit', () => rmSync(counts, { recursive: true, force: true }));

const python = 'python/.venv/bin/python';
const tool = (file, ...args) => [process.execPath, `node_modules/${file}`, ...args];
const checks = {
  compiler: tool('typescript/bin/tsc', '--noEmit'),
  lint: tool('eslint/bin/eslint.js', '.'),
  'dead code, dependencies and import circles': tool('knip/bin/knip.js'),
  format: tool('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
};
const apart = /\.(chaos|integration|docs)\.test\.ts$/;
const pythonApart = /_integration\.py$/;

if (named.length > 0) {
  setUp(named.some((file) => file.includes('.integration.')) ? '--integrations' : '--python');
  await abreast(named.map((file) => () => mocha(file)));
} else {
  const tests = filesUnder('test', /\.test\.ts$/);
  const pythonTests = filesUnder('python/tests', /^test_.*\.py$/);
  setUp('--python');
  await abreast([
    ...tests.filter((file) => !apart.test(file)).map((file) => () => mocha(file)),
    () => pytest('pytest', pythonTests.filter((file) => !pythonApart.test(file))), // prettier-ignore
    ...Object.entries(checks).map(
      ([name, command]) =>
        () =>
          check(name, command)
    ),
  ]);
  if (all) {
    setUp('--integrations');
    await abreast([
      ...tests.filter((file) => apart.test(file)).map((file) => () => mocha(file)),
      () => pytest('pytest, integrations', pythonTests.filter((file) => pythonApart.test(file))), // prettier-ignore
    ]);
  }
}
console.log(`\nseconds  what (${((Date.now() - began) / 1000).toFixed(0)} s in all)`);
for (const [name, seconds] of took.sort((a, b) => b[1] - a[1]).slice(0, 20))
  console.log(`${seconds.toFixed(1).padStart(7)}  ${name}`);
for (const line of failures) console.log(`FAILED: ${line}`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exit(total.failed === 0 ? 0 : 1);

function setUp(option) {
  if (spawnSync(process.execPath, ['scripts/setup.mjs', option], { stdio: 'inherit' }).status !== 0) process.exit(1);
}

/** Those that start servers and workers first: they take longest. */
function filesUnder(folder, name) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => name.test(path.basename(file)))
    .map((file) => path.join(folder, file))
    .sort((a, b) => Number(b.includes('workflows')) - Number(a.includes('workflows')) || (a < b ? -1 : 1));
}

/** Runs the jobs on as many lanes as there are processors, two at most: tests that measure time share them badly. */
async function abreast(jobs) {
  const waiting = [...jobs];
  const lane = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: Math.min(2, os.availableParallelism()) }, lane));
}

/** Runs a program, then prints what it wrote in one piece. */
async function run(name, [program, ...args], env = {}) {
  const since = Date.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (out += text));
  const status = await new Promise((resolve) => {
    child.once('error', (error) => ((out += error.message), resolve(null)));
    child.once('close', resolve);
    child.once('exit', () => {
      const tooLate = () => ((out += `\n${name} has left a process behind, which holds its output`), resolve(null));
      setTimeout(tooLate, leftoverSeconds * 1000).unref();
    });
  });
  const seconds = (Date.now() - since) / 1000;
  took.push([name, seconds]);
  console.log(`${out.trimEnd()}\n${status === 0 ? 'ok' : 'FAILED'}: ${name}, ${seconds.toFixed(1)} s`);
  return { status, out };
}

/** A program that did not end well has failed at least once, and so has one that ran nothing. */
function add(name, { passed, failed, skipped, lines = [] }, status) {
  const count = failed === 0 && (status !== 0 || passed + skipped === 0) ? 1 : failed;
  if (count > 0) failures.push(...(lines.length > 0 ? lines.map((line) => `${name}: ${line}`) : [name]));
  total.passed += passed;
  total.skipped += skipped;
  total.failed += count;
}

async function check(name, command) {
  const { status } = await run(name, command);
  add(name, { passed: status === 0 ? 1 : 0, failed: 0, skipped: 0 }, status);
}

/** mocha's counts come through a file, for tests print lines of their own. */
async function mocha(file) {
  const report = path.join(counts, `${file.replaceAll(path.sep, '-')}.json`);
  const options = ['--import=tsx', '--reporter', 'test/reporter.mjs', '--timeout', '120000', '--exit'];
  const { status } = await run(file, tool('mocha/bin/mocha.js', ...options, file), {
    EVERBAND_OFFLINE: process.env.EVERBAND_OFFLINE ?? '1',
    EVERBAND_COUNTS: report,
  });
  add(file, countsOf(report), status);
}

function countsOf(report) {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

async function pytest(name, files) {
  const { status, out } = await run(name, [python, '-m', 'pytest', '-q', '--color=no', ...files]);
  const closing = out.trim().split('\n').at(-1) ?? '';
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0);
  const lines = out.split('\n').filter((line) => /^(FAILED|ERROR) /.test(line));
  const failed = count('failed') + count('errors?');
  add(name, { passed: count('passed'), failed, skipped: count('skipped'), lines }, status);
}
