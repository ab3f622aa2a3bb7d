/** Orders whose callers still wait. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Sql } from '../../db/postgres.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { until } from './until.ts';

/** Resolves with the newest order whose caller has no answer yet, once its workflow is running. */
export async function unansweredOrder({ sql, client }: { sql: Sql; client: Client }): Promise<string> {
  const id = await until('an order without an answer', async () => {
    const [row] = await sql<{ id: string }[]>`
      select command_id as id
      from idempotency_key
      where operation = 'createOrder' and response_status is null
      order by recorded_at desc
      limit 1
    `;
    return row?.id;
  });
  // An order has its id a moment before it has its workflow.
  return until(`the workflow of order ${id}`, async () => {
    try {
      await client.workflow.getHandle(orderWorkflowId(id)).describe();
      return id;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  });
}
