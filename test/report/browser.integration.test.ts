import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { parse } from 'yaml';
import type { StudyRecord } from '../../core/record.js';
import { reportHtml } from '../../report/html.js';
import { browserPath, flags } from '../browser.js';
import { exampleEpochs, exampleRecord } from './example.js';

describe('report in a browser', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-report-'));
  let browser: Browser | undefined;
  let page: Page;
  let record: StudyRecord;
  let problems: string[];
  let requests: string[];

  before(async function () {
    const executablePath = browserPath(this);
    record = await exampleRecord({ name: 'a-study', seed: 3 });
    writeFileSync(path.join(folder, 'report.html'), reportHtml(record, exampleEpochs(record)));
    browser = await chromium.launch({ executablePath, headless: true, args: flags });
  });
  beforeEach(async () => {
    assert.ok(browser);
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
    page = await context.newPage();
    problems = [];
    requests = [];
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(path.join(folder, 'report.html')).href);
  });
  afterEach(async () => {
    await page.context().close();
    assert.deepEqual(problems, []);
    assert.deepEqual(
      requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:')),
      []
    );
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('hides and shows the curves of a fate, by pointer and by keyboard', async () => {
    const group = page.locator('.curves g[data-fate=outranked]');
    const box = page.locator('input[data-fate=outranked]');
    assert.equal(await group.isVisible(), true);
    await page.locator('label.toggle', { hasText: 'outranked' }).click();
    assert.equal(await group.isVisible(), false);
    assert.equal(await page.locator('.curves g[data-fate=completed]').isVisible(), true);
    await box.focus();
    await page.keyboard.press('Space');
    assert.equal(await group.isVisible(), true);
  });

  it('copies the best configuration as JSON and as YAML', async () => {
    const clipboard = () => page.evaluate('navigator.clipboard.readText()') as Promise<string>;
    const copied = page.getByRole('button', { name: 'Copied' });
    await page.getByRole('button', { name: 'Copy' }).click();
    await copied.waitFor();
    assert.deepEqual(JSON.parse(await clipboard()), record.result.best?.config);
    await page.getByRole('radio', { name: 'YAML' }).check({ force: true });
    await page.locator('#copy').click();
    await copied.waitFor();
    const text = await clipboard();
    assert.notEqual(text[0], '{');
    assert.deepEqual(parse(text), record.result.best?.config);
  });

  it('sorts trials by value, both ways, those without one last', async () => {
    const column = async (n: number) => page.locator(`#table tbody tr :nth-child(${n})`).allTextContents();
    const head = page.locator('#table th', { has: page.getByRole('button', { name: 'lr', exact: true }) });
    const ids = (sign: number) =>
      record.trials
        .map((trial, i) => ({ id: trial.id, i, key: Number(trial.config['lr']) }))
        .sort((a, b) => sign * (a.key - b.key) || a.i - b.i)
        .map(({ id }) => id);
    await head.getByRole('button').click();
    assert.equal(await head.getAttribute('aria-sort'), 'ascending');
    assert.deepEqual(await page.locator('#table tbody th').allTextContents(), ids(1));
    await head.getByRole('button').press('Enter');
    assert.equal(await head.getAttribute('aria-sort'), 'descending');
    assert.deepEqual(await page.locator('#table tbody th').allTextContents(), ids(-1));
    await page.getByRole('button', { name: 'momentum', exact: true }).click();
    const at = (await page.locator('#table thead th').allTextContents()).indexOf('momentum') + 1;
    const cells = await column(at);
    const firstEmpty = cells.indexOf('');
    assert.ok(firstEmpty > 0 && cells.slice(firstEmpty).every((cell) => cell === ''));
  });

  it('sorts trials by a reported number and by the time they took', async () => {
    const kept = new Map(record.trials.map(({ id }) => [id, exampleEpochs(record)(id)]));
    const ids = (key: (id: string) => number | null | undefined) => {
      const keyed = record.trials.map(({ id }, i) => ({ id, i, key: key(id) ?? Infinity }));
      return keyed.sort((a, b) => (a.key === b.key ? a.i - b.i : a.key - b.key)).map(({ id }) => id);
    };
    const shown = async (head: string) => {
      await page.getByRole('button', { name: head, exact: true }).click();
      return page.locator('#table tbody th').allTextContents();
    };
    assert.deepEqual(
      await shown('gradientNorm'),
      ids((id) => kept.get(id)?.at(-1)?.values['gradientNorm'])
    );
    assert.deepEqual(
      await shown('time'),
      ids((id) => kept.get(id)?.reduce((sum, { seconds }) => sum + seconds, 0))
    );
  });

  it('shows a trial under the pointer and under the keyboard, and finds it in the table', async () => {
    const tip = page.locator('#tip');
    await page.locator('.curves').focus();
    await page.keyboard.press('ArrowRight');
    const first = record.trials.find((trial) => trial.values.length > 0);
    assert.ok(first);
    assert.equal(await tip.locator('b').textContent(), first.id);
    assert.match((await tip.textContent()) ?? '', /\d min \d\d s, last on gpu-2batchSize.*lr.*accuracy.*gradientNorm/);
    await page.keyboard.press('Escape');
    assert.equal(await tip.isVisible(), false);
    await page.locator('.dots i').first().hover();
    const [best] = record.brackets[0]?.rounds[0]?.ranking ?? [];
    assert.equal(await tip.locator('b').textContent(), best?.trial);
    await page.locator('.dots i').first().click();
    assert.equal(await page.locator('#table tr.found th').textContent(), best?.trial);
  });

  it('filters the table', async () => {
    await page.locator('#filter').fill('stopped');
    const { stopped } = record.result.fates;
    assert.equal(await page.locator('#table tbody tr:visible').count(), stopped);
    assert.match((await page.locator('#matches').textContent()) ?? '', new RegExp(`^${stopped} trial`));
  });

  it('has no element wider than a phone outside what scrolls', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
  });
});
