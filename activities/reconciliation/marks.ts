/** Clears attention marks that their workflow has forgotten. */
import { clearAttention, listOpenMarks } from '../../db/attention.ts';
import type { Database } from '../../db/connection.ts';
import type { OrderWorkflows } from '../../domain/order-workflows.ts';
import { signOfLife } from '../sign-of-life.ts';

/** Where a page of marks ends, as it is written into a run's history. */
export interface MarkCursor {
  /** ISO 8601. */
  raisedAt: string;
  workflowId: string;
}

/** Each mark costs two questions, one of them to a worker. */
const MARKS = 20;

/** Clears one page of marks. Returns where the next page begins; null after the last. */
export async function clearForgottenMarks(
  database: Database,
  workflows: OrderWorkflows,
  after: MarkCursor | null,
): Promise<MarkCursor | null> {
  const cursor = after === null ? undefined : { ...after, raisedAt: new Date(after.raisedAt) };
  const marks = await listOpenMarks(database, { after: cursor, limit: MARKS });
  for (const { workflowId, orderId, raisedAt } of marks) {
    // A workflow whose worker does not answer takes seconds, and there may be several of them.
    signOfLife();
    if (await workflows.isMarked(workflowId)) continue;
    // A mark that is raised in between is younger, and stays.
    await clearAttention(database, { workflowId, orderId, at: raisedAt.toISOString() });
  }
  const last = marks.at(-1);
  if (!last || marks.length < MARKS) return null;
  return { raisedAt: last.raisedAt.toISOString(), workflowId: last.workflowId };
}
