/**
 * Marks on orders that need a person's attention, and what people did about them. Workflows write both, each note under its own key,
 * so that writing it again does nothing.
 */
import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  gt,
  inArray,
  isNull,
  lte,
  or,
  sql as expression,
  type SQL,
} from 'drizzle-orm';
import { WALLET_FULL, type Attention, type InterventionAction } from '../domain/attention.ts';
import type { Step } from '../domain/order.ts';
import { MAIN_SHOP } from '../domain/shops.ts';
import type { Database } from './connection.ts';
import { attention, intervention } from './schema/operations.ts';

export interface RaisedAttention extends Attention {
  /** Of the order, or of its refund: each has its own marks. */
  workflowId: string;
  orderId: string;
  /** Absent for an order that is recorded. */
  shopId?: string;
}

export interface ClearedAttention {
  workflowId: string;
  orderId: string;
  /** ISO 8601, the workflow's time. */
  at: string;
}

export interface RecordedIntervention {
  workflowId: string;
  /** The id of the update that brought it. */
  updateId: string;
  orderId: string;
  /** Absent for an order that is recorded. */
  shopId?: string;
  action: InterventionAction;
  actor: string;
  reason: string;
  /** The step that was failing, if any. */
  step: Step | null;
  at: string;
}

/** Raises a mark. A mark that was raised before stays as it is, cleared or not: a late attempt does not raise it again. */
export async function raiseAttention(
  database: Database,
  { raisedAt, ...mark }: RaisedAttention,
): Promise<void> {
  const row = { ...mark, shopId: shopOf(mark), raisedAt: new Date(raisedAt) };
  await database.run(({ orm }) => orm.insert(attention).values(row).onConflictDoNothing());
}

/** Clears a workflow's marks. A late attempt does not touch marks raised since. */
export async function clearAttention(
  database: Database,
  { workflowId, at }: ClearedAttention,
): Promise<void> {
  const clearedAt = new Date(at);
  await database.run(({ orm }) =>
    orm
      .update(attention)
      .set({ clearedAt })
      .where(
        and(
          eq(attention.workflowId, workflowId),
          isNull(attention.clearedAt),
          lte(attention.raisedAt, clearedAt),
        ),
      ),
  );
}

/** Records what a person did. Recording it again does nothing. */
export async function recordIntervention(
  database: Database,
  { at, ...note }: RecordedIntervention,
): Promise<void> {
  const row = { ...note, shopId: shopOf(note), at: new Date(at) };
  await database.run(({ orm }) => orm.insert(intervention).values(row).onConflictDoNothing());
}

/** The shop that the workflow of an order names. An order that names none is recorded, or is from before there were shops. */
const shopOf = ({ orderId, shopId }: Pick<RaisedAttention, 'orderId' | 'shopId'>): string | SQL =>
  shopId ?? expression`coalesce((select shop_id from orders where id = ${orderId}), ${MAIN_SHOP})`;

type AttentionRow = typeof attention.$inferSelect;

export type OpenMark = Omit<AttentionRow, 'clearedAt'>;
export type InterventionRecord = typeof intervention.$inferSelect;

/** The last mark of a page: the next page begins after it. */
export interface MarkCursor {
  raisedAt: Date;
  workflowId: string;
}

/** The open marks, oldest first. */
export async function listOpenMarks(
  database: Database,
  { after, limit }: { after: MarkCursor | undefined; limit: number },
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

/** The oldest open mark of each of these orders, by order id. */
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

/** The open marks of an order, of its refunds and of its payments, oldest first. */
export async function listOpenMarksOf(database: Database, orderId: string): Promise<OpenMark[]> {
  const { clearedAt, ...shown } = getTableColumns(attention);
  return database.run(({ orm }) =>
    orm
      .select(shown)
      .from(attention)
      .where(and(eq(attention.orderId, orderId), isNull(clearedAt)))
      .orderBy(asc(attention.raisedAt), asc(attention.workflowId)),
  );
}

/** How many refunds of this order wait for room in its wallet. */
export async function countWaitingRefunds(database: Database, orderId: string): Promise<number> {
  return database.run(({ orm }) =>
    orm.$count(
      attention,
      and(eq(attention.orderId, orderId), isNull(attention.clearedAt), eq(attention.reason, WALLET_FULL)),
    ),
  );
}

/** What people did to an order and its refund, oldest first. */
export async function listInterventions(database: Database, orderId: string): Promise<InterventionRecord[]> {
  return database.run(({ orm }) =>
    orm
      .select()
      .from(intervention)
      .where(eq(intervention.orderId, orderId))
      .orderBy(asc(intervention.at), asc(intervention.updateId)),
  );
}
