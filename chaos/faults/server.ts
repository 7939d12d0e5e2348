/** The server loses its database; and with it a record is lost. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { sleep } from '../command.js';
import { damage } from '../damage.js';
import type { ChaosStudy, Stage } from '../stage.js';
import { oneOf } from '../studies.js';
import type { Fault } from './fault.js';

export const wipe: Fault = {
  says: 'kill -9 of the server, its database removed; studies are taken up from their records',
  oracle: 'same',
  once: true,
  takesUp: true,
  draw: (random) => ({ workers: oneOf(random, ['live on', 'are killed']), back: random.below(3000) }),
  async inject(stage, { workers, back }) {
    stage.note(`the server loses its database; workers ${String(workers)}`);
    await withoutDatabase(stage, workers === 'are killed', Number(back), async () => undefined);
    await takeUpLost(stage);
    return true;
  },
};

export const lost: Fault = {
  says: 'the same, and the record of one study is cut or removed, too',
  oracle: 'named',
  once: true,
  takesUp: true,
  draw: (random) => ({ study: random.below(8), how: oneOf(random, ['cut', 'removed']), file: random.below(100) }),
  async inject(stage, { study: number, how, file }) {
    const { open } = stage;
    const study = open[Number(number) % Math.max(1, open.length)];
    if (!study) return false;
    await stage.alone(study, async () => {
      let named = '';
      await withoutDatabase(stage, true, 500, async () => {
        const record = path.join(stage.folderOf(study), 'record');
        const names = existsSync(record) ? readdirSync(record).filter(isDecisive).sort() : [];
        const name = how === 'cut' ? names[Number(file) % Math.max(1, names.length)] : undefined;
        if (name === undefined) {
          rmSync(record, { recursive: true, force: true });
          named = `no record of a study named ${study.plan.name}`;
        } else {
          damage(path.join(record, name), 'cut', 0.5);
          named = name;
        }
        stage.note(
          `the server loses its database; of the record of ${study.plan.name} ${name ?? 'everything'} is ${how}`
        );
      });
      // One that had ended before has nothing to lose.
      if (!stage.isClosed(study)) await requireRefused(stage, study, named);
      stage.note(`${study.plan.name} is started anew`);
      await stage.startAnew(study, named.startsWith('no record'));
    });
    await takeUpLost(stage);
    return true;
  },
};

/** Kills server and workers, removes the database, and starts all of them again. */
async function withoutDatabase(
  stage: Stage,
  workersToo: boolean,
  back: number,
  meanwhile: () => Promise<void>
): Promise<void> {
  await stage.aloneWithServer(async () => {
    stage.allowOverlap(0);
    const workers = workersToo ? stage.allWorkers : [];
    await Promise.all(workers.map((worker) => worker.takeDown('SIGKILL')));
    await stage.endServer('SIGKILL');
    stage.wipeDatabase();
    await meanwhile();
    await sleep(back);
    await stage.startServer();
    for (const worker of workers) worker.bringBack();
  });
}

async function takeUpLost(stage: Stage): Promise<void> {
  await Promise.all(
    stage.open.map((study) => stage.alone(study, async () => (study.lost ? stage.recover(study) : undefined)))
  );
}

/** Nobody may make up what is gone. */
async function requireRefused(stage: Stage, study: ChaosStudy, named: string): Promise<void> {
  const { name } = study.plan;
  const answered = (text: string) => !/no orchestrating worker polls|nobody answers|no Temporal server/.test(text);
  const { code, err } = await stage.insist(['start', '--recover', name], (printed) => answered(printed.err));
  if (code !== 1 || !err.includes(named)) {
    stage.problem(`recovering ${name} should have been refused with "${named}", and ended with ${code}: ${err.trim()}`);
  }
  if (stage.isClosed(study)) stage.problem(`${name} has a result, made of a record that was lost`);
}

/** Files without which the record does not follow. */
function isDecisive(name: string): boolean {
  return name.endsWith('.json') && name !== 'study.json';
}
