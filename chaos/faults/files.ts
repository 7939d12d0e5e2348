/** Checkpoints and files of records that are cut, flipped or removed while their study runs. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { sleep } from '../command.js';
import { damage, damages, type Damage } from '../damage.js';
import type { ChaosStudy, Role, Stage } from '../stage.js';
import { oneOf } from '../studies.js';
import type { Fault } from './fault.js';
import { end } from './processes.js';

/** As many trainer processes as there are slots in a round. */
const trainers = 4;
/** How often a place is looked for that has something to damage. */
const looks = 20;

export const checkpoints: Fault = {
  says: 'a new checkpoint, or what is noted beside it, is cut, flipped or removed, and those who train are killed',
  oracle: 'intact',
  damages: true,
  draw: (random) => ({
    ...{ how: oneOf(random, damages), at: random.uniform(), study: random.below(8), file: random.below(3) },
    what: oneOf(random, ['files', 'files', 'manifest.jsonl', 'claim.json']),
  }),
  async inject(stage, { study: number, how, at, what, file }) {
    // Whoever starts from another trial's checkpoint has no older one to fall back to.
    const able = ({ plan }: ChaosStudy) => plan.trainer !== 'replay' && !/opulation/.test(plan.scheduler.type);
    const found = await lookFor(stage, able, Number(number), (study) => checkpointFiles(stage, study, String(what)));
    if (!found) return false;
    const newest = found.files
      .map((name) => ({ name, time: statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((one, other) => other.time - one.time)
      .slice(0, 3);
    hit(stage, (newest[Number(file) % newest.length] as (typeof newest)[number]).name, how as Damage, Number(at));
    // With a manifest everything is lost that it alone knew.
    found.study.again += 9;
    // Whoever trains has no need of its checkpoints: who takes its place reads them.
    const who: Role = found.study.plan.trainer === 'python-worker' ? 'python' : 'process';
    const count = who === 'python' ? stage.workersOf(who).length : trainers;
    for (let index = 0; index < count; index++) await end(stage, { who, index, back: 500 }, 'SIGKILL');
    return true;
  },
};

export const records: Fault = {
  says: 'a file of the record of a study that runs is cut, flipped or removed',
  oracle: 'same',
  damages: true,
  draw: (random) => ({
    ...{ how: oneOf(random, damages), at: random.uniform(), study: random.below(8), file: random.below(1000) },
  }),
  async inject(stage, { study: number, how, at, file }) {
    const found = await lookFor(
      stage,
      () => true,
      Number(number),
      (study) => {
        const folder = path.join(stage.folderOf(study), 'record');
        const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
        return names.map((name) => path.join(folder, name)).sort();
      }
    );
    const victim = found && found.files[Number(file) % found.files.length];
    if (!victim || victim.endsWith('/record.json')) return false;
    hit(stage, victim, how as Damage, Number(at));
    return true;
  },
};

function hit(stage: Stage, file: string, how: Damage, at: number): void {
  damage(file, how, at);
  stage.note(`${path.relative(stage.home, file)} is ${how}${how === 'removed' ? '' : ` at ${Math.round(at * 100)} %`}`);
}

/** A study that runs and has such files. */
async function lookFor(
  stage: Stage,
  able: (study: ChaosStudy) => boolean,
  number: number,
  filesOf: (study: ChaosStudy) => string[]
): Promise<{ readonly study: ChaosStudy; readonly files: readonly string[] } | null> {
  for (let tries = 0; tries < looks; tries++) {
    const all = stage.open.filter(able);
    for (let i = 0; i < all.length; i++) {
      const study = all[(number + i) % all.length] as ChaosStudy;
      const files = filesOf(study);
      if (files.length > 0) return { study, files };
    }
    await sleep(250);
  }
  return null;
}

/** What the attempts that train now have published: a file that is not described yet would be described as it is damaged. */
function checkpointFiles(stage: Stage, study: ChaosStudy, what: string): string[] {
  const root = path.join(stage.folderOf(study), 'checkpoints');
  if (!existsSync(root)) return [];
  return readdirSync(root).flatMap((trial) =>
    readdirSync(path.join(root, trial)).flatMap((attempt) => {
      const folder = path.join(root, trial, attempt);
      const manifest = path.join(folder, 'manifest.jsonl');
      // Of an attempt that has ended in an orderly way, only a promoted trial needs anything yet.
      if (!existsSync(manifest) || existsSync(path.join(folder, 'released'))) return [];
      if (what !== 'files') return existsSync(path.join(folder, what)) ? [path.join(folder, what)] : [];
      try {
        const { checkpoints: saved } = JSON.parse(readFileSync(manifest, 'utf8').split('\n')[0] ?? '') as {
          checkpoints: { name: string }[];
        };
        return saved.map(({ name }) => path.join(folder, 'files', name)).filter((one) => existsSync(one));
      } catch {
        return [];
      }
    })
  );
}
