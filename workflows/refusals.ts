/** What was sent to a workflow and could not be read with the keys of its worker reaches no handler. */
import {
  ApplicationFailure,
  log,
  type Next,
  type QueryInput,
  type SignalInput,
  type UpdateInput,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
} from '@temporalio/workflow';
import { failureTypes, refusalIn } from './messages.js';

class Refusals implements WorkflowInboundCallsInterceptor {
  execute(input: WorkflowExecuteInput, next: Next<WorkflowInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    return unlessRefused(input.args, () => next(input));
  }

  handleSignal(input: SignalInput, next: Next<WorkflowInboundCallsInterceptor, 'handleSignal'>): Promise<void> {
    const refusal = refusalOf(input.args);
    if (refusal === null) return next(input);
    // A signal has nobody to hear of it.
    log.warn(`signal ${input.signalName} is ignored: ${refusal}`);
    return Promise.resolve();
  }

  validateUpdate(input: UpdateInput, next: Next<WorkflowInboundCallsInterceptor, 'validateUpdate'>): void {
    const refusal = refusalOf(input.args);
    if (refusal !== null) throw failureOf(refusal);
    next(input);
  }

  handleQuery(input: QueryInput, next: Next<WorkflowInboundCallsInterceptor, 'handleQuery'>): Promise<unknown> {
    return unlessRefused(input.args, () => next(input));
  }
}

/** As a rejection: what is thrown here and now would be the failure of the whole workflow task. */
function unlessRefused(args: readonly unknown[], next: () => Promise<unknown>): Promise<unknown> {
  const refusal = refusalOf(args);
  return refusal === null ? next() : Promise.reject(failureOf(refusal));
}

function refusalOf(args: readonly unknown[]): string | null {
  return args.map(refusalIn).find((found) => found !== null) ?? null;
}

function failureOf(refusal: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(refusal, failureTypes.payloadRefused);
}

export const interceptors = (): WorkflowInterceptors => ({ inbound: [new Refusals()] });
