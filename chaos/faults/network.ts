/** The network between a worker and the server is cut. */
import { sleep } from '../command.js';
import type { Cut } from '../proxy.js';
import { roles, type Role } from '../stage.js';
import { oneOf } from '../studies.js';
import type { Fault } from './fault.js';

export const cut: Fault = {
  says: 'the network between a worker, or all, and the server is cut for seconds',
  oracle: 'same',
  draw: (random) => ({
    who: oneOf(random, ['all', ...roles.filter((role) => role !== 'server' && role !== 'process')]),
    ...{ index: random.below(8), how: oneOf(random, ['hold', 'refuse']), seconds: 1 + random.below(12) },
  }),
  async inject(stage, { who, index, how, seconds }) {
    const workers = who === 'all' ? stage.allWorkers : [stage.workerAt(who as Role, Number(index))];
    const names = who === 'all' ? 'all workers' : workers.map(({ label }) => label).join();
    stage.note(`the network of ${names} is cut for ${Number(seconds)} s (${String(how)})`);
    stage.allowOverlap(0);
    const mend = workers.map((worker) => worker.cut(how as Cut));
    await sleep(Number(seconds) * 1000);
    for (const one of mend) one();
    return true;
  },
};
