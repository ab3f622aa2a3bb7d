/**
 * Carries the request that a command goes back to into the activities that it causes, for logs and traces. It is compiled into every bundle,
 * whether traces are on or off: a module that comes and goes would change the order in which a replay runs things. For the same reason nothing
 * here is async or random. See docs/decisions/0081.
 */
import type {
  Headers,
  WorkflowInboundCallsInterceptor,
  WorkflowInterceptors,
  WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { currentOrigin, onBehalfOf, originOf } from './origin.ts';

const inbound: WorkflowInboundCallsInterceptor = {
  execute: (input, next) => onBehalfOf(originOf(input.headers), () => next(input)),
  handleUpdate: (input, next) => onBehalfOf(originOf(input.headers), () => next(input)),
  handleSignal: (input, next) => onBehalfOf(originOf(input.headers), () => next(input)),
};

const outbound: WorkflowOutboundCallsInterceptor = {
  scheduleActivity: (input, next) => next(withOrigin(input)),
  scheduleLocalActivity: (input, next) => next(withOrigin(input)),
  // A payment tells its order how it stands.
  signalWorkflow: (input, next) => next(withOrigin(input)),
};

const withOrigin = <Input extends { readonly headers: Headers }>(input: Input): Input => {
  const origin = currentOrigin();
  return origin === undefined ? input : { ...input, headers: { ...input.headers, ...origin } };
};

/** Called by the SDK for each workflow. */
export const interceptors = (): WorkflowInterceptors => ({ inbound: [inbound], outbound: [outbound] });
