import type { Client } from '@temporalio/client';
import type { Row } from '../figures.ts';
import { sum } from '../../harness/statistics.ts';

/** How many events the histories of these workflows have, once they have ended. */
export async function countEvents(client: Client, workflowIds: readonly string[]): Promise<Row['events']> {
  const counts: number[] = [];
  for (const workflowId of workflowIds) {
    const handle = client.workflow.getHandle(workflowId);
    await handle.result();
    const { events } = await handle.fetchHistory();
    counts.push(events?.length ?? 0);
  }
  return { mean: sum(counts) / counts.length, most: Math.max(...counts), sampled: counts.length };
}
