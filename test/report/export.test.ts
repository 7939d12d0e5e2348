import assert from 'node:assert/strict';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import { exportCsv, exportJson } from '../../report/export.js';
import { exampleRecord } from './example.js';

describe('export', function () {
  this.timeout(20_000);
  let record: StudyRecord;
  before(async () => {
    record = await exampleRecord();
  });

  it('gives every value of every curve exactly', () => {
    const [head, ...rows] = parse(exportCsv(record).curves) as string[][];
    assert.deepEqual(head, ['trial', 'epoch', 'value']);
    const expected = record.trials.flatMap((trial) => trial.values.map((value, i) => [trial.id, i + 1, value]));
    assert.deepEqual(
      rows.map(([trial, epoch, value]) => [trial, Number(epoch), Number(value)]),
      expected
    );
  });

  it('gives a row a trial, conditional parameters empty where they are not active', () => {
    const rows = parse(exportCsv(record).trials, { columns: true }) as Record<string, string>[];
    assert.equal(rows.length, record.trials.length);
    for (const [i, trial] of record.trials.entries()) {
      const row = rows[i] ?? {};
      assert.equal(row['id'], trial.id);
      assert.equal(row['fate'], trial.fate);
      assert.equal(Number(row['epochs']), trial.values.length + (trial.fate === 'diverged' ? 1 : 0));
      assert.equal(row['value'], trial.values.length === 0 ? '' : String(trial.values.at(-1)));
      assert.equal(row['config.momentum'], String(trial.config['momentum'] ?? ''));
    }
  });

  it('quotes any text so that a reader gets it back', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('"', ',', '\r\n', '\n', '\r', '""', ' , '));
    fc.assert(
      fc.property(fc.dictionary(text, text, { minKeys: 1 }), (config) => {
        const one = {
          ...record,
          trials: record.trials.slice(0, 2).map((trial, i) => (i ? trial : { ...trial, config })),
        };
        const csv = exportCsv(one).trials;
        const [head, first] = parse(csv, { record_delimiter: '\r\n' }) as string[][];
        assert.ok(head && first);
        for (const [name, value] of Object.entries(config)) assert.equal(first[head.indexOf(`config.${name}`)], value);
      })
    );
  });

  it('takes a parameter for absent that is only a property every object has', () => {
    const [a, b] = record.trials;
    assert.ok(a && b);
    const csv = exportCsv({
      ...record,
      trials: [
        { ...a, config: { constructor: 1, toString: null } },
        { ...b, config: {} },
      ],
    });
    const [, first, second] = parse(csv.trials) as string[][];
    assert.deepEqual(first?.slice(-2), ['1', 'null']);
    assert.deepEqual(second?.slice(-2), ['', '']);
  });

  it('gives the canonical record as JSON', () => {
    assert.equal(exportJson(record), canonicalJson(record));
  });
});
