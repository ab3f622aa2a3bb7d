/** What every activity runs in: the request that it goes back to, its span, and failures that contain no data. */
import type { Info } from '@temporalio/activity';
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { z } from 'zod';
import { failSafely } from '../activities/errors.ts';
import { readWorkflowId } from '../domain/workflow-ids.ts';
import { REQUEST_HEADER, TRACE_HEADER } from '../domain/origin.ts';
import { withLogContext, type LogContext } from '../process/log-context.ts';
import { SpanKind, inSpan, type Attributes, type TraceHeaders } from '../process/traces.ts';

/** For every worker. @param watch runs within them, and sees each failure as it is. */
export const activityInterceptors = (watch?: ActivityInterceptorsFactory): ActivityInterceptorsFactory[] => [
  ...ALWAYS,
  ...(watch ? [watch] : []),
];

const ALWAYS: readonly ActivityInterceptorsFactory[] = [
  ({ info }) => ({
    inbound: {
      execute: (input, next) =>
        withLogContext(logContextOf(info, input.headers), () =>
          inSpan(
            `RunActivity:${info.activityType}`,
            { kind: SpanKind.SERVER, attributes: attributesOf(info), from: traceOf(input.headers) },
            () => failSafely(input, next),
          ),
        ),
    },
  }),
];

function logContextOf({ activityType, attempt, workflowExecution }: Info, headers: Headers): LogContext {
  const requestId = read(headers, REQUEST_HEADER, z.string());
  const orderId = workflowExecution && readWorkflowId(workflowExecution.workflowId)?.orderId;
  return {
    ...(requestId !== undefined && { requestId }),
    ...(orderId !== undefined && { orderId }),
    ...workflowExecution,
    activity: activityType,
    attempt,
  };
}

/** Named as Temporal's own interceptors name them. */
const attributesOf = ({ activityId, attempt, workflowExecution }: Info): Attributes => ({
  temporalActivityId: activityId,
  'temporal.attempt': attempt,
  ...(workflowExecution && {
    temporalWorkflowId: workflowExecution.workflowId,
    run_id: workflowExecution.runId,
  }),
});

const traceOf = (headers: Headers): TraceHeaders | undefined =>
  read(headers, TRACE_HEADER, z.record(z.string(), z.string()));

/** Somebody may have sent anything as a header: then the activity goes back to nobody. */
function read<T>(headers: Headers, name: string, schema: z.ZodType<T>): T | undefined {
  const payload = headers[name];
  if (!payload) return undefined;
  try {
    return schema.safeParse(defaultPayloadConverter.fromPayload(payload)).data;
  } catch {
    return undefined;
  }
}
