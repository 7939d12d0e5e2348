import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { appendEpochs, EpochBoundError, epochFile, formatEpochLine, readEpochs } from '../../trainers/epoch-log.js';

interface BoundCase {
  readonly names: number;
  readonly characters: number;
  readonly value: number | null;
  readonly problem?: string;
}

const fixture = JSON.parse(readFileSync(new URL('../fixtures/epochs.json', import.meta.url), 'utf8')) as {
  lines: readonly BoundCase[];
};

describe('the log of epochs', () => {
  const identity = { id: 'one', incarnation: 0 };
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'everband-epochs-'));
    mkdirSync(path.join(folder, 'epochs'));
    writeFileSync(path.join(folder, 'identity.json'), JSON.stringify({ ...identity, since: 1 }));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const line = (epoch: number, attempt: number, id = 'one', accuracy = epoch / 10) =>
    formatEpochLine({
      ...{ epoch, seconds: 1.5, host: 'h', attempt, identity: { id, incarnation: 0 } },
      values: { accuracy },
    });
  const append = (...lines: string[]) => appendEpochs(epochFile(folder, 't'), lines);
  const epochs = () => readEpochs(folder, 't').map(({ epoch, attempt }) => [epoch, attempt]);

  for (const { names, characters, value, problem } of fixture.lines) {
    it(`${problem ? 'refuses' : 'keeps'} ${names} numbers of ${characters} characters, each ${value}`, () => {
      const values = Object.fromEntries(
        Array.from({ length: names }, (_, i) => [String(i).padStart(2, '0').padEnd(characters, 'ö'), value])
      );
      const format = () => formatEpochLine({ epoch: 3, seconds: 1, host: 'h', attempt: 1, identity, values });
      if (problem) assert.throws(format, (error) => error instanceof EpochBoundError && error.message === problem);
      else assert.deepEqual((JSON.parse(format()) as { values: object }).values, values);
    });
  }

  it('gives every number back', async () => {
    await append(line(1, 1));
    const [first] = readEpochs(folder, 't');
    assert.deepEqual(first, {
      ...{ epoch: 1, seconds: 1.5, host: 'h', attempt: 1, identity },
      values: { accuracy: 0.1 },
    });
    assert.deepEqual(readEpochs(folder, 'never'), []);
  });

  it('training that began again takes the place of what came after', async () => {
    await append(line(1, 1), line(2, 1), line(3, 1), line(4, 1));
    await append(line(2, 2), line(3, 2));
    assert.deepEqual(epochs(), [
      [1, 1],
      [2, 2],
      [3, 2],
    ]);
  });

  it('goes on behind half a line', async () => {
    await append(line(1, 1));
    appendFileSync(epochFile(folder, 't'), '{"epoch":2,"sec');
    await append(line(2, 2));
    assert.deepEqual(epochs(), [
      [1, 1],
      [2, 2],
    ]);
  });

  it('leaves out another study of the same name', async () => {
    writeFileSync(path.join(folder, 'identity.json'), '{"id":"two","incarnation":1,"since":1}');
    await append(line(1, 1, 'one'), line(2, 1, 'one'), line(1, 1, 'two'), line(3, 1, 'one'));
    assert.deepEqual(epochs(), [[1, 1]]);
  });

  it('does not bring a deleted study back', async () => {
    rmSync(path.join(folder, 'epochs'), { recursive: true });
    await assert.rejects(append(line(1, 1)), /ENOENT/);
  });
});
