import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  CheckpointError,
  checkpointFolder,
  checkpointOf,
  claimTrial,
  FencedError,
  readKnown,
  removeCheckpoints,
  TooManyLossesError,
  type CheckpointScope,
  type TrialClaim,
} from '../../trainers/checkpoints.js';

describe('checkpoints', () => {
  let scope: CheckpointScope;
  let root: string;
  beforeEach(() => {
    const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-checkpoints-'));
    scope = { stateDir, study: 's', trial: { id: 't', config: { lr: 1 }, seed: 1 }, metric: 'loss' };
    root = checkpointFolder(stateDir, 's', 't');
  });
  afterEach(() => rmSync(scope.stateDir, { recursive: true }));

  const epoch = async (claim: TrialClaim, number: number, value = number / 10): Promise<void> => {
    const name = `e${number}`;
    writeFileSync(path.join(claim.filesFolder, name), `state ${number} of ${claim.claim}`);
    claim.record(number, value, name);
    await claim.publish();
  };

  it('resumes from the newest checkpoint and keeps two', async () => {
    const first = await claimTrial(scope, 10);
    assert.equal(first.start, null);
    for (const number of [1, 2, 3]) await epoch(first, number);
    assert.deepEqual(readdirSync(first.filesFolder), ['e2', 'e3']);
    const second = await claimTrial(scope, 10);
    assert.equal(second.start?.epoch, 3);
    assert.deepEqual(second.known.values, [0.1, 0.2, 0.3]);
    assert.deepEqual(checkpointOf(scope.stateDir, 's', 't'), second.start);
  });

  it('falls back when a checkpoint is corrupt, and keeps the known values', async () => {
    const first = await claimTrial(scope, 10);
    for (const number of [1, 2, 3]) await epoch(first, number);
    writeFileSync(path.join(first.filesFolder, 'e3'), 'state 3 of X');
    const second = await claimTrial(scope, 10);
    assert.equal(second.start?.epoch, 2);
    await epoch(second, 3, 99);
    assert.deepEqual(second.known.values, [0.1, 0.2, 0.3]);
    // No new epoch yet: the first attempt stays.
    assert.deepEqual(readdirSync(root).sort(), ['a1', 'a2']);
    await epoch(second, 4);
    assert.deepEqual(readdirSync(root), ['a2']);
  });

  it('fences an attempt that was overtaken', async () => {
    const first = await claimTrial(scope, 10);
    await epoch(first, 1);
    const second = await claimTrial(scope, 10);
    assert.equal(first.isFenced(), true);
    await assert.rejects(epoch(first, 2, 7), FencedError);
    await epoch(second, 2);
    await epoch(second, 3);
    assert.equal(existsSync(first.filesFolder), false);
    assert.deepEqual(readKnown(scope).values, [0.1, 0.2, 0.3]);
  });

  it('gives racing attempts different numbers, and one of them the trial', async () => {
    const claims = await Promise.all(Array.from({ length: 5 }, () => claimTrial(scope, 10)));
    assert.equal(new Set(claims.map(({ claim }) => claim)).size, 5);
    assert.equal(claims.filter((claim) => !claim.isFenced()).length, 1);
  });

  it('ignores a manifest that was altered and one of another configuration', async () => {
    const first = await claimTrial(scope, 10);
    await epoch(first, 1);
    assert.deepEqual(readKnown({ ...scope, trial: { ...scope.trial, seed: 2 } }).values, []);
    writeFileSync(path.join(root, 'a1', 'manifest.json'), '{"values":[0.1,0.2]}');
    assert.deepEqual(readKnown(scope).values, []);
  });

  it('forgets earlier attempts once per reset', async () => {
    await epoch(await claimTrial(scope, 10), 1);
    const reset = { ...scope, reset: 5 };
    assert.deepEqual(readKnown(reset).values, []);
    const second = await claimTrial(reset, 10);
    assert.equal(second.start, null);
    await epoch(second, 1, 0.7);
    assert.equal((await claimTrial(reset, 10)).start?.epoch, 1);
    assert.deepEqual((await claimTrial(scope, 10)).known.values, [0.7]);
  });

  it('counts losses in a row without a new epoch', async () => {
    await claimTrial(scope, 2);
    await epoch(await claimTrial(scope, 2), 1);
    await claimTrial(scope, 2);
    await (await claimTrial(scope, 2)).release();
    await claimTrial(scope, 2);
    await claimTrial(scope, 2);
    await assert.rejects(claimTrial(scope, 2), TooManyLossesError);
    // Asked again by somebody: counts from new.
    await claimTrial(scope, 2);
  });

  it('publishes a divergence', async () => {
    const claim = await claimTrial(scope, 10);
    claim.record(1, 0.1, null);
    claim.recordDivergence('inf');
    await claim.publish();
    assert.deepEqual(readKnown(scope), { values: [0.1], nonFinite: 'inf' });
  });

  it('refuses checkpoints it could not keep', async () => {
    const claim = await claimTrial(scope, 10);
    assert.throws(() => claim.record(1, 1, '../a1/claim.json'), CheckpointError);
    assert.throws(() => claim.record(1, 1, 'missing'), CheckpointError);
    await epoch(claim, 1);
    assert.throws(() => claim.record(2, 1, 'e1'), /name of its own/);
  });

  it('removes a trial', async () => {
    await epoch(await claimTrial(scope, 10), 1);
    await removeCheckpoints(scope.stateDir, 's', ['t', 'never']);
    assert.equal(existsSync(root), false);
    assert.equal(checkpointOf(scope.stateDir, 's', 't'), null);
  });
});
