import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { audit } from '../../core/audit.js';
import { runInMemory } from '../../core/in-memory.js';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import { createSampler } from '../../core/sampler.js';
import type { Study } from '../../core/study.js';
import { nextLoss } from '../fixtures/slow-trainer.mjs';
import { Cluster, itReplays, studyOf } from '../harness.js';

/** The same study in memory: a checkpoint is the loss that a trial had after an epoch. */
function reference(study: Study): Promise<StudyRecord> {
  const losses = new Map<string, number>();
  return runInMemory(study, {
    propose: createSampler(study, null).propose,
    train({ id, config, seed }, from, to, _round, source) {
      const start = source ? `${source.trial}@${source.epoch}` : `${id}@${from}`;
      let loss = from === 0 ? 1 : (losses.get(start) as number);
      const values = Array.from({ length: to - from }, (_, i) => {
        loss = nextLoss(loss, config as { x: number }, seed, from + i + 1);
        losses.set(`${id}@${from + i + 1}`, loss);
        return loss;
      });
      return { outcome: 'completed', values };
    },
    predict: () => ({ outcome: 'impossible', reason: 'nobody asks' }),
  });
}

describe('population-based training through Temporal', function () {
  this.timeout(180_000);
  const cluster = new Cluster();
  before(() => cluster.start());
  after(() => cluster.end());

  const study = (name: string, ms: number) =>
    studyOf({
      name,
      seed: 5,
      space: { x: { float: [0.01, 0.9] }, ms: { fixed: ms }, divergesAbove: { fixed: 2 } },
      scheduler: { type: 'populationBased', trials: 6, R: 8, interval: 2 },
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 3,
      training: { heartbeatSeconds: 2, graceSeconds: 2 },
    });

  it('goes on from the checkpoints of other trials, to the bytes of the run in memory, whatever is killed -9', async () => {
    const one = study('population', 80);
    const result = await cluster.finishUnderFire(one, ['trainer', 'orchestrator', 'trainer'], () => 1800);
    const record = cluster.record(one);
    const wanted = await reference(one);
    assert.equal(canonicalJson(record), canonicalJson(wanted));
    assert.deepEqual(result, JSON.parse(JSON.stringify(wanted.result)));
    assert.deepEqual(audit(record), []);
    assert.ok(
      record.trials.some(({ lineage = [] }) => lineage.length > 0),
      'nobody went on from another'
    );
    assert.ok((result.best?.schedule?.length ?? 0) > 1, 'the best configuration is a schedule');
    const held = path.join(cluster.stateDir, 'studies', one.name, 'held');
    assert.ok(!existsSync(held), 'nothing is held once the study is over');
  });

  itReplays(cluster, 4);
});
