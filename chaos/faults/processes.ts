/** Processes that are killed, told to end, or frozen. */
import { sleep } from '../command.js';
import { signal } from '../processes.js';
import type { Stream } from '../../core/rng.js';
import { roles, type Role, type Stage } from '../stage.js';
import { oneOf } from '../studies.js';
import type { Drawn, Fault } from './fault.js';

/** Those that train are hit more often. */
const targets: readonly Role[] = [...roles, 'trainer', 'process', 'orchestrator'];

export const kill: Fault = {
  says: 'kill -9 of a worker, a trainer or the server',
  oracle: 'same',
  draw: drawEnd,
  inject: async (stage, drawn) => end(stage, drawn, 'SIGKILL'),
};

export const term: Fault = {
  says: 'SIGTERM to a worker, a trainer or the server',
  oracle: 'same',
  draw: drawEnd,
  inject: async (stage, drawn) => end(stage, drawn, 'SIGTERM'),
};

export const together: Fault = {
  says: 'kill -9 of two to five processes at once',
  oracle: 'same',
  draw(random) {
    const all = Array.from({ length: 2 + random.below(4) }, () => `${oneOf(random, targets)} ${random.below(8)}`);
    return { who: all.join(','), back: 200 + random.below(3000) };
  },
  async inject(stage, { who, back = 0 }) {
    const hits = String(who)
      .split(',')
      .map((one) => {
        const [role = '', index = ''] = one.split(' ');
        return end(stage, { who: role, index: Number(index), back }, 'SIGKILL');
      });
    return (await Promise.all(hits)).some((hit) => hit);
  },
};

export const freeze: Fault = {
  says: 'SIGSTOP of a worker, a trainer or the server, and SIGCONT seconds later',
  oracle: 'same',
  draw: (random) => ({ who: oneOf(random, targets), index: random.below(8), seconds: 1 + random.below(9) }),
  async inject(stage, { who, index, seconds }) {
    const [role, number, lasts] = [who as Role, Number(index), Number(seconds)];
    const pid =
      role === 'server'
        ? stage.serverPid
        : role === 'process'
          ? stage.trainerAt(number)
          : stage.workerAt(role, number).pid;
    if (pid === null || !signal(pid, 'SIGSTOP')) return false;
    stage.note(`SIGSTOP of ${nameOf(stage, role, number)} (pid ${pid}) for ${lasts} s`);
    // The trainers of a frozen worker train on, and nobody hears of it.
    stage.allowOverlap(lasts);
    await sleep(lasts * 1000);
    signal(pid, 'SIGCONT');
    return true;
  },
};

function drawEnd(random: Stream): Drawn {
  return { who: oneOf(random, targets), index: random.below(8), back: 200 + random.below(4000) };
}

function nameOf(stage: Stage, role: Role, index: number): string {
  if (role === 'server') return 'the server';
  return role === 'process' ? 'a trainer' : stage.workerAt(role, index).label;
}

/** Ends one of a role by a signal; false where there is none. */
export async function end(stage: Stage, { who, index, back }: Drawn, how: 'SIGKILL' | 'SIGTERM'): Promise<boolean> {
  const [role, number, pause] = [who as Role, Number(index), Number(back)];
  if (role === 'process') {
    const pid = stage.trainerAt(number);
    if (pid === null || !signal(pid, how)) return false;
    stage.note(`${how} to a trainer (pid ${pid})`);
    stage.allow(0);
    return true;
  }
  if (role === 'server') {
    await stage.aloneWithServer(async () => {
      stage.note(`${how} to the server (pid ${stage.serverPid}), back ${pause} ms later`);
      stage.allowOverlap(0);
      await stage.endServer(how);
      await sleep(pause);
      await stage.startServer();
    });
    return true;
  }
  const worker = stage.workerAt(role, number);
  stage.note(`${how} to ${worker.label} (pid ${worker.pid}), back ${pause} ms later`);
  stage.allow(0);
  await worker.restart(how, pause);
  return true;
}
