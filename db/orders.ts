/** Reads recorded orders. Only the steps in steps/ write them. */
import { and, asc, desc, eq, gt, inArray, lt, sql as expression } from 'drizzle-orm';
import type { Stage } from '../domain/stages.ts';
import type { Database } from './connection.ts';
import { orderEvent, orderLine, orders } from './schema/orders.ts';
import { personalData } from './schema/personal-data.ts';

/** What decides about a payment before it is tried: see {@link findPaymentOutlook}. */
export interface PaymentOutlook {
  stage: Order['stage'];
  /** Whether this payment's outcome is recorded. */
  isDecided: boolean;
  /** Why it was refused, when it was. */
  reason: string | null;
  /** Whether the wallet can cover it now. */
  funded: boolean;
  /** How many payments of this order the wallet could not cover, counted up to `limit`. */
  refused: number;
}

type OrderRow = typeof orders.$inferSelect;
type LineRow = typeof orderLine.$inferSelect;

export interface Order extends OrderRow {
  /** In SKU order. */
  lines: Pick<LineRow, 'sku' | 'quantity' | 'unitPrice'>[];
}

export type OrderEvent = Omit<typeof orderEvent.$inferSelect, 'orderId' | 'previousVersion'>;

export interface OrderFilter {
  /** Passing stages are never recorded, so they match nothing. */
  stage?: Stage | undefined;
  buyerId?: string | undefined;
  /** Placed in this shop with an e-mail address that is indexed as one of these. */
  placedWith?: { shopId: string; emailIndexes: readonly Buffer[] } | undefined;
}

export interface FoundOrder extends Order {
  /** Whether it has personal fields, which personal-data.ts reads. */
  isPersonal: boolean;
}

/** The order with that id and its lines, in one query; undefined when it was never recorded. */
export async function findOrder(database: Database, id: string): Promise<FoundOrder | undefined> {
  const rows = await database.run(({ orm }) =>
    orm
      .select({
        order: orders,
        line: orderLine,
        isPersonal: expression<boolean>`exists (select from ${personalData} where ${eq(personalData.orderId, id)})`,
      })
      .from(orders)
      .leftJoin(orderLine, eq(orderLine.orderId, orders.id))
      .where(eq(orders.id, id))
      .orderBy(asc(orderLine.sku)),
  );
  const [order] = withLines(rows);
  return order && { ...order, isPersonal: rows[0]?.isPersonal === true };
}

/** Orders and their lines, newest first (ids sort by time), beginning after `before`. */
export async function listOrders(
  database: Database,
  { stage, buyerId, placedWith }: OrderFilter,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<Order[]> {
  const rows = await database.run(({ orm }) => {
    const page = orm
      .select()
      .from(orders)
      .where(
        and(
          stage === undefined ? undefined : eq(expression`${orders.stage}`, stage),
          buyerId === undefined ? undefined : eq(orders.buyerId, buyerId),
          before === undefined ? undefined : lt(orders.id, before),
          placedWith &&
            inArray(
              orders.id,
              orm
                .select({ id: personalData.orderId })
                .from(personalData)
                .where(
                  and(
                    eq(personalData.shopId, placedWith.shopId),
                    inArray(personalData.emailIndex, [...placedWith.emailIndexes]),
                  ),
                ),
            ),
        ),
      )
      .orderBy(desc(orders.id))
      .limit(limit)
      .as('page');
    return orm
      .select()
      .from(page)
      .leftJoin(orderLine, eq(orderLine.orderId, page.id))
      .orderBy(desc(page.id), asc(orderLine.sku));
  });
  return withLines(rows.map((row) => ({ order: row.page, line: row.order_line })));
}

function withLines(rows: readonly { order: OrderRow; line: LineRow | null }[]): Order[] {
  const found = new Map<string, Order>();
  for (const { order, line } of rows) {
    const known = found.get(order.id) ?? { ...order, lines: [] };
    if (line) known.lines.push({ sku: line.sku, quantity: line.quantity, unitPrice: line.unitPrice });
    found.set(order.id, known);
  }
  return [...found.values()];
}

/** Ids of the orders that wait for payment, oldest first. */
export async function listOpenOrders(
  database: Database,
  { after, limit }: { after: string | null; limit: number },
): Promise<string[]> {
  const rows = await database.run(({ orm }) =>
    orm
      .select({ id: orders.id })
      .from(orders)
      .where(and(eq(orders.stage, 'awaiting_payment'), after === null ? undefined : gt(orders.id, after)))
      .orderBy(asc(orders.id))
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}

/** Which of these orders are paid and not refunded. */
export async function listPaidOrders(database: Database, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await database.run(({ orm }) =>
    orm
      .select({ id: orders.id })
      .from(orders)
      .where(and(inArray(orders.id, [...ids]), eq(orders.stage, 'paid'))),
  );
  return rows.map(({ id }) => id);
}

/** An order's recorded events, oldest first, beginning after version `after`. */
export async function listEvents(
  database: Database,
  orderId: string,
  { after, limit }: { after: number; limit: number },
): Promise<OrderEvent[]> {
  const { version, fromStage, stage, reason, commandId, at } = orderEvent;
  return database.run(({ orm }) =>
    orm
      .select({ version, fromStage, stage, reason, commandId, at })
      .from(orderEvent)
      .where(and(eq(orderEvent.orderId, orderId), gt(version, after)))
      .orderBy(asc(version))
      .limit(limit),
  );
}

/** Which of these orders have no events any more, because the month in which they were placed was dropped. */
export async function listWithoutEvents(database: Database, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await database.run(({ orm }) =>
    orm
      .select({ id: orders.id })
      .from(orders)
      .where(and(inArray(orders.id, [...ids]), expression`events_are_dropped(${orders.id})`)),
  );
  return rows.map(({ id }) => id);
}

/** Whether this command moved the order: tells a repeated command from a different, late one. */
export async function isRecorded(database: Database, orderId: string, commandId: string): Promise<boolean> {
  const found = await database.run(({ orm }) =>
    orm
      .select({ version: orderEvent.version })
      .from(orderEvent)
      .where(and(eq(orderEvent.orderId, orderId), eq(orderEvent.commandId, commandId)))
      .limit(1),
  );
  return found.length > 0;
}

/** Undefined when the order is not recorded. */
export async function findPaymentOutlook(
  database: Database,
  { orderId, commandId, limit }: { orderId: string; commandId: string; limit: number },
): Promise<PaymentOutlook | undefined> {
  const [found] = await database.run(
    ({ sql }) => sql<PaymentOutlook[]>`
      -- Is this payment decided, could the wallet cover it now, and how many were refused before it?
      select
        orders.stage,
        own.command_id is not null as "isDecided",
        own.reason,
        -- Held money is already set aside for the order.
        orders.payment_mode = 'hold' or coalesce(wallet_covers(orders.wallet_id, orders.total), false) as funded,
        (
          select count(*)
          from (
            select from order_step
            where order_id = orders.id and step = 'pay' and reason = 'insufficient_funds'
            limit ${limit}
          ) as counted
        ) as refused
      from orders
      left join order_step as own
        on own.order_id = orders.id and own.step = 'pay' and own.command_id = ${commandId}
      where orders.id = ${orderId}
    `,
  );
  return found;
}
