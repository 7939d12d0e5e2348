/** Clocks that jump. */
import { sleep } from '../command.js';
import { roles, type Role } from '../stage.js';
import { oneOf } from '../studies.js';
import type { Fault } from './fault.js';

const offsets = [-86_400, -3600, -60, -5, 5, 60, 3600, 86_400] as const;

export const clock: Fault = {
  says: 'the clock of a worker and its trainers, or of all, jumps and jumps back',
  oracle: 'same',
  draw: (random) => ({
    who: oneOf(random, ['all', ...roles.filter((role) => role !== 'server' && role !== 'process')]),
    ...{ index: random.below(8), offset: oneOf(random, offsets), seconds: 2 + random.below(10) },
  }),
  async inject(stage, { who, index, offset, seconds }) {
    const workers = who === 'all' ? stage.allWorkers : [stage.workerAt(who as Role, Number(index))];
    const names = who === 'all' ? 'all workers' : workers.map(({ label }) => label).join();
    stage.note(`the clock of ${names} is off by ${Number(offset)} s for ${Number(seconds)} s`);
    // A trainer that seems to hang is ended with its epoch.
    stage.allow(0);
    for (const worker of workers) worker.setClock(Number(offset) * 1000);
    await sleep(Number(seconds) * 1000);
    for (const worker of workers) worker.setClock(null);
    return true;
  },
};
