import assert from 'node:assert/strict';
import { createScheduler } from '../../core/engine/create.js';
import { emptyMemory } from '../../core/engine/memory.js';
import type { Closing, Group } from '../../core/engine/work.js';
import {
  audit,
  canonicalJson,
  createStudy,
  defineStudy,
  runInMemory,
  type Study,
  type StudyInput,
  type StudyRecord,
} from '../../core/index.js';
import { digestsOf } from '../../core/record.js';
import { refusals } from '../../core/refuse.js';
import type { Config } from '../../core/settings.js';
import type { Source } from '../../core/trial.js';
import { followed, halves, Toy, toyProblem } from './toy.js';
import { effectsOf } from './world.js';

const space = { x: { type: 'float', low: 0, high: 1 }, y: { type: 'choice', values: ['a', 'b', 'c'] } } as const;
const scheduler = { type: 'populationBased', trials: 8, maxBudget: 9, interval: 3, resampleProbability: 0 } as const;
const drawn = (index: number): Config => ({ x: 0.1 + index / 20, y: 'b' });

/** The group that is out next, and what closes it with these losses; null diverges. */
function close(group: Group, losses: readonly (number | null)[], configs = true): Closing {
  return {
    group: group.id,
    ends: losses.map((loss) => (loss === null ? 'diverged' : 'rung')),
    losses,
    ...(configs && group.draws ? { configs: group.members.map(drawn) } : {}),
    epochs: losses.length,
    memory: emptyMemory,
  };
}

describe('a generation of population-based training', () => {
  const start = (more: Partial<StudyInput> = {}) => {
    const machine = createScheduler(defineStudy({ space, scheduler, seed: 3, ...more }), null);
    const next = () => {
      const [work] = machine.next(1);
      assert.ok(work?.type === 'group');
      return work.group;
    };
    return { machine, next };
  };

  it('lets the worst quarter go on from the best quarter, near the configurations of those', () => {
    const { machine, next } = start();
    const first = next();
    assert.deepEqual(first.exploits, []);
    assert.equal(first.configs, undefined);
    assert.ok(first.holds);
    const { promotion } = machine.tell({
      type: 'closed',
      closing: close(first, [0.9, 0.1, 0.5, 0.4, 0.8, 0.2, 0.3, 0.6]),
    });
    assert.deepEqual(promotion, { group: 'b0-r0', promoted: [0, 1, 2, 3, 4, 5, 6, 7] });
    const second = next();
    assert.deepEqual(second.members, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual([second.from, second.to, second.holds], [3, 6, true]);
    assert.deepEqual(
      second.exploits.map(({ trial, epoch }) => [trial, epoch]),
      [
        [0, 3],
        [4, 3],
      ]
    );
    for (const { trial, donor, config } of second.exploits) {
      assert.ok(donor === 1 || donor === 5, `donor ${donor}`);
      const x = drawn(donor)['x'] as number;
      assert.ok([x * 1.2, x / 1.2].includes(config['x'] as number), `x is ${String(config['x'])} after ${x}`);
      assert.ok(['a', 'c'].includes(config['y'] as string));
      assert.deepEqual(second.configs?.[trial], config);
    }
    assert.deepEqual(Object.keys(second.configs ?? {}), ['0', '4']);
  });

  it('goes on from what its members have by then, and without those who diverged', () => {
    const { machine, next } = start();
    machine.tell({ type: 'closed', closing: close(next(), [0.9, 0.1, 0.5, 0.4, null, 0.2, 0.3, 0.6]) });
    const second = next();
    assert.deepEqual(second.members, [0, 1, 2, 3, 5, 6, 7]);
    assert.deepEqual(
      second.exploits.map(({ trial }) => trial),
      [0, 7]
    );
    // Trials 0 and 7, who exploited, are now the best.
    machine.tell({ type: 'closed', closing: close(second, [0.01, 0.1, 0.5, 0.4, 0.2, 0.3, 0.02]) });
    const third = next();
    assert.equal(third.holds, false);
    assert.deepEqual(
      third.exploits.map(({ trial, epoch }) => [trial, epoch]),
      [
        [2, 6],
        [3, 6],
      ]
    );
    for (const { donor, config } of third.exploits) {
      assert.ok(donor === 0 || donor === 7);
      const x = second.configs?.[donor]?.['x'] as number;
      assert.ok([x * 1.2, x / 1.2].includes(config['x'] as number));
    }
    assert.deepEqual(third.configs?.[0], second.configs?.[0]);
    machine.tell({
      type: 'closed',
      closing: close(
        third,
        third.members.map(() => 1)
      ),
    });
    assert.equal(machine.ended, 'finished');
  });

  it('takes as many as the quantile says, at least one, and never more than half', () => {
    const shares = [
      [2, 0.25, 1],
      [3, 0.5, 1],
      [5, 0.5, 2],
      [8, 0.25, 2],
      [9, 0.25, 3],
      [30, 0.1, 3],
      [100, 0.07, 7],
    ] as const;
    for (const [trials, quantile, wanted] of shares) {
      const { machine, next } = start({ scheduler: { ...scheduler, trials, quantile } });
      const group = next();
      machine.tell({ type: 'closed', closing: close(group, group.members) });
      const { exploits } = next();
      const worst = Array.from({ length: wanted }, (_, i) => trials - wanted + i);
      assert.deepEqual(
        exploits.map(({ trial }) => trial),
        worst
      );
      assert.ok(exploits.every(({ donor }) => donor < wanted));
    }
    const { machine, next } = start({ scheduler: { ...scheduler, trials: 2 } });
    machine.tell({ type: 'closed', closing: close(next(), [null, 1]) });
    assert.deepEqual(next().exploits, []);
  });

  it('says so when nobody told it what was drawn', () => {
    const { machine, next } = start();
    const closing = close(next(), [1, 2, 3, 4, 5, 6, 7, 8], false);
    assert.throws(
      () => machine.tell({ type: 'closed', closing }),
      /b0-r0 closed without the configuration of trial \d/
    );
  });

  it('keeps its state below 1 MiB with as many trials and generations as there may be', () => {
    const wide = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`parameter${i}`, space.x]));
    const config = Object.fromEntries(Object.keys(wide).map((name, i) => [name, Math.SQRT2 / (2 + i)]));
    const largest = (trials: number, generations: number) => {
      const all = { ...scheduler, trials, maxBudget: generations, interval: 1 };
      const machine = createScheduler(defineStudy({ space: wide, scheduler: all }), null);
      let size = 0;
      for (let k = 0; machine.ended === null; k++) {
        const [work] = machine.next(1);
        assert.ok(work?.type === 'group');
        const losses = work.group.members.map((i) => (i * 7919 + k * 104729) % 1000);
        const configs = work.group.draws ? { configs: losses.map(() => config) } : {};
        machine.tell({ type: 'closed', closing: { ...close(work.group, losses), ...configs } });
        if (k % 10 === 8) size = Math.max(size, JSON.stringify(machine.state).length);
      }
      return size;
    };
    const size = largest(500, 30) + largest(2, 1000);
    console.log(`      ${Math.round(size / 1024)} KiB`);
    assert.ok(size > 100_000 && size < 1024 * 1024, `${size} bytes`);
    assert.throws(() => largest(501, 30), /trials is 501/);
  });
});

describe('population-based training', () => {
  const toy = (more: Partial<StudyInput>): Study =>
    defineStudy({
      ...toyProblem,
      scheduler: { type: 'populationBased', trials: 2, maxBudget: 200, interval: 10 },
      tryFirst: halves,
      ...more,
    });

  async function played(study: Study): Promise<{ record: StudyRecord; world: Toy }> {
    const world = new Toy();
    return { record: await runInMemory(study, effectsOf(study, world.train)), world };
  }

  it('solves the toy problem of its paper, which the same population without exploiting does not', async () => {
    const full = (await played(toy({ scheduler: { type: 'full', trials: 2, maxBudget: 200 } }))).record.result.best;
    assert.ok(full && Math.abs(full.value - 0.39) < 0.01, `Q is ${full?.value}`);
    let worst = Infinity;
    for (let seed = 0; seed < 10; seed++) {
      const { best } = (await played(toy({ seed }))).record.result;
      worst = Math.min(worst, best?.value ?? -Infinity);
    }
    console.log(
      `      at least ${worst.toFixed(4)} of 1.2 over ten seeds; without exploiting ${full.value.toFixed(4)}`
    );
    assert.ok(worst > 1, `Q is ${worst}`);
  });

  it('starts trials from the checkpoints that the record says', async () => {
    const { record, world } = await played(toy({ seed: 1 }));
    const lineages = record.trials.flatMap(({ id, lineage = [] }) =>
      lineage.map(({ donor, epoch }) => [id, { trial: donor, epoch }] as const)
    );
    assert.equal(lineages.length, 19);
    const order = ([a, { epoch: m }]: readonly [string, Source], [b, { epoch: n }]: readonly [string, Source]) =>
      m - n || (a < b ? -1 : 1);
    assert.deepEqual([...world.sources].sort(order), lineages.sort(order));
  });

  it('records a schedule that comes to the same result when one trial follows it', async () => {
    const study = toy({ seed: 5, scheduler: { type: 'populationBased', trials: 8, maxBudget: 60, interval: 7 } });
    const { record } = await played(study);
    const { best } = record.result;
    assert.ok(best?.schedule && best.schedule.length > 2);
    assert.deepEqual(best.schedule[0]?.from, 0);
    assert.deepEqual(best.schedule.at(-1), { from: best.schedule.at(-1)?.from, to: 60, config: best.config });
    assert.equal(followed(study, best, new Toy()), best.value);
    const full = await played(toy({ scheduler: { type: 'full', trials: 2, maxBudget: 20 } }));
    assert.ok(full.record.result.best && !('schedule' in full.record.result.best));
    assert.ok(full.record.trials.every((trial) => !('lineage' in trial)));
  });

  it('tells whoever asks for jobs the source and the configuration', async () => {
    const study = toy({ seed: 2, scheduler: { type: 'populationBased', trials: 6, maxBudget: 40, interval: 10 } });
    const loop = createStudy(study);
    const world = new Toy();
    for (let job = await loop.ask(); job !== null; job = await loop.ask()) {
      const { trial: id, config, seed, from, to, source } = job;
      const trial = { id, bracket: 'b0', index: 0, globalIndex: 0, config, seed };
      await loop.tell(job, world.train(trial, from, to, undefined, source).values);
    }
    assert.equal(canonicalJson(await loop.record), canonicalJson((await played(study)).record));
    assert.ok(world.sources.length > 0);
  });

  it('leaves nothing for a changed lineage to hide behind, whoever counted the digests anew', async () => {
    const { record } = await played(toy({ seed: 4 }));
    const changes: ((lineage: { epoch: number; donor: string; config: Config }) => void)[] = [
      (one) => (one.config = { ...one.config, h0: 0.123 }),
      (one) => (one.donor = one.donor === 'b0-t000' ? 'b0-t001' : 'b0-t000'),
    ];
    // As it is read from a file: the space has its names in another order.
    const read = () => JSON.parse(canonicalJson(record)) as StudyRecord;
    assert.deepEqual(audit(read()), []);
    for (const change of changes) {
      const forged = read();
      const trial = forged.trials.find(({ lineage }) => lineage);
      const [first] = trial?.lineage ?? [];
      assert.ok(first);
      change(first);
      assert.ok(audit(forged).length > 1);
      const [finding] = audit({ ...forged, digests: digestsOf(forged) });
      assert.equal(finding?.of, `b0-r${first.epoch / 10}`);
      assert.match(finding.says, /^The exploits of .* do not follow/);
    }
  });

  it('refuses recorded curves, pruners, samplers that learn, and generations that make no sense', () => {
    const settings = defineStudy({ space, scheduler });
    assert.deepEqual(refusals({ ...settings, trainer: { type: 'module' } }), []);
    const paths = (parts: Parameters<typeof refusals>[0]) => refusals(parts).map(({ path }) => path);
    assert.deepEqual(paths({ ...settings, trainer: { type: 'replay' } }), ['trainer']);
    assert.throws(() => createStudy({ scheduler }, { table: [{ x: 1 }] }), /options\.table: .*recorded curves/);
    assert.throws(() => defineStudy({ space, scheduler, pruner: 'median' }), /pruner is "median": must be none/);
    assert.throws(() => defineStudy({ space, scheduler, sampler: 'tpe' }), /sampler is "tpe": the sampler tpe learns/);
    assert.throws(
      () => defineStudy({ space, scheduler: { ...scheduler, interval: 9 } }),
      /interval is 9: must be below/
    );
    const many = { ...scheduler, maxBudget: 5000, interval: 4 } as const;
    assert.throws(() => defineStudy({ space, scheduler: many }), /interval is 4: must be at least 5/);
    assert.throws(() => defineStudy({ space, scheduler: { ...scheduler, quantile: 0.6 } }), /at most 0\.5/);
  });
});
