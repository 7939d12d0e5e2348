/** A name is used again. */
import { cpSync, existsSync } from 'node:fs';
import path from 'node:path';
import type { Fault } from './fault.js';

export const reuse: Fault = {
  says: 'a study that runs is deleted and another one of its name is started; checkpoints of the first come back',
  oracle: 'same',
  draw: (random) => ({ study: random.below(8) }),
  async inject(stage, { study: number }) {
    const { open } = stage;
    const study = open[Number(number) % Math.max(1, open.length)];
    if (!study) return false;
    await stage.alone(study, async () => {
      stage.note(`${study.plan.name} is deleted, and its name used again`);
      const checkpoints = path.join(stage.folderOf(study), 'checkpoints');
      const kept = path.join(stage.folder, `kept-${study.plan.name}-${study.life}`);
      copy(checkpoints, kept);
      await stage.startAnew(study, false);
      // As a worker leaves them behind that was frozen while its study was deleted.
      copy(kept, checkpoints);
    });
    return true;
  },
};

/** What vanishes meanwhile is left out. */
function copy(from: string, to: string): void {
  if (!existsSync(from)) return;
  try {
    cpSync(from, to, { recursive: true, force: false });
  } catch (error) {
    if (!['ENOENT', 'ENOSPC', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
