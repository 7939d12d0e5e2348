import assert from 'node:assert/strict';
import { audit } from '../../core/audit.js';
import type { StudyRecord } from '../../core/record.js';
import { studyOf } from '../../simulate/algorithms.js';
import { runOnCluster } from '../../simulate/cluster.js';
import { madeUpCurves, setting } from './curves.js';

const table = madeUpCurves(200, 27, { diverging: true });
const cluster = {
  workers: 7,
  epochSeconds: { type: 'lognormal', median: 10, sigma: 0.7 },
  stragglers: { share: 0.3, factor: 5 },
  predictorSeconds: 25,
} as const;
const asha = studyOf('asha', setting(27, 3));

describe('what a virtual cluster recorded', () => {
  for (const [name, study] of Object.entries({
    asha,
    'asha with the median rule': { ...asha, pruner: { type: 'median', decisionPoint: 0.5, minTrials: 5 } as const },
    'swift-asha': studyOf('swift-asha:d=4', setting(27, 3)),
    'asha of so many trials': studyOf('asha:trials=40', setting(27, 3)),
    'asha with a target': { ...asha, limits: { target: 0.1, epochs: 3000 } },
    swift: studyOf('swift:d=4', setting(27, 3)),
  })) {
    it(`follows from its log: ${name}`, async () => {
      for (const seed of [0, 1, 2]) {
        const { record } = await runOnCluster({ ...study, seed }, table, cluster);
        assert.deepEqual(audit(JSON.parse(JSON.stringify(record)) as StudyRecord), []);
      }
    });
  }

  it('is not audited when it is of another format', async () => {
    const { record } = await runOnCluster(asha, table, cluster);
    const old = { ...record, format: 'everband-record/1' } as unknown as StudyRecord;
    assert.deepEqual(audit(old), [
      {
        of: 'record',
        says: 'The record is of the format "everband-record/1", and this version audits everband-record/2.',
      },
    ]);
  });

  it('does not follow from a log in another order', async () => {
    const { record } = await runOnCluster(asha, table, cluster);
    const at = record.log.findIndex((line, i) => line.startsWith('start') && record.log[i + 1]?.startsWith('train'));
    const log = [...record.log];
    log.splice(at, 2, record.log[at + 1] as string, record.log[at] as string);
    assert.notDeepEqual(audit({ ...record, log }), []);
  });
});
