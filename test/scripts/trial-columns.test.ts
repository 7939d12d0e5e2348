import assert from 'node:assert/strict';
import type { ReadEpochs } from '../../report/reported.js';
import { cellsOf } from '../../scripts/trial-columns.js';
import type { TrialRow } from '../../workflows/messages.js';

const row = (id: string, epochs: number, fate: TrialRow['fate'] = 'outranked'): TrialRow => ({
  ...{ id, epochs, fate },
  config: { lr: epochs / 10, toString: 'own', accuracy: 'chosen' },
  value: epochs === 0 ? null : 1 / epochs,
});
const all = [row('t0', 1), row('t1', 4, 'completed'), row('t2', 2), row('t3', 0, 'failed')];

describe('the columns of trials', () => {
  let asked: string[];
  const kept: ReadEpochs = (id) => {
    asked.push(id);
    const epochs = all.find((one) => one.id === id)?.epochs ?? 0;
    // One epoch more than the record has: the trial trains on.
    return Array.from({ length: epochs === 0 ? 0 : epochs + 1 }, (_, i) => ({
      ...{ epoch: i + 1, seconds: 2, host: `h${i}`, attempt: 1 },
      values: { accuracy: i, seconds: 99, ...(id === 't2' ? {} : { norm: i === 0 ? null : i / 2 }) },
    }));
  };
  const cells = (names: string[], listed = all, read = kept) => cellsOf(names, listed, all, read);
  beforeEach(() => (asked = []));

  it('are what the record has, without a look at any file', () => {
    assert.deepEqual(cells(['value', 'id', 'fate', 'epochs', 'lr', 'config'], all.slice(1, 2)), [
      [0.25, 't1', 'completed', 4, 0.4, all[1]?.config],
    ]);
    assert.deepEqual(cells(['value', 'lineage'], all.slice(3)), [[undefined, undefined]]);
    const exploit = { donor: 't1', config: {} };
    const grown: TrialRow = { ...row('t0', 1), lineage: [2, 4].map((epoch) => ({ ...exploit, epoch })) };
    assert.deepEqual(cells(['lineage'], [grown]), [['t1 at 2, t1 at 4']]);
    assert.deepEqual(asked, []);
  });

  it('are the numbers of the last epoch in the record, the seconds of all and the last host', () => {
    assert.deepEqual(cells(['norm', 'seconds', 'host'], all), [
      [null, 2, 'h0'],
      [1.5, 8, 'h3'],
      [undefined, 4, 'h1'],
      [undefined, undefined, undefined],
    ]);
  });

  it('tell a parameter and a number of one name apart by their prefixes', () => {
    const names = ['accuracy', 'config.accuracy', 'reported.accuracy', 'seconds', 'reported.seconds', 'toString'];
    assert.deepEqual(cells(names, all.slice(1, 2)), [['chosen', 'chosen', 3, 8, 99, 'own']]);
  });

  it('read the files of the listed trials once each, and of one more', () => {
    cells(['reported.accuracy', 'norm', 'seconds', 'host'], [row('t0', 1), row('t2', 2)]);
    assert.deepEqual([...asked].sort(), ['t0', 't1', 't2']);
    asked = [];
    cells(['seconds'], [row('t0', 1)]);
    assert.deepEqual(asked, ['t0']);
  });

  it('know what trainers report where the listed trials have reported nothing', () => {
    assert.deepEqual(cells(['id', 'norm'], all.slice(3)), [['t3', undefined]]);
  });

  it('are listed where one is unknown', () => {
    const wrong = (read: ReadEpochs, message: string) =>
      assert.throws(() => cells(['id', 'lrr', 'constructor'], [], read), { message, exitCode: 2 });
    const known =
      'no column is called lrr or constructor. Columns of every study: id, fate, epochs, value, config, lineage, ' +
      'late, seconds, host; parameters: lr, toString, accuracy; reported numbers: ';
    wrong(kept, `${known}accuracy, norm, seconds.`);
    wrong(() => [], `${known}none.`);
  });
});
