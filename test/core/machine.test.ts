import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createScheduler } from '../../core/engine/create.js';
import type { Scheduler } from '../../core/engine/scheduler.js';
import type { Answer, Closing, Group } from '../../core/engine/work.js';
import { emptyMemory, withObservations, withSeen } from '../../core/engine/memory.js';
import { audit, canonicalJson, defineStudy, runInMemory, type Study, type StudyInput } from '../../core/index.js';
import { stream } from '../../core/rng.js';
import { drive } from './drive.js';
import { asynchronous, effectsOf, studies } from './world.js';

const seeds = fc.integer({ min: 0, max: 10_000 });
const runs = { numRuns: 10 };

describe('the machine of a study', function () {
  this.timeout(120_000);

  for (const [name, study] of studies.filter(([one]) => !(one in asynchronous))) {
    it(`${name}: free places change when work is handed out, and never what is decided`, () =>
      fc.assert(
        fc.asyncProperty(seeds, seeds, async (seed, order) => {
          const random = stream(order, 'free');
          const record = drive(study(seed), { order, free: () => random.below(4) });
          assert.equal(canonicalJson(record), canonicalJson(await runInMemory(study(seed), effectsOf(study(seed)))));
        }),
        runs
      ));
  }

  for (const [name, study] of studies) {
    it(`${name}: another machine goes on from its state, at any moment, to the same record`, () =>
      fc.assert(
        fc.property(seeds, seeds, (seed, order) => {
          const random = stream(order, 'moments');
          const whole = drive(study(seed), { order });
          const broken = drive(study(seed), { order, restore: () => random.uniform() < 0.3 });
          assert.equal(canonicalJson(broken), canonicalJson(whole));
          assert.deepEqual(audit(whole), []);
        }),
        runs
      ));

    it(`${name}: stopped at any moment, it ends with what is known`, () =>
      fc.assert(
        fc.property(seeds, fc.integer({ min: 0, max: 40 }), (seed, moment) => {
          let told = 0;
          const record = drive(study(seed), { order: seed, stop: () => told++ === moment });
          if (record.result.ended !== 'stopped') return;
          assert.ok(record.log.includes('stop stopped'));
          assert.deepEqual(audit(record), []);
        }),
        runs
      ));
  }
});

describe('the state of a scheduler', function () {
  this.timeout(120_000);
  const most = 1024 * 1024;
  const space = { x: { type: 'float', low: 0, high: 1 } } as const;
  const sizeOf = (scheduler: Scheduler) => Buffer.byteLength(JSON.stringify(scheduler.state));
  const losses = stream(1, 'losses');

  /** Tells every group and task at once; gives the largest state on the way. */
  function largest(study: Study, everySoMany: number, closing: (group: Group) => Closing): number {
    const scheduler = createScheduler(study, null);
    let size = 0;
    let trials = 0;
    while (scheduler.ended === null) {
      for (const work of scheduler.next(50)) {
        if (work.type === 'group') scheduler.tell({ type: 'closed', closing: closing(work.group) });
        else {
          const { group, task } = work;
          const answer: Answer =
            task.type === 'propose'
              ? { trials: [], duplicatesAvoided: 0, duplicatesKept: 0 }
              : task.type === 'train'
                ? { outcome: 'completed', values: Array.from({ length: task.to - task.from }, () => losses.uniform()) }
                : { outcome: 'predicted', losses: task.candidates.map(() => losses.uniform()) };
          scheduler.tell({ type: 'answered', group: group.id, task, answer });
        }
        if (trials++ % everySoMany === 0) size = Math.max(size, sizeOf(scheduler));
      }
    }
    return Math.max(size, sizeOf(scheduler));
  }

  /** A round in which everybody reaches the rung, with as much to remember as can be. */
  function full(group: Group): Closing {
    const own = group.members.map(() => losses.uniform());
    const seen = group.passes.reduce((memory, epoch) => withSeen(memory, epoch, own), emptyMemory);
    const observations = group.members.map((trial, i) => ({ trial, budget: group.to, loss: own[i] as number }));
    return {
      group: group.id,
      ends: own.map(() => 'rung' as const),
      losses: own,
      epochs: own.length * (group.to - group.from),
      memory: withObservations(seen, group.observed ? observations : []),
    };
  }

  const asha = { type: 'asha', trials: 100_000, maxBudget: 256, eta: 4 } as const;
  const hyperband = { type: 'hyperband', maxBudget: 81, iterations: 699 } as const;
  const wide = { type: 'hyperband', maxBudget: 19_683, brackets: 1, iterations: 5 } as const;
  const inputs: Readonly<Record<string, StudyInput>> = {
    asha: { space, scheduler: asha },
    // As many as are allowed with a sampler that learns.
    'asha, tpe': { space, scheduler: { ...asha, trials: 52_000 }, sampler: 'tpe' },
    hyperband: { space, scheduler: hyperband },
    'hyperband, median': { space, scheduler: hyperband, pruner: 'median' },
    'hyperband, tpe': { space, scheduler: hyperband, sampler: 'tpe' },
    'hyperband of wide brackets': { space, scheduler: wide, pruner: 'median' },
  };
  for (const [name, input] of Object.entries(inputs)) {
    it(`stays below 1 MiB at 100,000 trials: ${name}`, () => {
      const size = largest(defineStudy(input), input.scheduler.type === 'asha' ? 10_000 : 200, full);
      console.log(`      ${Math.round(size / 1024)} KiB`);
      assert.ok(size < most, `${size} bytes`);
      assert.ok(size > 1000);
    });
  }
});
