import assert from 'node:assert/strict';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import { exportCsv, exportJson } from '../../report/export.js';
import { exampleEpochs, exampleRecord, otherFormats, populationRecord } from './example.js';

describe('export', function () {
  this.timeout(20_000);
  let record: StudyRecord;
  before(async () => {
    record = await exampleRecord();
  });

  it('gives every value of every curve exactly', () => {
    const [head, ...rows] = parse(exportCsv(record).curves) as string[][];
    assert.deepEqual(head, ['trial', 'epoch', 'value', 'seconds', 'host', 'attempt']);
    const expected = record.trials.flatMap((trial) => trial.values.map((value, i) => [trial.id, i + 1, value]));
    assert.deepEqual(
      rows.map(([trial, epoch, value]) => [trial, Number(epoch), Number(value)]),
      expected
    );
  });

  it('gives every number that was kept of an epoch, the one that diverged included', () => {
    const { curves } = exportCsv(record, exampleEpochs(record));
    const [head] = parse(curves) as string[][];
    const numbers = ['reported.accuracy', 'reported.gradientNorm'];
    assert.deepEqual(head, ['trial', 'epoch', 'value', 'seconds', 'host', 'attempt', ...numbers]);
    const rows = parse(curves, { columns: true }) as Record<string, string>[];
    const expected = record.trials.flatMap((trial) =>
      exampleEpochs(record)(trial.id).map(({ epoch, seconds, host, attempt, values }) => ({
        ...{ trial: trial.id, epoch: String(epoch), value: String(trial.values[epoch - 1] ?? '') },
        ...{ seconds: String(seconds), host, attempt: String(attempt) },
        ...{ 'reported.accuracy': String(values['accuracy']), 'reported.gradientNorm': String(values['gradientNorm']) },
      }))
    );
    assert.deepEqual(rows, expected);
    const diverged = record.trials.find(({ fate }) => fate === 'diverged');
    const last = rows.findLast(({ trial }) => trial === diverged?.id);
    assert.deepEqual([last?.['value'], last?.['reported.gradientNorm']], ['', 'null']);
  });

  it('leaves empty what was not reported, and out what the record does not have', () => {
    const [first, second] = record.trials;
    assert.ok(first && second);
    const kept = (epoch: number, name: string) => ({
      ...{ epoch, seconds: 1, host: 'a, "b"', attempt: 1, values: { [name]: 7 } },
    });
    const read = (id: string) => (id === first.id ? [kept(1, 'toString'), kept(99, 'later')] : []);
    const { curves } = exportCsv({ ...record, trials: [{ ...first, values: [0.5, 0.25] }, second] }, read);
    const rows = (parse(curves) as string[][]).filter(([trial]) => trial !== second.id);
    assert.deepEqual(rows, [
      ['trial', 'epoch', 'value', 'seconds', 'host', 'attempt', 'reported.toString'],
      [first.id, '1', '0.5', '1', 'a, "b"', '1', '7'],
      [first.id, '2', '0.25', '', '', '', ''],
    ]);
  });

  it('gives lineage and schedule of a population, and neither of another study', async () => {
    const population = await populationRecord();
    const { lineage, schedule } = exportCsv(population);
    const exploits = population.trials.flatMap(({ id, lineage = [] }) => lineage.map((one) => ({ id, ...one })));
    assert.ok(exploits.length > 0, 'nobody went on from another');
    assert.deepEqual(parse(lineage ?? ''), [
      ['trial', 'epoch', 'donor', 'donorEpoch', 'config.dropout', 'config.lr'],
      ...exploits.map(({ id, epoch, donor, config }) =>
        [id, epoch, donor, epoch, config['dropout'], config['lr']].map(String)
      ),
    ]);
    const steps = population.result.best?.schedule ?? [];
    assert.ok(steps.length > 1, 'the best configuration is no schedule');
    assert.deepEqual(parse(schedule ?? ''), [
      ['from', 'to', 'config.dropout', 'config.lr'],
      ...steps.map(({ from, to, config }) => [from, to, config['dropout'], config['lr']].map(String)),
    ]);
    assert.deepEqual(Object.keys(exportCsv(record)), ['trials', 'curves']);
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
        for (const [name, value] of Object.entries(config)) {
          const cell: string = first[head.indexOf(`config.${name}`)] ?? '';
          assert.equal(cell.startsWith("'") ? cell.slice(1) : cell, value);
        }
      })
    );
  });

  it('leaves a spreadsheet nothing to compute but numbers', () => {
    const config = {
      a: '=1+1',
      b: '+1',
      c: '-x',
      d: '@SUM(A1)',
      e: '\t=1',
      f: '\r=1',
      g: "'=1",
      h: -1.5,
      i: 'x=1',
      j: '\uff1d1',
    };
    const trials = record.trials.slice(0, 1).map((trial) => ({ ...trial, config, values: [-0.25] }));
    const [row] = parse(exportCsv({ ...record, trials }).trials, {
      columns: true,
      record_delimiter: '\r\n',
    }) as Record<string, string>[];
    const cells = Object.keys(config).map((name) => row?.[`config.${name}`]);
    const texts = ["'=1+1", "'+1", "'-x", "'@SUM(A1)", "'\t=1", "'\r=1", "''=1"];
    assert.deepEqual(cells, [...texts, '-1.5', 'x=1', "'\uff1d1"]);
    assert.equal(row?.['value'], '-0.25');
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

  it('refuses a record of another format', () => {
    for (const old of otherFormats(record)) {
      for (const write of [exportCsv, exportJson]) assert.throws(() => write(old), /this version of Everband reads/);
    }
  });

  it('gives the canonical record as JSON', () => {
    assert.equal(exportJson(record), canonicalJson(record));
  });
});
