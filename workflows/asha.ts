/** ASHA: one workflow that promotes as slots free up, and goes on in a new run when its history is full. */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { AshaState } from '../core/asha.js';
import type { AshaPart } from '../core/asha-rounds.js';
import { better, type Best } from '../core/bracket.js';
import { emptyMemory } from '../core/memory.js';
import type { BracketPlan } from '../core/plan.js';
import type { Observation } from '../core/propose.js';
import { ashaBlock, AshaRun, type AshaCompletion } from '../core/run-asha.js';
import type { Study } from '../core/study.js';
import type { Trial } from '../core/trial.js';
import type { RecordActivities } from './activity-types.js';
import { roundStatus, type BracketWorkflowResult } from './bracket.js';
import { ControlTree, controlSignal, type Control } from './control.js';
import { handleTrialMessages } from './handlers.js';
import { queryNames, type BracketStatus, type RoundStatus, type TrialAnswer } from './messages.js';
import { News } from './news.js';
import { OneByOne } from './one-by-one.js';
import { historyFull, localPolicy } from './policies.js';
import { Asker } from './predict.js';
import { TrialPool, type PoolState } from './trial-pool.js';
import { bracketDetails } from './web-ui.js';

export interface AshaWorkflowInput {
  readonly study: Study;
  readonly plan: BracketPlan;
  readonly control: Control;
  /** What an earlier run of this workflow came to; null at the start. */
  readonly carried: Carried | null;
}

interface Carried {
  readonly state: AshaState;
  readonly rounds: readonly RoundStatus[];
  readonly best: Best | null;
  readonly recorded: number;
  readonly pool: PoolState;
}

/** Completions written to the record in one marker. */
const recordBlock = 20;

const { propose, recordAsha } = proxyLocalActivities<RecordActivities>(localPolicy);

export async function everbandAsha(input: AshaWorkflowInput): Promise<BracketWorkflowResult> {
  const { study, plan, carried } = input;
  const pool = new TrialPool(study, input.control, carried?.pool, () => run.fill());
  const local = new OneByOne();
  const trials = new Proposals(study, plan, local);
  const asker = new Asker(study.name, `${plan.id}-predict`, false);
  const chronicle = new Chronicle(study, plan, local, carried);

  const news = new News(() => chronicle.status('running'));

  const run: AshaRun = new AshaRun(
    study,
    {
      slots: () => tree.current.parallelism + pool.failing,
      propose: (index, observations) => trials.ensure(index, observations),
      train: async ({ index }, round, from, to) => pool.train(await trials.of(index), round, from, to),
      predict: (request) => asker.predict(request),
      happened: (event) => chronicle.happened(event),
      closed(completion) {
        chronicle.closed(completion);
        setCurrentDetails(bracketDetails(study, chronicle.status('running')));
        news.changed();
        if (historyFull(workflowInfo())) pool.leaveOff();
      },
      halt: () => pool.leaveOff(),
    },
    carried?.state ?? null
  );
  const tree: ControlTree = new ControlTree(input.control, (control) => {
    pool.apply(control);
    run.fill();
  });
  setHandler(controlSignal, (control) => tree.set(control));
  handleTrialMessages(pool, () => pool.progress());
  setHandler(defineQuery<BracketStatus>(queryNames.status), () => chronicle.status('running'));
  setHandler(defineQuery<TrialAnswer | null, [string]>(queryNames.trial), (id) => {
    const found = run.trial(id);
    return found && { ...found, config: trials.known(id) };
  });

  const { state, ended, unfinished } = await run.run();
  const goesOn = ended === null && !tree.current.stopped;
  if (!goesOn) for (const completion of unfinished) chronicle.closed(completion);
  await chronicle.flush({ started: state.started, promoted: state.promoted });
  await condition(allHandlersFinished);
  if (goesOn) {
    const { rounds, best, recorded } = chronicle;
    return continueAsNew<typeof everbandAsha>({
      ...input,
      control: tree.current,
      carried: { state, rounds, best, recorded, pool: pool.state },
    });
  }
  setCurrentDetails(bracketDetails(study, chronicle.status('done')));
  return {
    memory: emptyMemory,
    epochs: state.epochs,
    best: chronicle.best,
    ended: ended === 'finished' ? null : (ended ?? 'stopped'),
    status: chronicle.status('done'),
  };
}

/** The configurations of the trials this run of the workflow trains. */
class Proposals {
  private readonly blocks = new Map<number, Promise<ReadonlyMap<number, Trial>>>();
  private readonly configs = new Map<string, Trial['config']>();

  constructor(
    private readonly study: Study,
    private readonly plan: BracketPlan,
    private readonly local: OneByOne
  ) {}

  async ensure(index: number, observations: readonly Observation[]): Promise<void> {
    await this.block(index, observations);
  }

  /** A trial that started in an earlier run is looked up: what was proposed once is never drawn again. */
  async of(index: number): Promise<Trial> {
    return (await this.block(index, [])).get(index) as Trial;
  }

  /** What was drawn or looked up in this run; null for any other trial. */
  known(id: string): Trial['config'] | null {
    return this.configs.get(id) ?? null;
  }

  private block(index: number, observations: readonly Observation[]): Promise<ReadonlyMap<number, Trial>> {
    const { first, count } = ashaBlock(this.study, index);
    const known = this.blocks.get(first);
    if (known) return known;
    const drawn = this.local
      .run(() => propose(this.study, { bracket: this.plan.id, offset: 0, first, count, observations }))
      .then(({ trials }) => {
        for (const { id, config } of trials) this.configs.set(id, config);
        return new Map(trials.map((trial) => [trial.index, trial]));
      });
    this.blocks.set(first, drawn);
    return drawn;
  }
}

/** What happened, for the record and for those who look. */
class Chronicle {
  readonly rounds: RoundStatus[];
  best: Best | null;
  /** Events written to the record; names the next part. */
  recorded: number;
  private order: string[] = [];
  private completions: AshaCompletion[] = [];
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly study: Study,
    private readonly plan: BracketPlan,
    private readonly local: OneByOne,
    carried: Carried | null
  ) {
    this.rounds = [...(carried?.rounds ?? plan.rounds.map((round) => roundStatus(round, undefined, true)))];
    this.best = carried?.best ?? null;
    this.recorded = carried?.recorded ?? 0;
  }

  happened(event: string): void {
    this.order.push(event);
  }

  closed(completion: AshaCompletion): void {
    this.completions.push(completion);
    const { rung, outcome } = completion;
    const round = this.rounds[rung] as RoundStatus;
    const below = this.rounds[rung - 1];
    if (below) this.rounds[rung - 1] = { ...below, promoted: below.promoted + 1 };
    const at = outcome.end === 'rung' && outcome.value !== null ? outcome.value : null;
    const reached: Best | null = at === null ? null : { trial: outcome.id, value: at, budget: round.to };
    const inRound: Best | null = round.best === null ? null : { trial: '', value: round.best, budget: round.to };
    this.rounds[rung] = {
      ...round,
      entered: round.entered + 1,
      stopped: round.stopped + (outcome.end === 'stopped' ? 1 : 0),
      diverged: round.diverged + (outcome.end === 'diverged' ? 1 : 0),
      failed: round.failed + (outcome.end === 'failed' ? 1 : 0),
      epochs: round.epochs + outcome.epochs,
      best: better(this.study.objective, inRound, reached)?.value ?? null,
    };
    this.best = better(this.study.objective, this.best, reached);
    if (this.completions.length >= recordBlock) void this.flush(null);
  }

  /** Writes what is not written yet; `standing` closes this run. */
  flush(standing: AshaPart['standing']): Promise<void> {
    const first = this.recorded;
    const part: AshaPart = { order: this.order, completions: this.completions, standing };
    this.recorded += this.order.length;
    this.order = [];
    this.completions = [];
    const write = () => this.local.run(() => recordAsha(this.study.name, this.plan.id, first, part));
    this.writing = this.writing.then(write);
    // Whoever awaits it hears of a failure; until then it must not count as unhandled, which fails every workflow task.
    this.writing.catch(() => undefined);
    return this.writing;
  }

  status(state: BracketStatus['state']): BracketStatus {
    const rounds = state === 'done' ? this.rounds.map((round) => ({ ...round, state })) : this.rounds;
    return { id: this.plan.id, state, asynchronous: true, rounds };
  }
}
