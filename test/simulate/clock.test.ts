import assert from 'node:assert/strict';
import { Clock } from '../../simulate/clock.js';

describe('virtual clock', () => {
  it('takes events in order of time, and those of one moment in the order they were asked for', async () => {
    const clock = new Clock();
    const seen: string[] = [];
    const at = (seconds: number, name: string) => clock.after(seconds, () => seen.push(`${name} ${clock.now}`));
    for (const [i, seconds] of [7, 2, 9, 2, 4, 0, 7, 2].entries()) at(seconds, String(i));
    await clock.run(new Promise<void>((resolve) => clock.after(10, resolve)));
    assert.deepEqual(seen, ['5 0', '1 2', '3 2', '7 2', '4 4', '0 7', '6 7', '2 9']);
  });

  it('lets everything that an event leads to happen before the next', async () => {
    const clock = new Clock();
    const seen: string[] = [];
    const long = async (name: string) => {
      for (let i = 0; i < 50; i++) await Promise.resolve();
      seen.push(name);
      clock.after(1, () => seen.push(`after ${name}`));
    };
    clock.after(1, () => void long('first'));
    clock.after(1.5, () => void long('second'));
    await clock.run(new Promise<void>((resolve) => clock.after(3, resolve)));
    assert.deepEqual(seen, ['first', 'second', 'after first', 'after second']);
  });

  it('ends with the work, and says so when the work waits for nothing', async () => {
    const clock = new Clock();
    clock.after(1000, () => assert.fail('long after the end'));
    assert.equal(await clock.run(Promise.resolve(5)), 5);
    assert.equal(clock.now, 0);
    await assert.rejects(new Clock().run(new Promise(() => undefined)), /never happens/);
    await assert.rejects(new Clock().run(Promise.reject(new Error('broken'))), /broken/);
  });

  it('refuses the past', () => {
    assert.throws(() => new Clock().after(-1, () => undefined), RangeError);
    assert.throws(() => new Clock().after(NaN, () => undefined), RangeError);
  });
});
