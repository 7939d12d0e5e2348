/** Runs one group: hands out the tasks of its pruner's steps and takes in their answers, in whatever order they come. */
import type { Result } from '../objectives/definition.js';
import { prunerOf, type PrunerSettings } from '../pruners/index.js';
import { elsewhereOf } from '../predictors/index.js';
import type { PredictionAnswer } from '../predictors/request.js';
import { cut, noEpochs, type Curve } from '../curve.js';
import type { Config } from '../settings.js';
import type { Decision } from './decision.js';
import { withObservations } from './memory.js';
import { Round, type Ground, type Settled, type Shared, type Steps } from './round.js';
import type { Proposal } from './propose.js';
import type { Outcome } from './trial-run.js';
import type { Answer, Closing, Group, Task } from './work.js';

/** What a group came to. */
export interface ClosedGroup {
  /** In trial order. */
  readonly outcomes: readonly Outcome[];
  readonly decision: Decision | null;
  /** What the predictor answered, in order; only where somebody else's worker did, for it need not answer twice alike. */
  readonly answers?: readonly PredictionAnswer[];
  readonly closing: Closing;
}

export interface Judged extends Curve {
  readonly settled: Settled;
}

export class GroupRun {
  readonly round: Round;
  /** What the group came to, once it has closed. */
  closed: ClosedGroup | null = null;
  /** What the predictor answered, in order. */
  readonly predictions: PredictionAnswer[] = [];
  /** What was drawn, by index inside the bracket; only where a scheduler has to know it. */
  private readonly drawn = new Map<number, Config>();
  private readonly steps: Steps<Decision | null>;
  private tasks: readonly Task[] = [];
  private answers: (Answer | undefined)[] = [];
  private missing = 0;
  private handed = 0;

  /** `judged`: a trial alone of which nothing is left to decide, with its curve up to where that was settled. */
  constructor(
    readonly study: Ground & { readonly pruner: PrunerSettings },
    readonly group: Group,
    shared: Shared,
    judged: Judged | null = null
  ) {
    this.round = new Round(study, group, shared);
    this.steps = judged ? this.finish(judged) : prunerOf(study.pruner).run(this.round, study.pruner);
    this.advance(this.steps.next());
  }

  /** Tasks that nobody has been given yet. */
  next(): Task[] {
    const fresh = this.tasks.slice(this.handed);
    this.handed = this.tasks.length;
    return fresh;
  }

  /** Tasks of the step that are not answered yet. */
  get open(): Task[] {
    return this.tasks.filter((_, i) => this.answers[i] === undefined);
  }

  /** @throws RangeError for a task that is not out */
  tell(task: Task, answer: Answer): void {
    const at = this.tasks.findIndex((one, i) => this.answers[i] === undefined && taskKey(one) === taskKey(task));
    if (at === -1) throw new RangeError(`${taskKey(task)} of group ${this.group.id} is not out`);
    this.answers[at] = answer;
    if (task.type === 'predict') this.predictions.push(answer as PredictionAnswer);
    if (task.type === 'propose' && this.group.holds) {
      for (const { index, config } of (answer as Proposal).trials) this.drawn.set(index, config);
    }
    if (--this.missing === 0) this.advance(this.steps.next(this.answers as Answer[]));
  }

  /** What a later machine has to know of a trial alone to go on with it; null: it begins anew. */
  get judged(): Judged | null {
    const { settled, trials } = this.round;
    return settled && { settled, ...cut(trials[0]?.outcome() ?? noEpochs, 0) };
  }

  private *finish({ settled, ...curve }: Judged): Steps<Decision | null> {
    const { trials } = this.round;
    yield* this.round.propose(0);
    trials[0]?.absorb({ outcome: 'completed', ...curve });
    return yield* this.round.conclude(trials, settled);
  }

  private advance(result: IteratorResult<readonly Task[], Decision | null>): void {
    for (let at = result; ; at = this.steps.next([])) {
      if (at.done) return this.close(at.value);
      if (at.value.length === 0) continue;
      this.tasks = at.value;
      this.answers = this.tasks.map(() => undefined);
      this.missing = this.tasks.length;
      this.handed = 0;
      return;
    }
  }

  private close(decision: Decision | null): void {
    const { round, group } = this;
    this.tasks = [];
    this.answers = [];
    if (group.observed) round.shared.memory = withObservations(round.memory, round.observations(round.trials));
    const predictor = prunerOf(this.study.pruner).predictor(this.study.pruner);
    const elsewhere = predictor !== null && elsewhereOf(predictor) !== null;
    this.closed = {
      ...(elsewhere && this.predictions.length > 0 ? { answers: this.predictions } : {}),
      outcomes: round.trials.map((trial) => trial.outcome()),
      decision,
      closing: {
        group: group.id,
        ends: round.trials.map(({ end }) => end),
        ...closingResults(round.trials.map((trial) => (trial.end === 'rung' ? trial.result() : null))),
        ...(group.draws && group.holds ? configsDrawn(group, this.drawn) : {}),
        epochs: round.trials.reduce((sum, { losses, end }) => sum + losses.length + (end === 'diverged' ? 1 : 0), 0),
        memory: round.memory,
      },
    };
  }
}

/** Results at the rung, as a closing has them. */
export function closingResults(results: readonly (Result | null)[]): Pick<Closing, 'losses' | 'metrics'> {
  const losses = results.map((result) => result?.loss ?? null);
  if (!results.some((result) => result?.metrics)) return { losses };
  return { losses, metrics: results.map((result) => result?.metrics ?? null) };
}

/** What {@link closingResults} was made of. */
export function resultsOf({ losses, metrics }: Pick<Closing, 'losses' | 'metrics'>): (Result | null)[] {
  return losses.map((loss, i) => {
    const own = metrics?.[i];
    return loss === null ? null : { loss, ...(own ? { metrics: own } : {}) };
  });
}

/** The configurations that a group drew, by index inside the bracket; nothing where one of them is not known. */
export function configsDrawn(
  { members }: Pick<Group, 'members'>,
  drawn: ReadonlyMap<number, Config>
): Pick<Closing, 'configs'> {
  const configs: Config[] = [];
  for (const index of members) {
    const config = drawn.get(index);
    if (config) configs.push(config);
  }
  return configs.length === members.length ? { configs } : {};
}

/** What tells the open tasks of one group apart. */
export function taskKey(task: Task): string {
  switch (task.type) {
    case 'propose':
      return `proposal of trials from ${task.first}`;
    case 'train':
      return `training of ${task.trial} from ${task.from} to ${task.to}`;
    case 'predict':
      return `prediction at epoch ${task.epochs}`;
  }
}
