/** Another build takes over, for a while or for good. */
import { sleep } from '../command.js';
import { built } from '../stage.js';
import { oneOf } from '../studies.js';
import type { Fault } from './fault.js';

export const roll: Fault = {
  says: 'orchestrating workers of another build take over, whose workflow code may differ; some go back',
  oracle: 'same',
  once: true,
  takesUp: true,
  draw: (random) => ({
    ...{ differs: random.below(3) > 0, back: random.below(2) === 0, seconds: 2 + random.below(8) },
    how: oneOf(random, ['SIGTERM', 'SIGKILL']),
  }),
  async inject(stage, { differs, back, seconds, how }) {
    const change = async (build: string) => {
      const all = stage.workersOf('orchestrator');
      await Promise.all(all.map((worker) => worker.takeDown(how as 'SIGTERM' | 'SIGKILL')));
      stage.build = build;
      for (const worker of all) worker.bringBack();
    };
    stage.note(`another build orchestrates${differs ? ', whose workflow code differs' : ''}`);
    await change(stage.buildOf(differs === true));
    await sleep(Number(seconds) * 1000);
    if (!back) return true;
    stage.note('the former build orchestrates again');
    await change(built);
    return true;
  },
};
