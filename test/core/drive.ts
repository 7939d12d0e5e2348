/** A study driven by hand: whatever is out is answered in a drawn order, places are free as the caller says. */
import { assembleRecord } from '../../core/assemble.js';
import { configured } from '../../core/engine/exploits.js';
import { createScheduler } from '../../core/engine/create.js';
import { taskKey } from '../../core/engine/group-run.js';
import type { Scheduler } from '../../core/engine/scheduler.js';
import { StudyRun, type Assignment } from '../../core/engine/study-run.js';
import type { Answer, TrainTask } from '../../core/engine/work.js';
import { Drawn } from '../../core/in-memory.js';
import { createSampler, predict, type Study, type StudyRecord } from '../../core/index.js';
import type { SegmentOutcome, Trial } from '../../core/trial.js';
import type { Json } from '../../core/settings.js';
import { stream } from '../../core/rng.js';
import { segment } from './world.js';

interface Drive {
  /** Seed of the order in which what is out is answered. */
  readonly order: number;
  /** Places free now, of so many that are out. @default the study's parallelism */
  readonly free?: (out: number) => number;
  /** Whether another machine takes over here. @default never */
  readonly restore?: () => boolean;
  /** Whether an operator stops the study here. @default never */
  readonly stop?: () => boolean;
  /** What a trial reports. @default {@link segment} */
  readonly train?: (trial: Trial, from: number, to: number) => SegmentOutcome;
}

export function drive(study: Study, { order, free, restore, stop, train = segment }: Drive): StudyRecord {
  const random = stream(order, 'order');
  const sampler = createSampler(study, null);
  const drawn = new Drawn((request) => sampler.propose(request));
  const run = new StudyRun(study);
  const holder = run as unknown as { scheduler: Scheduler };
  const out = new Map<string, Assignment>();
  const answers = new Map<string, Answer>();
  const keyOf = ({ group, task }: Assignment) => `${group.id} ${taskKey(task)}`;
  const answerOf = ({ group, task }: Assignment): Answer => {
    if (task.type === 'propose') return drawn.propose(task);
    if (task.type === 'predict') return predict(run.request(task));
    return run.halted
      ? { outcome: 'unfinished', values: [] }
      : train(configured(group, drawn.trial(task.trial)), task.from, task.to);
  };
  const hand = (places: number) => {
    for (let fresh = run.next(places); fresh.length > 0; fresh = run.next(0)) {
      for (const one of fresh) {
        if (one.task.type === 'propose') run.tell(one, answerOf(one));
        else out.set(keyOf(one), one);
      }
    }
  };
  /** Another machine: a trial alone begins its way to the rung anew, and what was answered before is answered again. */
  const takeOver = () => {
    holder.scheduler = createScheduler(study, JSON.parse(JSON.stringify(holder.scheduler.state)) as Json);
    for (let works = holder.scheduler.next(0); works.length > 0; works = holder.scheduler.next(0)) {
      for (const work of works) {
        if (work.type === 'group') {
          // Its tasks are on their way still.
          if (!run.open.includes(work.group.id)) throw new Error(`group ${work.group.id} was not out`);
          continue;
        }
        const one = { group: work.group, task: work.task };
        const known = one.task.type === 'propose' ? drawn.propose(one.task) : answers.get(keyOf(one));
        if (known) holder.scheduler.tell({ type: 'answered', group: one.group.id, task: one.task, answer: known });
        else out.set(keyOf(one), one);
      }
    }
  };
  for (let stopped = false; ;) {
    const places = free ? free(run.width) : study.parallelism - run.width;
    hand(places);
    if (run.ended !== null) return assembleRecord(study, run.material(drawn.proposals), run.ended);
    if (!stopped && stop?.()) {
      run.stop('stopped');
      stopped = true;
    }
    const keys = [...out.keys()].sort();
    const key = keys[Math.floor(random.uniform() * keys.length)];
    if (key === undefined) continue;
    const one = out.get(key) as Assignment<TrainTask>;
    out.delete(key);
    const answer = answerOf(one);
    answers.set(key, answer);
    run.tell(one, answer as Answer<TrainTask>);
    if (restore?.()) {
      hand(0);
      // Whoever hands a study over lets its questions be answered first.
      if ([...out.values()].every(({ task }) => task.type !== 'predict')) takeOver();
    }
  }
}
