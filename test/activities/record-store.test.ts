import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { createRecordActivities } from '../../activities/record.js';
import { isSound, readProposed, readRecord, writeFile, writeStudy } from '../../activities/record-store.js';
import { Restorer } from '../../activities/restore.js';
import { canonicalJson, digestOf } from '../../core/record.js';
import { createSampler } from '../../core/sampler.js';
import { claimTrial } from '../../trainers/checkpoints.js';
import { holdCheckpoint } from '../../trainers/held.js';
import { studyFolder } from '../../trainers/identity.js';
import { fileNames } from '../../workflows/file-names.js';
import type { RecordPart } from '../../workflows/messages.js';
import { studyOf } from '../harness.js';
import { sealedFor } from '../trusted.js';

describe('the record of a study whose trials come to rungs one by one', () => {
  const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-record-'));
  after(() => rmSync(stateDir, { recursive: true }));
  const study = studyOf({
    name: 'asha',
    space: { x: { float: [0, 1] } },
    scheduler: { type: 'asha', R: 9, eta: 3, trials: 100 },
    trainer: { activity: 'trainSegment', taskQueue: 'none' },
  });
  /** One trial came to the first rung. */
  const part = (index: number): RecordPart => {
    const id = `b2-t00${index}`;
    const place = { bracket: 'b2', round: 0, members: [index], from: 0, to: 1 };
    const outcome = { id, index, end: 'rung', values: [index] } as const;
    return { log: [`start ${id}-r0`], closed: [{ id: `${id}-r0`, ...place, outcomes: [outcome], decision: null }] };
  };
  const log = () => readRecord(stateDir, study.name)?.log;
  const write = (first: number, index: number) =>
    writeFile(stateDir, study.name, fileNames.part(first), canonicalJson(part(index)));

  it('keeps the parts of one execution, and knows every proposal, started or not', async () => {
    await writeStudy(stateDir, study);
    for (const first of [0, 50]) {
      const proposal = createSampler(study, null).propose({ bracket: 'b2', offset: 0, first, count: 50 });
      await writeFile(stateDir, study.name, fileNames.proposal('b2', first), canonicalJson(proposal));
    }
    assert.equal(readProposed(stateDir, study.name, 70).length, 70);
    for (const index of [0, 1, 2]) await write(index, index);
    assert.deepEqual(log(), ['start b2-t000-r0', 'start b2-t001-r0', 'start b2-t002-r0']);
    // Reset to its second part, or started again under the same name.
    await write(1, 3);
    assert.deepEqual(log(), ['start b2-t000-r0', 'start b2-t003-r0']);
    await write(0, 4);
    assert.deepEqual(log(), ['start b2-t004-r0']);
  });

  it('knows a file that was cut or changed', async () => {
    const name = fileNames.part(0);
    await write(0, 1);
    const file = path.join(studyFolder(stateDir, study.name), 'record', name);
    const digest = digestOf(canonicalJson(part(1)));
    assert.ok(isSound(stateDir, study.name, name, digest));
    const text = readFileSync(file, 'utf8');
    for (const damaged of [text.slice(0, -20), text.replace('"b2"', '"b3"'), '']) {
      writeFileSync(file, damaged);
      assert.ok(!isSound(stateDir, study.name, name, digest));
      assert.deepEqual(log(), []);
    }
    // Another file of the same name is none either, whatever digest it names.
    await write(0, 2);
    assert.ok(!isSound(stateDir, study.name, name, digest));
  });
});

describe('the end of a study', () => {
  const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-end-'));
  after(() => rmSync(stateDir, { recursive: true }));

  it('releases the checkpoints that were held for other trials', async () => {
    const study = studyOf({
      ...{ name: 'held', space: { x: { float: [0, 1] } }, scheduler: { type: 'full', trials: 1, R: 1 } },
      trainer: { activity: 'trainSegment', taskQueue: 'none' },
    });
    const server = { address: '127.0.0.1:7233', namespace: 'default' };
    const nobody = new Client({ connection: Connection.lazy() });
    const records = createRecordActivities(stateDir, new Restorer(stateDir, nobody), server);
    const identity = sealedFor(stateDir, study.name, { id: 'one', incarnation: 0 }, study.trainer);
    await records.prepareStudy(study, identity, Date.now());
    const proposal = await records.propose(study, identity, { bracket: 'b0', offset: 0, count: 1 });
    const [trial] = proposal.trials;
    assert.ok(trial);
    const place = { stateDir, study: study.name, identity };
    const claim = await claimTrial({ ...place, trial, metric: 'loss', from: 0 }, 10);
    writeFileSync(path.join(claim.filesFolder, 'e1'), 'state');
    claim.record(1, { value: 0.5 }, 'e1', { seconds: 1, others: {} });
    await claim.publish();
    await holdCheckpoint(place, trial.id, 1);
    const held = path.join(studyFolder(stateDir, study.name), 'held');
    assert.equal(existsSync(held), true);
    await records.recordStudy(study, identity, 'finished', {});
    assert.equal(existsSync(held), false);
  });

  it('clears up after writers that were killed, or whose disk was full', async () => {
    const study = studyOf({
      ...{ name: 'begun', space: { x: { float: [0, 1] } }, scheduler: { type: 'full', trials: 1, R: 1 } },
      trainer: { activity: 'trainSegment', taskQueue: 'none' },
    });
    const server = { address: '127.0.0.1:7233', namespace: 'default' };
    const nobody = new Client({ connection: Connection.lazy() });
    const records = createRecordActivities(stateDir, new Restorer(stateDir, nobody), server);
    const identity = sealedFor(stateDir, study.name, { id: 'two', incarnation: 0 }, study.trainer);
    await records.prepareStudy(study, identity, Date.now());
    await records.propose(study, identity, { bracket: 'b0', offset: 0, count: 1 });
    const folder = studyFolder(stateDir, study.name);
    const begun = () => readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.new'));
    // A file that cannot be put in its place, as on a full disk, leaves nothing behind.
    mkdirSync(path.join(folder, 'record', 'taken', 'by-a-folder'), { recursive: true });
    await assert.rejects(writeFile(stateDir, study.name, 'taken', 'text'));
    assert.deepEqual(begun(), []);
    for (const place of ['run.json.1.new', 'record/b0-r0.json.1.new']) writeFileSync(path.join(folder, place), 'ha');
    // Who came to a round is in no result: where it is damaged, nobody writes it again.
    for (const round of [1, 2]) await writeFile(stateDir, study.name, `b0-r${round}.entered.json`, '{"members": [1]}');
    const entered = path.join(folder, 'record', 'b0-r1.entered.json');
    writeFileSync(entered, readFileSync(entered).subarray(0, 62));
    await records.recordStudy(study, identity, 'finished', {});
    assert.deepEqual(begun(), []);
    assert.deepEqual(
      [1, 2].map((round) => existsSync(entered.replace('r1', `r${round}`))),
      [false, true]
    );
  });
});
