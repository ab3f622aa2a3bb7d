/**
 * Sends with every command which request it goes back to, and its trace if there is one: a workflow carries both on into its activities. The
 * spans have the names that Temporal's own interceptors give them.
 */
import type { ClientInterceptors, WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { REQUEST_HEADER, TRACE_HEADER } from '../domain/origin.ts';
import { currentLogContext } from '../process/log-context.ts';
import { SpanKind, inSpanBelow, traceHeaders } from '../process/traces.ts';

const toTemporal: WorkflowClientInterceptor = {
  startWithDetails: (input, next) =>
    sending(`StartWorkflow:${input.workflowType}`, input.options.workflowId, () =>
      next({ ...input, headers: withOrigin(input.headers) }),
    ),
  signal: (input, next) =>
    sending(`SignalWorkflow:${input.signalName}`, input.workflowExecution.workflowId, () =>
      next({ ...input, headers: withOrigin(input.headers) }),
    ),
  signalWithStart: (input, next) =>
    sending(`SignalWithStartWorkflow:${input.workflowType}`, input.options.workflowId, () =>
      next({ ...input, headers: withOrigin(input.headers) }),
    ),
  startUpdate: (input, next) =>
    sending(`StartWorkflowUpdate:${input.updateName}`, input.workflowExecution.workflowId, () =>
      next({ ...input, headers: withOrigin(input.headers) }),
    ),
  startUpdateWithStart: (input, next) =>
    sending(`UpdateWithStartWorkflow:${input.updateName}`, input.workflowStartOptions.workflowId, () =>
      next({
        ...input,
        workflowStartHeaders: withOrigin(input.workflowStartHeaders),
        updateHeaders: withOrigin(input.updateHeaders),
      }),
    ),
  query: (input, next) =>
    sending(`QueryWorkflow:${input.queryType}`, input.workflowExecution.workflowId, () => next(input)),
};

/** For every client that sends commands. */
export const CLIENT_INTERCEPTORS: ClientInterceptors = { workflow: [toTemporal] };

const sending = <T>(name: string, workflowId: string, send: () => Promise<T>): Promise<T> =>
  inSpanBelow(name, { kind: SpanKind.CLIENT, attributes: { temporalWorkflowId: workflowId } }, send);

/** Nothing is added on behalf of nobody. */
function withOrigin(headers: Headers): Headers {
  const { requestId } = currentLogContext();
  const traced = traceHeaders();
  const isTraced = Object.keys(traced).length > 0;
  if (requestId === undefined && !isTraced) return headers;
  return {
    ...headers,
    ...(requestId !== undefined && { [REQUEST_HEADER]: defaultPayloadConverter.toPayload(requestId) }),
    ...(isTraced && { [TRACE_HEADER]: defaultPayloadConverter.toPayload(traced) }),
  };
}
