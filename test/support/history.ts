/** Reads a workflow's history. */
import { isGrpcServiceError, type Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { until } from './until.ts';

/** The kinds of event that tests search for, by the attribute that only they have. */
export type EventKind =
  | 'timerFiredEventAttributes'
  | 'activityTaskScheduledEventAttributes'
  | 'workflowExecutionUpdateAcceptedEventAttributes'
  | 'workflowExecutionSignaledEventAttributes'
  | 'markerRecordedEventAttributes'
  | 'upsertWorkflowSearchAttributesEventAttributes';

export async function countEvents(client: Client, workflowId: string, kind?: EventKind): Promise<number> {
  const { events } = await historyOf(client, workflowId);
  return (events ?? []).filter((event) => kind === undefined || event[kind]).length;
}

const NOT_FOUND = 5;

/** Empty while there is no such workflow. */
async function historyOf(client: Client, workflowId: string) {
  try {
    return await client.workflow.getHandle(workflowId).fetchHistory();
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    const code: number = error.code;
    if (code !== NOT_FOUND) throw error;
    return { events: [] };
  }
}

/** Resolves when the workflow's history has `count` events of a kind. */
export async function untilEvents(
  client: Client,
  workflowId: string,
  kind: EventKind,
  count: number,
): Promise<void> {
  await until(
    `${count} ${kind} of ${workflowId}`,
    async () => (await countEvents(client, workflowId, kind)) >= count,
  );
}

/** All that the workflow's history says, with its payloads as they are read. */
export async function readHistory(client: Client, workflowId: string, runId?: string): Promise<string> {
  const history = historyToJSON(await client.workflow.getHandle(workflowId, runId).fetchHistory());
  return history.replaceAll(/"data":\s*"([^"]*)"/g, (_, data: string) =>
    Buffer.from(data, 'base64').toString(),
  );
}
