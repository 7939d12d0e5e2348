/** A study: checks its input, runs its brackets, answers its operators. */
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineUpdate,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { BracketInput } from '../core/bracket.js';
import { mostParallel, planIteration, planStudy } from '../core/plan.js';
import type { StudyResult } from '../core/record.js';
import { atStart, runStudy, type BracketSummary, type Standing } from '../core/run-study.js';
import type { Study } from '../core/study.js';
import type { RecordActivities } from './activity-types.js';
import { everbandAsha } from './asha.js';
import { everbandBracket, roundStatus } from './bracket.js';
import { ControlTree, type Control } from './control.js';
import {
  queryNames,
  updateNames,
  workflowIds,
  type BracketStatus,
  type SetParallelism,
  type StudyPhase,
  type StudyStatus,
} from './messages.js';
import { newsSignal } from './news.js';
import { historyFull, localPolicy } from './policies.js';
import { searchAttributesOf, soFar, studyDetails } from './web-ui.js';

/** What a study takes along when its history is full. */
interface Carried {
  readonly standing: Standing;
  readonly brackets: readonly BracketStatus[];
  readonly control: Control;
  /** Time the deadline counts from, ms. */
  readonly started: number;
  readonly deadlinePassed: boolean;
}

/** Status rows kept for closed brackets; older ones are in the record. */
const mostBrackets = 60;

const { prepareStudy, recordStudy } = proxyLocalActivities<RecordActivities>(localPolicy);

/** `input` is a study file's content or a study; anything else fails at once with `InvalidStudy`. */
export async function everbandStudy(input: unknown, carried?: Carried): Promise<StudyResult> {
  let study: Study | null = null;
  let phase: StudyPhase = 'preparing';
  let result: StudyResult | null = null;
  let standing: Standing = carried?.standing ?? atStart;
  let deadlinePassed = carried?.deadlinePassed ?? false;
  const brackets = new Map((carried?.brackets ?? []).map((bracket) => [bracket.id, bracket]));
  const started = carried?.started ?? Date.now();
  const tree = new ControlTree(carried?.control ?? { paused: false, stopped: false, parallelism: 1 });

  const status = (): StudyStatus => ({
    study,
    phase,
    epochs: standing.epochs,
    plannedEpochs: study ? planStudy(study.scheduler, study.predictor).epochs : 0,
    plannedTrials: study ? planStudy(study.scheduler, study.predictor).trials : 0,
    best: standing.best,
    brackets: [...brackets.values()],
    parallelism: tree.current.parallelism,
    result,
  });
  let listed: number | null = null;
  const tell = (next: StudyPhase) => {
    if (!study) return;
    const now = soFar(status());
    const best = now.best?.value ?? null;
    if (next !== phase || best !== listed) upsertSearchAttributes(searchAttributesOf(study, { phase: next, best }));
    phase = next;
    listed = best;
    setCurrentDetails(studyDetails(study, { ...now, phase }));
  };
  setHandler(newsSignal, (bracket) => {
    // One that came after its bracket's result is no news.
    if (brackets.get(bracket.id)?.state !== 'running') return;
    brackets.set(bracket.id, bracket);
    tell(phase);
  });
  setHandler(defineQuery<StudyStatus>(queryNames.status), status);
  handleOperators(
    tree,
    () => study,
    () => phase,
    tell
  );

  study = carried ? (input as Study) : await prepare(input);
  const { limits, parallelism } = study;
  if (!carried) tree.current = { ...tree.current, parallelism };
  if (limits.deadlineSeconds !== undefined && !deadlinePassed) {
    const left = started + limits.deadlineSeconds * 1000 - Date.now();
    void sleep(Math.max(1, left), { summary: 'deadline' }).then(
      async () => {
        deadlinePassed = true;
        await tree.set({ ...tree.current, stopped: true });
      },
      // A cancelled study cancels its timer; a rejection that nobody takes would fail every workflow task from here on.
      () => undefined
    );
  }
  tell(tree.current.stopped ? 'stopping' : tree.current.paused ? 'paused' : 'running');

  standing = await runStudy(
    study,
    {
      runBracket: (bracket) => runBracketChild(bracket, tree, brackets),
      async between(next) {
        standing = next;
        tell(phase);
        if (!historyFull(workflowInfo())) return;
        await condition(allHandlersFinished);
        await continueAsNew<typeof everbandStudy>(study, {
          standing: next,
          brackets: [...brackets.values()].slice(-mostBrackets),
          control: tree.current,
          started,
          deadlinePassed,
        });
      },
    },
    standing
  );
  const ended = standing.ended === 'stopped' && deadlinePassed ? 'deadline' : (standing.ended ?? 'finished');
  result = await recordStudy(study, ended);
  tell('done');
  await condition(allHandlersFinished);
  return result;
}

async function prepare(input: unknown): Promise<Study> {
  try {
    return await prepareStudy(input);
  } catch (error) {
    // The failure itself, not wrapped, so that the Web UI shows the broken rule first.
    if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) throw error.cause;
    throw error;
  }
}

async function runBracketChild(
  bracket: BracketInput,
  tree: ControlTree,
  statuses: Map<string, BracketStatus>
): Promise<BracketSummary> {
  const { study, plan, memory } = bracket;
  if (tree.current.stopped) return { memory, epochs: 0, best: null, ended: 'stopped' };
  const together = study.scheduler.type === 'hyperband' && study.scheduler.order === 'together';
  const share = together ? 1 / planIteration(study.scheduler, study.predictor, 1).length : 1;
  const rounds = plan.rounds.map((round) => roundStatus(round, undefined, false));
  const asynchronous = study.scheduler.type === 'asha';
  statuses.set(plan.id, { id: plan.id, state: 'running', asynchronous, rounds });
  const { status, ...summary } = await tree.run(share, (control) => {
    const options = {
      workflowId: workflowIds.bracket(study.name, plan.id),
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      typedSearchAttributes: searchAttributesOf(study, { bracket: plan.s }),
      staticSummary: `${study.name} ${plan.id}: ${plan.trials} trials, ${plan.rounds.length} ${asynchronous ? 'rungs' : 'rounds'}`,
    };
    return asynchronous
      ? startChild(everbandAsha, { ...options, args: [{ study, plan, control, carried: null }] })
      : startChild(everbandBracket, { ...options, args: [{ bracket, control }] });
  });
  statuses.set(plan.id, status);
  return summary;
}

/** Updates of a live study; a refused one costs no event. */
function handleOperators(
  tree: ControlTree,
  study: () => Study | null,
  phase: () => StudyPhase,
  tell: (phase: StudyPhase) => void
): void {
  const alive = () => {
    if (phase() === 'done' || tree.current.stopped) throw refuse('the study has ended or is stopping');
  };
  setHandler(
    defineUpdate<string>(updateNames.pause),
    async () => {
      await tree.set({ ...tree.current, paused: true });
      tell('paused');
      return 'paused: trainers save themselves and wait';
    },
    {
      validator: () => {
        alive();
        if (tree.current.paused) throw refuse('the study is paused already');
      },
    }
  );
  setHandler(
    defineUpdate<string>(updateNames.resume),
    async () => {
      await tree.set({ ...tree.current, paused: false });
      tell('running');
      return 'running again';
    },
    {
      validator: () => {
        alive();
        if (!tree.current.paused) throw refuse('the study is not paused');
      },
    }
  );
  setHandler(
    defineUpdate<string>(updateNames.stop),
    async () => {
      await tree.set({ ...tree.current, stopped: true });
      tell('stopping');
      return 'stopping: the best so far is kept';
    },
    { validator: alive }
  );
  setHandler(
    defineUpdate<string, [SetParallelism]>(updateNames.setParallelism),
    async ({ parallelism }) => {
      await tree.set({ ...tree.current, parallelism });
      return `at most ${parallelism} trials train at once`;
    },
    {
      validator: (request) => {
        alive();
        const parallelism: unknown = request?.parallelism;
        const known = study();
        if (!known) throw refuse('the study is still being checked: ask again');
        const most = mostParallel(known.scheduler);
        if (
          typeof parallelism !== 'number' ||
          !Number.isInteger(parallelism) ||
          parallelism < 1 ||
          parallelism > most
        ) {
          throw refuse(`parallelism must be a whole number from 1 to ${most}, not ${JSON.stringify(parallelism)}`);
        }
      },
    }
  );
}

function refuse(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'Refused');
}
