import assert from 'node:assert/strict';
import { defineStudy } from '../../core/define-study.js';
import { AshaRun, type AshaEffects } from '../../core/run-asha.js';
import type { AshaState } from '../../core/asha.js';

describe('an ASHA run', () => {
  const study = defineStudy({ scheduler: { type: 'asha', maxBudget: 9, trials: 12 } });

  /** Trains at once; `interruptAt`: the job that comes back unfinished, as all after it. */
  function effects(trained: string[], interruptAt = Infinity): AshaEffects {
    return {
      slots: () => 3,
      propose: () => Promise.resolve(),
      train: async ({ id }, round, from, to) => {
        if (trained.length >= interruptAt) return { outcome: 'unfinished', values: [] };
        trained.push(`${id} ${round.to}`);
        return { outcome: 'completed', values: Array.from({ length: to - from }, () => 1 / (1 + trained.length)) };
      },
      predict: () => Promise.resolve({ outcome: 'impossible', reason: 'nobody asks' }),
      happened: () => undefined,
      closed: () => undefined,
      halt: () => undefined,
    };
  }

  it('goes on from a state with jobs in flight and trains none of them twice, even when told of slots before it runs', async () => {
    const whole: string[] = [];
    await new AshaRun(study, effects(whole), null).run();
    const trained: string[] = [];
    const first = await new AshaRun(study, effects(trained, 7), null).run();
    assert.equal(first.ended, null);
    assert.ok(first.state.inFlight.length > 0);
    const state = JSON.parse(JSON.stringify(first.state)) as AshaState;
    const run = new AshaRun(study, effects(trained), state);
    run.fill();
    assert.equal((await run.run()).ended, 'finished');
    assert.equal(new Set(trained).size, trained.length);
    assert.deepEqual([...trained].sort(), [...whole].sort());
  });
});
