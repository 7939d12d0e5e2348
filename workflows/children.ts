/** Children that hear of a cancellation, in whatever run they are by then. */
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  getExternalWorkflowHandle,
  startChild,
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
} from '@temporalio/workflow';

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
  const child = await CancellationScope.nonCancellable(() =>
    startChild(workflow, {
      ...options,
      args: [input],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    })
  );
  let ended = false;
  const result = child.result().finally(() => (ended = true));
  const cancel = () => CancellationScope.nonCancellable(() => getExternalWorkflowHandle(options.workflowId).cancel());
  // A child that has closed meanwhile has nothing left to cancel.
  scope.cancelRequested.catch(() => (ended ? undefined : cancel())).catch(() => undefined);
  return { signal: child.signal.bind(child), result: () => result };
}
