import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stream } from '../../core/rng.js';
import { loadDigits, pixels, type Images } from '../../examples/digits/data.js';
import { Network, type Settings } from '../../examples/digits/network.js';
import { train } from '../../examples/digits/trainer.js';
import { loadStudy } from '../../study/load.js';

const good: Settings = { lr: 0.1, momentum: 0.8, weightDecay: 0.0001, filters: 6, kernel: 3, batch: 32 };

describe('digits example', function () {
  // About five seconds of work that may share its processor.
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'everband-digits-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What the trainer reports for epochs `from` + 1 to `to`, and its last checkpoint. */
  async function run(settings: Partial<Settings>, from: number, to: number, checkpoint: string | null = null) {
    const checkpointDir = mkdtempSync(path.join(folder, 'attempt-'));
    const reports: Record<string, number>[] = [];
    let last = '';
    await train({
      config: { ...good, ...settings },
      seed: 11,
      trial: 'b0-t000',
      from,
      to,
      checkpoint,
      checkpointDir,
      stopping: false,
      log: () => undefined,
      report: async (values, name) => {
        assert.ok(name !== undefined);
        last = path.join(checkpointDir, name);
        // There before the report, or the report would promise what a kill could take back.
        assert.ok(readFileSync(last).byteLength > 0);
        reports.push(values);
        await Promise.resolve();
      },
    });
    return { reports, last };
  }

  it('splits into the same images with nothing in both parts', () => {
    const { train: training, validation } = loadDigits();
    const images = ({ pixels: all, count }: Images) =>
      Array.from({ length: count }, (_, i) => all.subarray(i * pixels, (i + 1) * pixels).join());
    const known = new Set(images(training));
    assert.deepEqual([training.count, validation.count], [1500, 1000]);
    assert.equal(images(validation).filter((image) => known.has(image)).length, 0);
    for (const part of [training, validation]) {
      assert.ok(part.pixels.every((value) => value >= 0 && value <= 1));
      assert.equal(new Set(part.labels).size, 10);
    }
  });

  for (const kernel of [3, 5]) {
    it(`has the gradient that differences give, kernel ${kernel}`, () => {
      const random = stream(5, 'images');
      const count = 3;
      const images: Images = {
        pixels: Float64Array.from({ length: count * pixels }, () => random.uniform()),
        labels: Uint8Array.of(3, 0, 9),
        count,
      };
      const members = [0, 1, 2];
      const network = new Network({ ...good, filters: 2, kernel }, 1);
      const { gradient } = network.lossAndGradient(images, members);
      const { weights } = network;
      // So small that no pooled corner or ReLU changes sides.
      const width = 1e-6;
      const lossAt = (index: number, value: number) => {
        const kept = weights[index] as number;
        weights[index] = value;
        const { loss } = network.lossAndGradient(images, members);
        weights[index] = kept;
        return loss;
      };
      let largest = 0;
      for (let i = 0; i < weights.length; i++) {
        const at = weights[i] as number;
        const difference = (lossAt(i, at + width) - lossAt(i, at - width)) / (2 * width);
        const analytic = gradient[i] as number;
        const error = Math.abs(difference - analytic);
        assert.ok(error < 1e-7 + 1e-6 * Math.abs(analytic), `weight ${i}: ${analytic}, differences say ${difference}`);
        largest = Math.max(largest, Math.abs(analytic));
      }
      assert.ok(largest > 0.1);
    });
  }

  it('learns', async () => {
    const { reports } = await run({}, 0, 6);
    const accuracies = reports.map(({ accuracy }) => accuracy as number);
    assert.ok((accuracies.at(-1) as number) > 0.9, accuracies.join(' '));
    assert.ok((accuracies.at(-1) as number) > (accuracies[0] as number), accuracies.join(' '));
    assert.ok((reports.at(-1)?.['loss'] as number) < (reports[0]?.['loss'] as number) / 4);
  });

  it('gives the same bits resumed and not', async () => {
    const whole = await run({ kernel: 5, filters: 3 }, 0, 4);
    const first = await run({ kernel: 5, filters: 3 }, 0, 1);
    const second = await run({ kernel: 5, filters: 3 }, 1, 3, first.last);
    const third = await run({ kernel: 5, filters: 3 }, 3, 4, second.last);
    assert.deepEqual([...first.reports, ...second.reports, ...third.reports], whole.reports);
    assert.ok(readFileSync(third.last).equals(readFileSync(whole.last)));
  });

  it('refuses a checkpoint of another network', async () => {
    const { last } = await run({ filters: 2 }, 0, 1);
    await assert.rejects(run({ filters: 3 }, 1, 2, last), RangeError);
  });

  it('reports no accuracy once it has diverged', async () => {
    // Every image in one batch: the loss before the only step is a number, the network after it is not.
    const once = await run({ lr: Number.MAX_VALUE, batch: 1500 }, 0, 1);
    assert.deepEqual(once.reports, [{ accuracy: NaN, loss: NaN }]);
    const { reports } = await run({ lr: 1e6 }, 0, 2);
    assert.deepEqual(reports.at(-1), { accuracy: NaN, loss: NaN });
  });

  it('has a study file that is right', async () => {
    const file = fileURLToPath(new URL('../../examples/digits/study.yaml', import.meta.url));
    const loaded = await loadStudy(file);
    assert.ok(loaded.ok);
    assert.deepEqual(Object.keys(loaded.study.space).sort(), Object.keys(good).sort());
  });
});
