import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import { chromium } from 'playwright-core';
import type { StudyRecord } from '../../core/record.js';
import { exportCsv } from '../../report/export.js';
import { reportHtml } from '../../report/html.js';
import { reference, studyOf } from '../harness.js';

const nasty = '<script>alert("1")</script>, "quoted"\nline';

async function record(): Promise<StudyRecord> {
  const study = studyOf({
    name: 'report',
    seed: 1,
    space: { x: { float: [0, 1] }, note: { choice: [nasty, 'plain'] } },
    scheduler: { type: 'hyperband', R: 27, eta: 3 },
    predictor: { type: 'swift', minCurves: 4 },
    trainer: { activity: 'trainSegment', taskQueue: 'nobody' },
  });
  return reference(study, ({ config }, from, to) => {
    const x = Number(config['x']);
    const values = Array.from({ length: to - from }, (_, i) => x + 1 / (from + i + 1));
    return x > 0.95 && to > 3
      ? { outcome: 'diverged', values: [], nonFinite: 'nan' }
      : { outcome: 'completed', values };
  });
}

function browser(): string | undefined {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.flatMap((folder) => names.map((name) => path.join(folder, name))).find((file) => existsSync(file));
}

describe('report and export', function () {
  this.timeout(60_000);

  it('exports what a CSV reader reads back, exactly', async () => {
    const study = await record();
    const { trials, curves } = exportCsv(study);
    const rows: Record<string, string>[] = parse(trials, { columns: true });
    assert.deepEqual(
      rows.map((row) => [row['id'], row['config.note'], Number(row['config.x'])]),
      study.trials.map((trial) => [trial.id, trial.config['note'], trial.config['x']])
    );
    const points: string[][] = parse(curves, { from: 2 });
    assert.deepEqual(
      points.map(([trial, epoch, value]) => [trial, Number(epoch), Number(value)]),
      study.trials.flatMap((trial) => trial.values.map((value, i) => [trial.id, i + 1, value]))
    );
  });

  it('is one page without outside requests that a browser shows, filters, sorts and copies from', async function () {
    const html = reportHtml(await record());
    assert.doesNotMatch(html.replace('Number.isNaN', ''), /(src|href)=|https?:|NaN|<script>alert/);
    const executablePath = browser();
    if (!executablePath) {
      const message = 'no chromium on PATH: apt-get install chromium';
      if (process.env['CI']) throw new Error(message);
      console.log(`      skipped: ${message}`);
      this.skip();
    }
    const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'everband-report-')), 'report.html');
    writeFileSync(file, html);
    const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']; // prettier-ignore
    const chrome = await chromium.launch({ executablePath, args });
    try {
      const page = await chrome.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
      await page.goto(`file://${file}`);
      const shown = () => page.locator('polyline[data-fate="outranked"]:visible').count();
      assert.ok((await shown()) > 0);
      await page.locator('input[data-fate="outranked"]').uncheck();
      assert.equal(await shown(), 0);
      await page.locator('#trials th button', { hasText: 'loss' }).click();
      const values = await page.locator('#trials tbody tr td:nth-child(4)').allTextContents();
      const numbers = values.filter(Boolean).map(Number);
      assert.deepEqual(
        numbers,
        [...numbers].sort((a, b) => a - b)
      );
      assert.match(await page.locator('#best').innerText(), /"x":/);
      assert.deepEqual(errors, []);
      if (process.env['EVERBAND_SCREENSHOTS'])
        await page.screenshot({ path: path.join(process.env['EVERBAND_SCREENSHOTS'], 'report.png'), fullPage: true });
    } finally {
      await chrome.close();
    }
  });
});
