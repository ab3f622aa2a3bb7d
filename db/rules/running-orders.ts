/** What the table of orders says of workflows that run: half of rule 8. */
import type { Stage } from '../../domain/stages.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import type { Database } from '../connection.ts';

/**
 * Which of these orders, whose workflows run, are not open: the stage of each, null when it is not recorded.
 * @param before an order that ended later is left out: its workflow may be about to end.
 */
export async function findRunningWithoutOpenOrder(
  database: Database,
  ids: readonly string[],
  before: Date,
): Promise<Map<string, Stage | null>> {
  if (ids.length === 0) return new Map();
  const running = JSON.stringify(ids.map((id) => ({ id, workflowId: orderWorkflowId(id) })));
  const rows = await database.run(
    ({ sql }) => sql<{ id: string; stage: Stage | null }[]>`
      select running.id, stage
      from jsonb_to_recordset(${running}::text::jsonb) as running (id uuid, "workflowId" text)
      -- A lateral makes it a look-up for each, and not a join with all orders there ever were.
      left join lateral (select stage, updated_at from orders where orders.id = running.id limit 1) as orders on true
      where
        stage is null
        or (
          stage <> 'awaiting_payment' and updated_at < ${before.toISOString()}
          -- An order that was cancelled while it was paid may wait with its refund for room in the wallet, and is marked then.
          and not exists (select from attention where workflow_id = running."workflowId" and cleared_at is null)
        )
    `,
  );
  return new Map(rows.map(({ id, stage }) => [id, stage]));
}
