/** Predictors that hang, or that answer wrongly. */
import { rmSync, writeFileSync } from 'node:fs';
import { sleep } from '../command.js';
import type { Stage } from '../stage.js';
import { asksElsewhere, oneOf } from '../studies.js';
import type { Fault } from './fault.js';
import { freeze } from './processes.js';

export const predictorHangs: Fault = {
  says: 'a predictor answers late, or is killed while it hangs',
  oracle: 'same',
  draw: (random) => ({ seconds: 2 + random.below(7), killed: random.below(8) === 0 }),
  async inject(stage, { seconds, killed }) {
    const lasts = Number(seconds);
    if (!hasJudge(stage)) return freeze.inject(stage, { who: 'predictor', index: 0, seconds: lasts });
    const does = killed ? 600 : lasts;
    stage.note(`the predictor elsewhere hangs for ${does} s${killed ? ` and is killed ${lasts} s later` : ''}`);
    writeFileSync(stage.orders, JSON.stringify({ does: 'hang', seconds: does }));
    await sleep(lasts * 1000);
    rmSync(stage.orders, { force: true });
    if (killed) await stage.workerAt('judge', 0).restart('SIGKILL', 500);
    return true;
  },
};

export const predictorLies: Fault = {
  says: 'a predictor gives wrong answers: valid ones, or ones that make no sense',
  oracle: 'audit',
  draw: (random) => ({ does: oneOf(random, ['lie', 'nonsense']), seconds: 3 + random.below(10) }),
  async inject(stage, { does, seconds }) {
    if (!hasJudge(stage)) return false;
    stage.note(`the predictor elsewhere answers wrongly (${String(does)}) for ${Number(seconds)} s`);
    for (const study of stage.open) if (asksElsewhere(study.plan)) study.loosened.add('its predictor answered wrongly');
    writeFileSync(stage.orders, JSON.stringify({ does }));
    await sleep(Number(seconds) * 1000);
    rmSync(stage.orders, { force: true });
    return true;
  },
};

function hasJudge(stage: Stage): boolean {
  return stage.workerAt('judge', 0).label.startsWith('judge');
}
