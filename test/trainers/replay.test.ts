import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readTable } from '../../trainers/replay.js';

describe('replay table', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-replay-'));
  const file = path.join(folder, 'curves.csv');
  after(() => rmSync(folder, { recursive: true }));

  it('takes numeric hyperparameters and value columns in the order of the file', () => {
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
});
