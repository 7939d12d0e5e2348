/** One bracket: proposes its trials once, then runs each round as a workflow of its own. */
import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  defineQuery,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  startChild,
} from '@temporalio/workflow';
import { fateOf } from '../core/assemble.js';
import { runBracket, type BracketInput } from '../core/bracket.js';
import type { RoundInput, RoundResult } from '../core/round.js';
import type { BracketSummary } from '../core/run-study.js';
import type { Trial } from '../core/trial.js';
import type { RecordActivities } from './activity-types.js';
import { ControlTree, controlSignal, type Control } from './control.js';
import {
  queryNames,
  workflowIds,
  type BracketStatus,
  type RoundStatus,
  type TrialAnswer,
  type TrialRow,
  type TrialsAnswer,
  type TrialsQuery,
} from './messages.js';
import { News } from './news.js';
import { localPolicy } from './policies.js';
import { everbandRound } from './round.js';
import { bracketDetails, searchAttributesOf } from './web-ui.js';

export interface BracketWorkflowInput {
  readonly bracket: BracketInput;
  readonly control: Control;
}

export interface BracketWorkflowResult extends BracketSummary {
  readonly status: BracketStatus;
}

/** Most rows of one answer: a payload has a limit of 2 MiB. */
const mostRows = 200;

const { propose } = proxyLocalActivities<RecordActivities>(localPolicy);

export async function everbandBracket(input: BracketWorkflowInput): Promise<BracketWorkflowResult> {
  const { study, plan } = input.bracket;
  const tree = new ControlTree(input.control);
  setHandler(controlSignal, (control) => tree.set(control));

  const trials: Trial[] = [];
  const closed: RoundResult[] = [];
  let running: number | null = null;
  const status = (): BracketStatus => ({
    id: plan.id,
    state: running === null && closed.length === plan.rounds.length ? 'done' : 'running',
    asynchronous: false,
    rounds: plan.rounds.map((round) => roundStatus(round, closed[round.index], running === round.index)),
  });
  const news = new News(status);
  setHandler(defineQuery<BracketStatus>(queryNames.status), status);
  setHandler(defineQuery<TrialsAnswer, [TrialsQuery]>(queryNames.trials), ({ offset, limit }) => ({
    total: trials.length,
    rows: trials
      .slice(offset, offset + Math.min(limit, mostRows))
      .map((trial) => trialRow(trial, closed, plan.rounds.length)),
  }));

  setHandler(defineQuery<TrialAnswer | null, [string]>(queryNames.trial), (id) => {
    const trial = trials.find((one) => one.id === id);
    return trial ? trialAnswer(trial, closed, running !== null && closed.length === running) : null;
  });

  // A sampler that learns proposes in its first round, wave by wave.
  if (study.sampler.type !== 'tpe') {
    const proposal = await propose(study, { bracket: plan.id, offset: plan.offset, count: plan.trials });
    trials.push(...proposal.trials);
  }

  const runRound = async (round: RoundInput): Promise<RoundResult> => {
    running = round.plan.index;
    setCurrentDetails(bracketDetails(study, status()));
    const result = await tree.run(1, (control) =>
      startChild(everbandRound, {
        workflowId: workflowIds.round(study.name, plan.id, round.plan.index),
        args: [{ round, trials: round.contenders.flatMap(({ index }) => trials[index] ?? []), control, answered: [] }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        typedSearchAttributes: searchAttributesOf(study, { bracket: plan.s, round: round.plan.index }),
        staticSummary:
          `${study.name} ${plan.id} round ${round.plan.index}: ${round.contenders.length} trials, ` +
          `${study.budgetUnit} ${round.plan.from} to ${round.plan.to}`,
      })
    );
    for (const proposal of result.proposals) trials.push(...proposal.trials);
    closed.push(result);
    running = null;
    setCurrentDetails(bracketDetails(study, status()));
    news.changed();
    return result;
  };
  const result = await runBracket(input.bracket, { runRound });
  const { memory, epochs, best, ended } = result;
  return { memory, epochs, best, ended, status: { ...status(), state: 'done' } };
}

export function roundStatus(
  plan: { index: number; from: number; to: number; trials: number },
  result: RoundResult | undefined,
  running: boolean
): RoundStatus {
  const count = (end: string) => result?.outcomes.filter((outcome) => outcome.end === end).length ?? 0;
  return {
    index: plan.index,
    from: plan.from,
    to: plan.to,
    planned: plan.trials,
    state: result ? 'done' : running ? 'running' : 'waiting',
    entered: result?.outcomes.length ?? 0,
    stopped: count('stopped'),
    diverged: count('diverged'),
    failed: count('failed'),
    promoted: result?.record.promoted.length ?? 0,
    epochs: result?.record.epochs ?? 0,
    best: result?.record.ranking[0]?.value ?? null,
  };
}

function trialRow(trial: Trial, closed: readonly RoundResult[], planned: number): TrialRow {
  let row: TrialRow = { id: trial.id, config: trial.config, fate: 'unfinished', epochs: 0, value: null };
  for (const round of closed) {
    const outcome = round.outcomes.find((one) => one.index === trial.index);
    if (!outcome) break;
    const { epochs, value } = outcome;
    row = { ...row, fate: fateOf(outcome, round, planned), epochs: row.epochs + epochs, value: value ?? row.value };
  }
  return row;
}

/** `open`: the round after the closed ones is running. */
function trialAnswer(trial: Trial, closed: readonly RoundResult[], open: boolean): TrialAnswer {
  const rungs = closed.flatMap(({ record, outcomes }) => {
    const outcome = outcomes.find((one) => one.index === trial.index);
    return outcome ? [{ budget: record.to, value: outcome.end === 'rung' ? outcome.value : null }] : [];
  });
  const last = closed.at(-1);
  const training = open && (!last || last.record.promoted.includes(trial.id));
  return { id: trial.id, config: trial.config, training, rungs };
}
