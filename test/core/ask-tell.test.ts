import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  AskTell,
  audit,
  canonicalJson,
  createStudy,
  runInMemory,
  type AskTellEvent,
  type Job,
} from '../../core/index.js';
import { stream } from '../../core/rng.js';
import { asynchronous, curveOf, effectsOf, studies } from './world.js';

const runs = { numRuns: 12 };
const seeds = fc.integer({ min: 0, max: 10_000 });

/** What a worker tells of a job. */
function trained({ seed, config, from, to }: Job): number[] {
  const values = curveOf({ seed, config }, 81).slice(from, to);
  const bad = values.findIndex((value) => Number.isNaN(value));
  return bad === -1 ? values : values.slice(0, bad + 1);
}

/** Takes every job there is and tells one of those that are out, drawn from `order`, until the study ends. */
async function drive(loop: AskTell, order: number): Promise<string> {
  const random = stream(order, 'order');
  const out: Job[] = [];
  for (;;) {
    do {
      const job = await loop.ask();
      if (job === null) return canonicalJson(await loop.record);
      out.push(job);
    } while (loop.ready > 0);
    for (let told = false; !told || (loop.ready === 0 && out.length > 0); told = true) {
      const [job] = out.splice(Math.floor(random.uniform() * out.length), 1);
      assert.ok(job);
      await loop.tell(job, trained(job));
    }
  }
}

describe('ask and tell', function () {
  this.timeout(120_000);
  for (const [name, study] of studies) {
    it(`${name}: decides as the study run in memory does`, () =>
      fc.assert(
        fc.asyncProperty(seeds, seeds, async (seed, order) => {
          const loop = new AskTell(study(seed), {});
          const record = await drive(loop, order);
          assert.deepEqual(audit(await loop.record), []);
          if (!(name in asynchronous))
            assert.equal(record, canonicalJson(await runInMemory(loop.study, effectsOf(loop.study))));
        }),
        runs
      ));

    it(`${name}: goes on from any events before, to the same future`, () =>
      fc.assert(
        fc.asyncProperty(seeds, fc.double({ min: 0, max: 1, noNaN: true }), async (seed, share) => {
          const first = new AskTell(study(seed), {});
          const record = await drive(first, seed);
          const all = JSON.parse(JSON.stringify(first.events)) as AskTellEvent[];
          const known = all.slice(0, Math.floor(share * all.length));
          const second = new AskTell(study(seed), { events: known });
          const out: Job[] = [];
          for (let i = known.length; i < all.length; i = Math.max(i + 1, second.events.length)) {
            const event = all[i] as AskTellEvent;
            if (event.type === 'asked') {
              const job = await second.ask();
              if (job) out.push(job);
            }
            if (event.type !== 'told') continue;
            let job = out.find((one) => one.trial === event.trial && one.from === event.from);
            while (!job) {
              const asked = await second.ask();
              assert.ok(asked);
              out.push(asked);
              if (asked.trial === event.trial && asked.from === event.from) job = asked;
            }
            await second.tell(job, trained(job));
          }
          assert.equal(await second.ask(), null);
          assert.equal(canonicalJson(await second.record), record);
          assert.deepEqual(second.events, all);
        }),
        runs
      ));
  }

  it('is told at once by as many workers as there are jobs, in loops of their own', async () => {
    for (const [, study] of studies) {
      const loop = new AskTell(study(1), {});
      const worker = async () => {
        for (let job = await loop.ask(); job !== null; job = await loop.ask()) {
          if (job.seed % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
          await loop.tell(job, trained(job));
        }
      };
      await Promise.all(Array.from({ length: 5 }, worker));
      assert.deepEqual(audit(await loop.record), []);
    }
  });

  it('takes failures and values that are no number as results', async () => {
    const loop = createStudy({
      space: { x: { type: 'float', low: 0, high: 1 } },
      scheduler: { type: 'successiveHalving', trials: 4, maxBudget: 4, minBudget: 2, eta: 2 },
    });
    const jobs = [await loop.ask(), await loop.ask(), await loop.ask(), await loop.ask()].map((job) => job as Job);
    const [a, b, c, d] = jobs as [Job, Job, Job, Job];
    assert.equal(loop.ready, 0);
    await loop.tell(b, { failed: 'out of memory', values: [3] });
    await loop.tell(a, [1, -Infinity]);
    await loop.tell(d, [5, 4]);
    await loop.tell(c, [6, 5]);
    const [e, f] = [(await loop.ask()) as Job, (await loop.ask()) as Job];
    assert.deepEqual([e.trial, e.from, e.to, f.trial], [c.trial, 2, 4, d.trial]);
    await loop.tell(e, [4, 2]);
    await loop.tell(f, [NaN]);
    assert.equal(await loop.ask(), null);
    const { trials, result } = await loop.record;
    assert.deepEqual(
      trials.map(({ fate, values, divergedAt, nonFinite, reason }) => [fate, values, divergedAt, nonFinite, reason]),
      [
        ['diverged', [1], 2, '-inf', undefined],
        ['failed', [3], undefined, undefined, 'out of memory'],
        ['completed', [6, 5, 4, 2], undefined, undefined, undefined],
        ['diverged', [5, 4], 3, 'nan', undefined],
      ]
    );
    assert.equal(result.best?.value, 2);
    assert.equal(result.epochs, 2 + 1 + 2 + 2 + 2 + 1);
  });

  it('refuses results of no job, too many or too few values, and results of another study', async () => {
    const settings = {
      space: { x: { type: 'float', low: 0, high: 1 } },
      scheduler: { type: 'full', trials: 2, maxBudget: 3 },
    } as const;
    const loop = createStudy(settings);
    const job = (await loop.ask()) as Job;
    await assert.rejects(
      loop.tell({ trial: 'b0-t001', from: 0 }, [1, 2, 3]),
      /no job of trial b0-t001 from epoch 0 is out/
    );
    await assert.rejects(loop.tell(job, [1, 2]), /from epoch 0 to 3: 3 values, not 2/);
    await assert.rejects(loop.tell(job, [1, 2, 3, NaN]), /3 values, not 4/);
    await loop.tell(job, [1, 2, 3]);
    await assert.rejects(loop.tell(job, [1, 2, 3]), /no job of trial b0-t000/);
    const outcome = { outcome: 'completed', values: [1] } as const;
    const events = [{ type: 'told', trial: 'b3-t000', from: 0, outcome }] as const;
    assert.throws(() => createStudy(settings, { events }), /never asks for trial b3-t000 from epoch 0/);
  });

  it('stops with a record of what is known', async () => {
    for (const [name, study] of studies) {
      const loop = new AskTell(study(3), {});
      const job = (await loop.ask()) as Job;
      await loop.tell(job, trained(job));
      await loop.ask();
      const asking = loop.ask();
      await loop.stop();
      await asking;
      assert.equal(await loop.ask(), null, name);
      const { result, trials } = await loop.record;
      assert.equal(result.ended, 'stopped', name);
      assert.ok(result.fates.unfinished > 0, name);
      assert.ok(trials.length > 0);
    }
  });

  it('waits for a predictor that takes its time, and throws what it threw', async () => {
    const study = studies.find(([name]) => name === 'swift')?.[1](5);
    assert.ok(study);
    const slow = new AskTell(study, {
      predict: async ({ candidates }) => {
        await new Promise((resolve) => setTimeout(resolve, 2));
        return { outcome: 'predicted', losses: candidates.map((curve) => curve.at(-1) as number) };
      },
    });
    const quick = new AskTell(study, {
      predict: ({ candidates }) => ({
        outcome: 'predicted',
        losses: candidates.map((curve) => curve.at(-1) as number),
      }),
    });
    assert.equal(await drive(slow, 1), await drive(quick, 2));
    const broken = new AskTell(study, { predict: () => Promise.reject(new Error('no model')) });
    await assert.rejects(drive(broken, 1), /no model/);
  });
});
