import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { checkpointFolder } from '../../trainers/attempts.js';
import { checkpointOf, claimTrial, removeCheckpoints, type TrialClaim } from '../../trainers/checkpoints.js';
import { findCheckpoint, holdCheckpoint, releaseCheckpoint, releaseStudy } from '../../trainers/held.js';
import { enterStudy, studyFolder } from '../../trainers/identity.js';
import { readKnown, type CheckpointScope } from '../../trainers/line.js';

describe('checkpoints', () => {
  let scope: CheckpointScope;
  let root: string;
  beforeEach(() => {
    const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-checkpoints-'));
    const trial = { id: 't', config: { lr: 1 }, seed: 1 };
    scope = { stateDir, study: 's', identity: { id: 'one', incarnation: 0 }, trial, metric: 'loss', from: 0 };
    root = checkpointFolder(stateDir, 's', 't');
  });
  afterEach(() => rmSync(scope.stateDir, { recursive: true }));

  const epoch = async (claim: TrialClaim, number: number, value = number / 10): Promise<void> => {
    const name = `e${number}`;
    writeFileSync(path.join(claim.filesFolder, name), `state ${number} of ${claim.claim}`);
    claim.record(number, { value }, name, { seconds: 1, others: {} });
    await claim.publish();
  };

  it('gives racing attempts different numbers, and one of them the trial', async () => {
    const claims = await Promise.all(Array.from({ length: 5 }, () => claimTrial(scope, 10)));
    assert.equal(new Set(claims.map(({ claim }) => claim)).size, 5);
    assert.equal(claims.filter((claim) => claim.fence() === null).length, 1);
  });

  it('ignores a manifest that was altered and one of another configuration', async () => {
    const first = await claimTrial(scope, 10);
    await epoch(first, 1);
    assert.deepEqual(readKnown({ ...scope, trial: { ...scope.trial, seed: 2 } }).values, []);
    writeFileSync(path.join(path.dirname(first.filesFolder), 'manifest.jsonl'), '{"values":[0.1,0.2]}\n{}\n');
    assert.deepEqual(readKnown(scope).values, []);
  });

  it('takes the folder from an attempt that is overtaken while it writes', async () => {
    const first = await claimTrial(scope, 10);
    await epoch(first, 1);
    const second = await claimTrial(scope, 10);
    await epoch(second, 2);
    await epoch(second, 3);
    assert.equal(existsSync(first.filesFolder), false);
    await assert.rejects(epoch(first, 2, 7), /ENOENT|overtaken/);
    assert.deepEqual(readKnown(scope).values, [0.1, 0.2, 0.3]);
  });

  it('names the newest checkpoint of the study that has the folder', async () => {
    const { stateDir, study } = scope;
    const identity = { id: 'one', incarnation: 0 };
    await enterStudy(studyFolder(stateDir, study), identity, 1);
    await epoch(await claimTrial(scope, 10), 1);
    await epoch(await claimTrial({ ...scope, identity: { id: 'two', incarnation: 0 } }, 10), 2).catch(() => undefined);
    assert.equal(checkpointOf(stateDir, study, 't')?.epoch, 1);
  });

  it('releases what was held', async () => {
    const place = { stateDir: scope.stateDir, study: 's', identity: { id: 'one', incarnation: 0 } };
    const claim = await claimTrial(scope, 10);
    for (const number of [1, 2]) {
      await epoch(claim, number);
      await holdCheckpoint(place, 't', number);
    }
    await removeCheckpoints(scope.stateDir, 's', ['t']);
    assert.equal((await findCheckpoint(place, 't', 1))?.name, 'e1');
    await releaseCheckpoint(place, 't', 1);
    assert.equal(await findCheckpoint(place, 't', 1), null);
    assert.equal((await findCheckpoint(place, 't', 2))?.epoch, 2);
    await releaseStudy(scope.stateDir, 's');
    assert.equal(await findCheckpoint(place, 't', 2), null);
  });

  it('removes a trial', async () => {
    await epoch(await claimTrial(scope, 10), 1);
    await removeCheckpoints(scope.stateDir, 's', ['t', 'never']);
    assert.equal(existsSync(root), false);
    assert.equal(checkpointOf(scope.stateDir, 's', 't'), null);
  });
});
