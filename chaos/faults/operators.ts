/** What operators do at random. */
import { sleep } from '../command.js';
import { oneOf } from '../studies.js';
import type { Fault } from './fault.js';

const acts = ['pause', 'pause', 'parallelism', 'parallelism', 'retry', 'drop', 'stop'] as const;

export const operators: Fault = {
  says: 'operators pause, resume, change the parallelism, retry, drop and stop',
  oracle: 'audit',
  draw: (random) => ({
    ...{ act: oneOf(random, acts), study: random.below(8), parallelism: 1 + random.below(6) },
    seconds: 1 + random.below(8),
  }),
  async inject(stage, { act, study: number, parallelism, seconds }) {
    const { open } = stage;
    const study = open[Number(number) % Math.max(1, open.length)];
    if (!study) return false;
    const { name } = study.plan;
    stage.note(`an operator's ${String(act)} of ${name}`);
    // Whoever is told to stop saves first, unless it is killed at that moment, which counts by itself.
    switch (act as (typeof acts)[number]) {
      case 'pause': {
        await stage.everband(['pause', name]);
        await sleep(Number(seconds) * 1000);
        await stage.resume(study);
        return true;
      }
      case 'parallelism':
        await stage.everband(['parallelism', name, String(parallelism)]);
        return true;
      case 'retry':
        await stage.everband(['retry', name, '--failed']);
        return true;
      case 'drop': {
        const { out } = await stage.everband(['status', name]);
        const parked = /parked: (\S+) after/.exec(out)?.[1];
        if (parked === undefined) return false;
        study.loosened.add('an operator dropped a trial');
        await stage.everband(['drop', name, parked]);
        return true;
      }
      case 'stop':
        study.loosened.add('an operator stopped it');
        await stage.everband(['stop', name]);
        return true;
    }
  },
};
