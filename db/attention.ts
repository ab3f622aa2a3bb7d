/**
 * Marks on orders that a person has to look at, and what persons did. Workflows write both, each note under a key of its
 * own, so that writing it again does nothing.
 */
import { and, asc, desc, eq, getTableColumns, gt, inArray, isNull, or } from 'drizzle-orm';
import type { Attention, InterventionAction } from '../domain/attention.ts';
import type { Step } from '../domain/order.ts';
import type { Database } from './connection.ts';
import { attention, intervention } from './schema/operations.ts';

export interface RaisedAttention extends Attention {
  /** Of the order, or of its refund: each marks for itself. */
  workflowId: string;
  orderId: string;
}

export interface ClearedAttention {
  workflowId: string;
  orderId: string;
  /** ISO 8601, the workflow's time. */
  at: string;
}

export interface RecordedIntervention {
  workflowId: string;
  /** The id of the update that it came with. */
  updateId: string;
  orderId: string;
  action: InterventionAction;
  actor: string;
  reason: string;
  /** The step that was failing, if any. */
  step: Step | null;
  at: string;
}

/** Raises a mark. One that was raised before stays as it is, cleared or not: a late attempt does not raise it again. */
export async function raiseAttention(
  database: Database,
  { workflowId, orderId, reason, step, raisedAt }: RaisedAttention,
): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      insert into attention (workflow_id, raised_at, order_id, step, reason)
      values (${workflowId}, ${raisedAt}, ${orderId}, ${step}, ${reason})
      on conflict do nothing
    `,
  );
}

/** Clears a workflow's marks. A late attempt leaves those alone that were raised since. */
export async function clearAttention(
  database: Database,
  { workflowId, at }: ClearedAttention,
): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      update attention set cleared_at = ${at}
      where workflow_id = ${workflowId} and cleared_at is null and raised_at <= ${at}
    `,
  );
}

export async function recordIntervention(
  database: Database,
  { workflowId, updateId, orderId, action, actor, reason, step, at }: RecordedIntervention,
): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      insert into intervention (workflow_id, update_id, order_id, action, actor, reason, step, at)
      values (${workflowId}, ${updateId}, ${orderId}, ${action}, ${actor}, ${reason}, ${step}, ${at})
      on conflict do nothing
    `,
  );
}

type AttentionRow = typeof attention.$inferSelect;

export type OpenMark = Omit<AttentionRow, 'clearedAt'>;
export type InterventionRecord = typeof intervention.$inferSelect;

/** Where a page of marks goes on: after this one. */
export interface MarkPlace {
  raisedAt: Date;
  workflowId: string;
}

/** The marks that are not cleared, oldest first. */
export async function listOpenMarks(
  database: Database,
  { after, limit }: { after: MarkPlace | undefined; limit: number },
): Promise<OpenMark[]> {
  const { clearedAt, ...shown } = getTableColumns(attention);
  return database.run(({ orm }) =>
    orm
      .select(shown)
      .from(attention)
      .where(
        and(
          isNull(clearedAt),
          after &&
            or(
              gt(attention.raisedAt, after.raisedAt),
              and(eq(attention.raisedAt, after.raisedAt), gt(attention.workflowId, after.workflowId)),
            ),
        ),
      )
      .orderBy(asc(attention.raisedAt), asc(attention.workflowId))
      .limit(limit),
  );
}

/** The oldest mark of each of these orders that is not cleared, by order id. */
export async function findOpenMarks(
  database: Database,
  orderIds: readonly string[],
): Promise<Map<string, OpenMark>> {
  if (orderIds.length === 0) return new Map();
  const { clearedAt, ...shown } = getTableColumns(attention);
  const marks = await database.run(({ orm }) =>
    orm
      .select(shown)
      .from(attention)
      .where(and(inArray(attention.orderId, [...orderIds]), isNull(clearedAt)))
      .orderBy(desc(attention.raisedAt)),
  );
  return new Map(marks.map((mark) => [mark.orderId, mark]));
}

/** What persons did to an order and its refund, oldest first. */
export async function listInterventions(database: Database, orderId: string): Promise<InterventionRecord[]> {
  return database.run(({ orm }) =>
    orm
      .select()
      .from(intervention)
      .where(eq(intervention.orderId, orderId))
      .orderBy(asc(intervention.at), asc(intervention.updateId)),
  );
}
