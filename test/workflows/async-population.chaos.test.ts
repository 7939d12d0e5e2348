import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { audit } from '../../core/audit.js';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import { stream } from '../../core/rng.js';
import type { Study } from '../../core/study.js';
import { readRecord } from '../../activities/record-store.js';
import { exploitsOf } from '../../report/trials.js';
import { readAttempts } from '../../trainers/attempts.js';
import { readIdentity } from '../../trainers/identity.js';
import { nextLoss } from '../fixtures/slow-trainer.mjs';
import { Cluster, ended, itReplays, sleep, studyOf } from '../harness.js';

const slots = 4;

// Whoever learns slowly is fast, so that donors are behind and ahead of those who take over from them.
const space = { x: { float: [0.01, 0.9] }, ms: { choice: [30, 60, 180] }, divergesAbove: { fixed: 0.85 } };

const populationOf = (name: string, more: object = {}) =>
  studyOf({
    name,
    seed: 5,
    space,
    scheduler: { type: 'asyncPopulationBased', trials: 8, R: 12, interval: 2 },
    trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
    parallelism: slots,
    training: { heartbeatSeconds: 2, graceSeconds: 2 },
    ...more,
  });

describe('asynchronous population-based training through Temporal', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  before(() => cluster.start({ 'limit.historyCount.suggestContinueAsNew': 80 }));
  after(() => cluster.end());

  const folderOf = (one: Study) => path.join(cluster.stateDir, 'studies', one.name);
  const recordOf = (one: Study) => readRecord(cluster.stateDir, one.name);
  async function until(what: string, holds: () => boolean): Promise<void> {
    for (let tries = 0; !holds(); tries++) {
      assert.ok(tries < 600, `never: ${what}`);
      await sleep(50);
    }
  }

  /** While this file is away, no epoch of a study with `held` ends. */
  const gate = path.join(cluster.stateDir, 'gate');
  const held = { space: { ...space, gate: { fixed: gate }, gateAfter: { fixed: 0 } } };
  beforeEach(() => writeFileSync(gate, ''));

  /** Whatever trains was recorded before it began: told in another order, it might have gone on from another checkpoint. */
  function requireRecorded(one: Study): void {
    const { log } = recordOf(one) as StudyRecord;
    const folder = path.join(folderOf(one), 'checkpoints');
    const identity = readIdentity(folderOf(one));
    assert.ok(identity);
    for (const trial of readdirSync(folder)) {
      for (const { note } of readAttempts(path.join(folder, trial), identity)) {
        const start = `start ${trial}-r${Math.floor(note.resume / 2)}`;
        assert.ok(log.includes(start), `"${start}" is not recorded, and trains`);
      }
    }
  }

  /** Epochs that were trained and are not in the record: of those that a kill interrupted. */
  function lost(one: Study): number {
    const logs = path.join(folderOf(one), 'logs');
    const trained = readdirSync(logs)
      .map((file) => readFileSync(path.join(logs, file), 'utf8').match(/^\{"epoch":\d+/gm)?.length ?? 0)
      .reduce((sum, count) => sum + count, 0);
    return trained - cluster.record(one).result.epochs;
  }

  it('goes on from record and checkpoints when the server has lost its database, as it had decided', async () => {
    const one = populationOf('async-lost', held);
    let orchestrator = await cluster.worker(['orchestrate', 'predict']);
    let trainer = await cluster.worker(['train'], slots);
    await cluster.begin(one);
    const decided = () => {
      const record = recordOf(one);
      return record ? exploitsOf(record) : [];
    };
    let before = decided();
    for (const exploits of [2, 5]) {
      await until(`${exploits} exploits`, () => decided().length >= exploits);
      // In the middle of what follows on them.
      rmSync(gate);
      await sleep(700);
      await cluster.loseDatabase();
      writeFileSync(gate, '');
      before = decided();
      requireRecorded(one);
      orchestrator = await cluster.worker(['orchestrate', 'predict']);
      trainer = await cluster.worker(['train'], slots);
      const { code, err } = await cluster.everband('start', '--recover', one.name);
      assert.equal(code, 0, err);
    }
    await cluster.result(one);
    const record = cluster.record(one);
    sound(record);
    const after = new Set(exploitsOf(record).map((exploit) => canonicalJson(exploit)));
    assert.ok(before.every((exploit) => after.has(canonicalJson(exploit))));
    assert.ok(lost(one) <= 2 * slots, `${lost(one)} epochs trained again after 2 losses of ${slots} slots`);
    const commands = [
      ['report', '--out', path.join(cluster.stateDir, 'report.html')],
      ['export', '--out', cluster.stateDir],
      ['audit'],
    ];
    for (const [command = '', ...options] of commands) {
      const { code, err } = await cluster.everband(command, one.name, ...options);
      assert.equal(code, 0, err);
    }
    const report = readFileSync(path.join(cluster.stateDir, 'report.html'), 'utf8');
    assert.match(report, />Lineage<[^]*>at epoch</);
    const lines = readFileSync(path.join(cluster.stateDir, `${one.name}.lineage.csv`), 'utf8')
      .trim()
      .split('\n');
    assert.match(lines[0] ?? '', /^trial,epoch,donor,donorEpoch,/);
    assert.equal(lines.length - 1, after.size);
    for (const child of [trainer, orchestrator]) await ended(child);
  });

  it('loses no checkpointed epoch and trains none twice, whatever is killed -9', async () => {
    const one = populationOf('async-killed');
    const random = stream(5, 'kills');
    const victims = ['trainer', 'orchestrator', 'server', 'trainer', 'orchestrator'] as const;
    const result = await cluster.finishUnderFire(one, victims, () => 600 + random.below(900));
    sound(cluster.record(one));
    assert.deepEqual(result, JSON.parse(JSON.stringify(cluster.record(one).result)));
    assert.ok(lost(one) <= 2 * slots, `${lost(one)} epochs trained again after 2 kills of ${slots} slots`);
    assert.ok(!existsSync(path.join(folderOf(one), 'held')), 'nothing is held once the study is over');
  });

  it('goes on in a new run with jobs in flight, and shows schedule and lineage while it runs', async () => {
    const orchestrator = await cluster.worker(['orchestrate', 'predict']);
    const trainer = await cluster.worker(['train'], slots);
    // A busy machine must not look like a lost worker here.
    const training = { heartbeatSeconds: 30, graceSeconds: 30 };
    const scheduler = { type: 'asyncPopulationBased', trials: 8, R: 24, interval: 2 };
    const one = populationOf('async-runs', { ...held, training, scheduler });
    await cluster.begin(one);
    const texts = [
      /^async-runs: paus\w+, \d+ of 192 epochs/,
      /its schedule.*\nepochs +configuration\n1-\d+ /,
      /^exploits so far: \d+[^]*went on from/m,
    ];
    // The best trial changes while it runs: it is looked at while it pauses, and again later where the best has none.
    for (let shown = false; !shown;) {
      await until('a schedule behind the best', () => (recordOf(one)?.result.best?.schedule?.length ?? 0) > 1);
      rmSync(gate);
      assert.equal((await cluster.everband('pause', one.name)).code, 0);
      const { out } = await cluster.everband('status', one.name);
      const { schedule = [], lineage = [] } = JSON.parse(
        (await cluster.everband('status', one.name, '--json')).out
      ) as Record<string, unknown[]>;
      shown = texts.every((text) => text.test(out)) && schedule.length > 1 && lineage.length > 0;
      writeFileSync(gate, '');
      assert.equal((await cluster.everband('resume', one.name)).code, 0);
    }
    await cluster.result(one);
    sound(cluster.record(one));
    assert.equal(lost(one), 0, 'whoever is told to stop saves first');
    const client = await cluster.client();
    const { count } = await client.workflow.count(`WorkflowId = 'everband/${one.name}'`);
    assert.ok(count > 1, `${count} runs`);
    await ended(trainer);
    await ended(orchestrator);
  });

  it('trains in segments shorter than an interval, and copies once', async () => {
    const worker = await cluster.worker(['orchestrate', 'predict', 'train'], slots);
    const one = populationOf('async-segments', {
      space: { x: { float: [0.01, 0.8] }, ms: { fixed: 5 }, divergesAbove: { fixed: 2 } },
      scheduler: { type: 'asyncPopulationBased', trials: 6, R: 12, interval: 4 },
      training: { heartbeatSeconds: 30, graceSeconds: 30, segmentEpochs: 1 },
    });
    await cluster.begin(one);
    await cluster.result(one);
    sound(cluster.record(one));
    assert.equal(lost(one), 0);
    await ended(worker);
  });

  itReplays(cluster, 4);
});

/** Every decision follows, and every curve is what the trainer makes of the lineage. */
function sound(record: StudyRecord): void {
  assert.deepEqual(audit(record), []);
  const byId = new Map(record.trials.map((trial) => [trial.id, trial]));
  const exploits = exploitsOf(record);
  assert.ok(exploits.length > 1, `${exploits.length} exploits`);
  const known = new Map<string, { readonly age: number; readonly loss: number }>();
  const stateOf = (id: string, epoch: number): { readonly age: number; readonly loss: number } => {
    const key = `${id} ${epoch}`;
    const found = known.get(key);
    if (found) return found;
    const { config, seed, lineage = [] } = byId.get(id) as StudyRecord['trials'][number];
    if (epoch === 0) return { age: 0, loss: 1 };
    const taken = lineage.find((exploit) => exploit.epoch === epoch - 1);
    const before = taken ? stateOf(taken.donor, taken.donorEpoch ?? taken.epoch) : stateOf(id, epoch - 1);
    const own = lineage.findLast((exploit) => exploit.epoch < epoch)?.config ?? config;
    const age = before.age + 1;
    const state = { age, loss: nextLoss(before.loss, own as { x: number }, seed, age) };
    known.set(key, state);
    return state;
  };
  for (const { id, values, fate } of record.trials) {
    const truth = values.map((_, i) => stateOf(id, i + 1).loss);
    assert.deepEqual(values, truth, id);
    assert.equal(values.length, fate === 'completed' ? record.scheduler.maxBudget : values.length);
  }
  const last = record.result.best?.schedule?.at(-1);
  const { trial, budget } = record.result.best as { trial: string; budget: number };
  if (last) assert.equal(last.to, stateOf(trial, budget).age);
}
