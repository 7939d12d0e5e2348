import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readTable } from '../../trainers/replay.js';

describe('replay table', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-replay-'));
  const file = path.join(folder, 'curves.csv');
  after(() => rmSync(folder, { recursive: true }));

  it('takes numeric hyperparameters and value columns', () => {
    writeFileSync(file, 'index,net,lr,loss_0,loss_1\n7,"a,b",0.1,3,2\n8,c,0.2,inf,\n');
    const { rows, values } = readTable({ type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 });
    assert.deepEqual(rows, [
      { lr: 0.1, row: 0 },
      { lr: 0.2, row: 1 },
    ]);
    assert.deepEqual(values, [
      [3, 2],
      [Infinity, NaN],
    ]);
  });

  it('reads a changed file again', () => {
    writeFileSync(file, 'lr,loss_1\n0.5,1\n');
    assert.equal(readTable({ type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 }).rows.length, 1);
  });

  it('takes value columns by their number, wherever they stand', () => {
    const names = Array.from({ length: 12 }, (_, i) => `loss_${i + 1}`).sort();
    assert.equal(names[1], 'loss_10');
    writeFileSync(file, `${names.join(',')}\n${names.map((name) => name.slice(5)).join(',')}\n`);
    const { values } = readTable({ type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 });
    assert.deepEqual(values, [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]);
  });

  it('refuses columns that are no epochs, and files that are no CSV, by the name of the file', () => {
    const refused = (text: string, rule: string) => {
      writeFileSync(file, text);
      assert.throws(
        () => readTable({ type: 'replay', file, columns: 'loss_', secondsPerEpoch: 0 }),
        (error: Error) => error.message.startsWith(file) && error.message.includes(rule)
      );
    };
    refused('loss_1,loss_2,loss_5,loss_9\n1,2,3,4\n', 'has loss_2 and loss_5, and between them lacks loss_3 to loss_4');
    refused('loss_0,loss_2\n1,2\n', 'lacks loss_1');
    refused('loss_1,loss_01\n1,2\n', 'has epoch 1 twice: loss_1 and loss_01');
    refused('loss_5,loss_6\n1,2\n', 'start at 5, and must at 0 or 1');
    refused('lr,loss_1\n1,2\n1,2,3\n', 'is no CSV: Invalid Record Length');
    refused('lr,loss_1\n"1,2\n', 'is no CSV: Quote Not Closed');
    refused('lr,acc_1\n1,2\n', 'has no columns "loss_<epoch>": it has "lr", "acc_1"');
    refused('', 'has no columns "loss_<epoch>": it is empty');
  });

  it('opens nothing that is no regular file, and nothing that is too large', () => {
    const refused = (name: string, rule: RegExp) => {
      const trainer = { type: 'replay', file: path.join(folder, name), columns: 'loss_', secondsPerEpoch: 0 } as const;
      assert.throws(() => readTable(trainer), rule);
    };
    refused('nowhere.csv', /nowhere\.csv: there is no such file/);
    mkdirSync(path.join(folder, 'folder.csv'));
    refused('folder.csv', /folder\.csv is no regular file/);
    // To read it would block until somebody writes, which nobody does.
    execFileSync('mkfifo', [path.join(folder, 'fifo.csv')]);
    refused('fifo.csv', /fifo\.csv is no regular file/);
    writeFileSync(path.join(folder, 'large.csv'), '');
    truncateSync(path.join(folder, 'large.csv'), 2 ** 28 + 1);
    refused('large.csv', /large\.csv has 268435457 bytes, and recorded curves may have at most 268435456/);
  });
});
