/** A study run in this process: what Temporal must reproduce to the byte. Time passes as the effects let it. */
import { assembleRecord } from './assemble.js';
import type { RoundPlan } from './engine/plan.js';
import type { Proposal, ProposalRequest } from './engine/propose.js';
import { configured, sourceOf } from './engine/exploits.js';
import { StudyRun, type Assignment } from './engine/study-run.js';
import type { Answer, ProposeTask, TrainTask } from './engine/work.js';
import type { PredictionAnswer, PredictionRequest } from './predictors/request.js';
import type { StudyRecord } from './record.js';
import type { Study } from './study.js';
import type { SegmentOutcome, Source, Trial } from './trial.js';

export interface InMemoryEffects {
  propose(request: ProposalRequest): Proposal;
  /**
   * `trial` has the configuration that it trains with from here on. `round`: where in the plan the epochs belong.
   * `source`: set when it starts from another trial's checkpoint instead of its own. `shift`: how many epochs more than
   * the trial itself has trained its checkpoint holds.
   */
  train(
    trial: Trial,
    from: number,
    to: number,
    round: RoundPlan,
    source?: Source,
    shift?: number
  ): SegmentOutcome | Promise<SegmentOutcome>;
  predict(request: PredictionRequest): PredictionAnswer | Promise<PredictionAnswer>;
  /** Called when a round has closed, and whenever a trial alone has come to a rung; for those who follow a run. */
  closed?(group: StudyRun['closed'][number]): void;
}

/** What was drawn in a study: a block that several trials ask for is drawn once. */
export class Drawn {
  /** In the order they were drawn. */
  readonly proposals: Proposal[] = [];
  private readonly byRequest = new Map<string, Proposal>();
  private readonly trials = new Map<string, Trial>();

  constructor(private readonly draw: (request: ProposalRequest) => Proposal) {}

  propose({ bracket, offset, first, count, observations }: ProposeTask): Proposal {
    const key = `${bracket} ${first}`;
    const known = this.byRequest.get(key);
    if (known) return known;
    const proposal = this.draw({ bracket, offset, first, count, ...(observations ? { observations } : {}) });
    this.byRequest.set(key, proposal);
    this.proposals.push(proposal);
    for (const trial of proposal.trials) this.trials.set(trial.id, trial);
    return proposal;
  }

  /** @throws RangeError for a trial that was not proposed */
  trial(id: string): Trial {
    const trial = this.trials.get(id);
    if (!trial) throw new RangeError(`trial ${id} was not proposed`);
    return trial;
  }
}

/** Runs `study` to its end; trials that nothing holds back train at once, up to the study's parallelism. */
export function runInMemory(study: Study, effects: InMemoryEffects): Promise<StudyRecord> {
  const run = new StudyRun(study);
  const drawn = new Drawn((request) => effects.propose(request));
  let told = 0;
  return new Promise((resolve, reject) => {
    const guarded = (step: () => void) => {
      try {
        step();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const answer = (assignment: Assignment, given: Answer) => {
      run.tell(assignment, given);
      for (const group of run.closed.slice(told)) effects.closed?.(group);
      told = run.closed.length;
    };
    const later = (assignment: Assignment, promise: Promise<Answer>) => {
      promise.then((given) => {
        guarded(() => {
          answer(assignment, given);
          pump();
        });
      }, reject);
    };
    const carryOut = (assignment: Assignment) => {
      const { task } = assignment;
      switch (task.type) {
        case 'propose':
          return answer(assignment, drawn.propose(task));
        case 'train':
          return later(assignment, train(assignment as Assignment<TrainTask>));
        case 'predict':
          return later(assignment, Promise.resolve(effects.predict(run.request(task))));
      }
    };
    const train = async ({ group, task }: Assignment<TrainTask>): Promise<SegmentOutcome> => {
      const trial = configured(group, drawn.trial(task.trial));
      const source = sourceOf(group, task);
      const outcome = await effects.train(trial, task.from, task.to, run.roundOf(group), source, group.shift);
      return run.halted ? { outcome: 'unfinished', values: [] } : outcome;
    };
    const pump = () => {
      for (;;) {
        const assignments = run.next(study.parallelism - run.width);
        if (assignments.length === 0) break;
        assignments.forEach(carryOut);
      }
      const { ended } = run;
      if (ended === null) return;
      resolve(assembleRecord(study, run.material(drawn.proposals), ended));
    };
    guarded(pump);
  });
}
