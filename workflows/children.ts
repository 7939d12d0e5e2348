/** Children that hear of a cancellation, in whatever run they are by then. */
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  getExternalWorkflowHandle,
  isCancellation,
  sleep,
  startChild,
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
} from '@temporalio/workflow';
import { leftoverSeconds } from './policies.js';

/** What a child is started with. */
type Options = Pick<ChildWorkflowOptions, 'typedSearchAttributes' | 'staticSummary'> & {
  readonly workflowId: string;
};

/**
 * Starts a child that ends with its parent. A cancellation asks for it by its id alone: what the SDK would send names the
 * child's first run, and is lost when that has gone on in a new one (measured on 1.29.1).
 */
export async function startGroup<Input, Result>(
  workflow: (input: Input) => Promise<Result>,
  input: Input,
  options: Options
): Promise<Pick<ChildWorkflowHandle<typeof workflow>, 'signal' | 'result'>> {
  const scope = CancellationScope.current();
  if (scope.consideredCancelled) await scope.cancelRequested;
  const start = () =>
    startChild(workflow, {
      ...options,
      args: [input],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    });
  const cancel = () => CancellationScope.nonCancellable(() => getExternalWorkflowHandle(options.workflowId).cancel());
  const child = await CancellationScope.nonCancellable(async () => {
    for (;;) {
      try {
        return await start();
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'WorkflowExecutionAlreadyStartedError') throw error;
      }
      // The parent was reset: what its earlier run has started saves itself and makes room.
      await cancel().catch(() => undefined);
      await sleep(leftoverSeconds * 1000, { summary: `${options.workflowId} of an earlier run ends` });
    }
  });
  let ended = false;
  const result = child.result().finally(() => (ended = true));
  // A child that has closed meanwhile has nothing left to cancel.
  scope.cancelRequested.catch(() => (ended ? undefined : cancel())).catch(() => undefined);
  return { signal: child.signal.bind(child), result: () => result };
}

/**
 * What a workflow is to end with. One that is cancelled first waits for all that it has begun: a trial without a place
 * gives up at once, while others still save themselves, and whoever trains them next would find epochs that are not kept yet.
 */
export async function onceSaved(error: unknown, begun: Iterable<unknown>): Promise<unknown> {
  if (isCancellation(error)) await Promise.allSettled(begun);
  return error;
}
