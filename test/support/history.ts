/** Looks into a workflow's history. */
import type { Client } from '@temporalio/client';
import { until } from './until.ts';

/** The kinds of event that tests look for, by the attribute that only they have. */
export type EventKind =
  | 'timerFiredEventAttributes'
  | 'activityTaskScheduledEventAttributes'
  | 'workflowExecutionUpdateAcceptedEventAttributes'
  | 'markerRecordedEventAttributes';

export async function countEvents(client: Client, workflowId: string, kind?: EventKind): Promise<number> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).filter((event) => kind === undefined || event[kind]).length;
}

/** Resolves when the workflow's history has so many events of a kind. */
export async function untilEvents(
  client: Client,
  workflowId: string,
  kind: EventKind,
  count: number,
): Promise<void> {
  await until(`${count} ${kind} of ${workflowId}`, async () =>
    (await countEvents(client, workflowId, kind)) >= count ? true : undefined,
  );
}
