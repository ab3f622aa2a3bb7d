/** Reads recorded orders. Only the steps in steps/ write them. */
import { and, asc, eq, getTableColumns, gt, inArray, sql as expression } from 'drizzle-orm';
import type { Adjustment } from '../domain/order.ts';
import type { Stage } from '../domain/stages.ts';
import type { Database } from './connection.ts';
import type { Fragment, Queryable } from './postgres.ts';
import { selectList } from './select-list.ts';
import { orderEvent, orderLine, orders } from './schema/orders.ts';

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
  lines: (Pick<LineRow, 'sku' | 'quantity' | 'unitPrice'> & { refundedQuantity: LineRow['refunded'] })[];
  /** As its caller gave them. */
  adjustments: readonly Adjustment[];
  reference: string | null;
  metadata: Readonly<Record<string, string>> | null;
}

export type OrderEvent = Omit<typeof orderEvent.$inferSelect, 'orderId' | 'previousVersion'>;

const ORDER_WITH_LINE = `${selectList({
  ...getTableColumns(orders),
  sku: orderLine.sku,
  quantity: orderLine.quantity,
  refundedQuantity: orderLine.refunded,
  unitPrice: orderLine.unitPrice,
})}, orders.adjustments, orders.reference, orders.metadata`;

/** These orders, each with what belongs to it as a whole: read once for each of them, and not once for each of its lines. */
const withDetail = (sql: Queryable, ids: Fragment): Fragment => sql`
  (
    select orders.*, adjusted.adjustments, detail.reference, detail.metadata
    from (${ids}) as orders
    cross join lateral (
      select
        json_agg(
          json_strip_nulls(json_build_object('kind', kind, 'label', label, 'amount', amount, 'sku', sku))
          order by position
        ) as adjustments
      from order_adjustment
      where order_id = orders.id
    ) as adjusted
    left join lateral (
      select reference, metadata from order_detail where order_id = orders.id limit 1
    ) as detail on true
    offset 0
  ) as orders`;

const EVENT = selectList({
  version: orderEvent.version,
  fromStage: orderEvent.fromStage,
  stage: orderEvent.stage,
  reason: orderEvent.reason,
  commandId: orderEvent.commandId,
  at: orderEvent.at,
});

export interface OrderFilter {
  /** Passing stages are never recorded, so they match nothing. */
  stage?: Stage | undefined;
  buyerId?: string | undefined;
  reference?: string | undefined;
  /** Placed in this shop with an e-mail address that is indexed as one of these. */
  placedWith?: { shopId: string; emailIndexes: readonly Buffer[] } | undefined;
}

export interface FoundOrder extends Order {
  /** Whether it has personal fields, which personal-data.ts reads. */
  isPersonal: boolean;
}

/** The order with that id and its lines, in one query; undefined when it was never recorded. */
export async function findOrder(database: Database, id: string): Promise<FoundOrder | undefined> {
  const rows = await database.run(
    ({ sql }) => sql<(OrderWithLine & Pick<FoundOrder, 'isPersonal'>)[]>`
      select
        ${sql.unsafe(ORDER_WITH_LINE)},
        exists (select from personal_data where order_id = orders.id) as "isPersonal"
      from ${withDetail(sql, sql`select * from orders where id = ${id}`)}
      left join order_line on order_line.order_id = orders.id
      order by order_line.sku
    `,
  );
  const [order] = withLines(rows);
  return order && { ...order, isPersonal: rows[0]?.isPersonal === true };
}

/** Orders and their lines, newest first (ids sort by time), beginning after `before`. */
export async function listOrders(
  database: Database,
  { stage, buyerId, reference, placedWith }: OrderFilter,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<Order[]> {
  const rows = await database.run(({ sql }) => {
    const inStage = stage === undefined ? sql`true` : sql`stage = ${literalStage(sql, stage)}`;
    const earlier = before === undefined ? sql`` : sql`and id < ${before}`;
    const addressed = placedWith === undefined ? sql`` : isPlacedWith(sql, placedWith);
    // Shop by shop: a caller who sees all shops names none, and these indexes begin with it. Each asks for a range of one, in whose order the
    // rows then come: otherwise PostgreSQL may read all orders from the newest on, which looks short until there are none.
    const ofEachShop = (ofShop: Fragment): Fragment =>
      sql`select of_shop.* from shop cross join lateral (${ofShop} limit ${limit}) as of_shop`;
    const findPage = (): Fragment => {
      if (reference !== undefined)
        return ofEachShop(sql`
          select found.*
          from order_detail
          cross join lateral (
            select * from orders
            where
              id = order_detail.order_id and ${inStage} ${earlier} ${addressed}
              ${buyerId === undefined ? sql`` : sql`and buyer_id = ${buyerId}`}
            limit 1
          ) as found
          where
            order_detail.shop_id = shop.id and order_detail.reference between ${reference} and ${reference}
            ${buyerId === undefined ? sql`` : sql`and order_detail.buyer_id between ${buyerId} and ${buyerId}`}
            ${before === undefined ? sql`` : sql`and order_detail.order_id < ${before}`}
          order by
            ${buyerId === undefined ? sql`` : sql`order_detail.buyer_id desc,`}
            order_detail.reference desc, order_detail.order_id desc
        `);
      if (buyerId !== undefined)
        return ofEachShop(sql`
          select * from orders
          where
            shop_id = shop.id ${earlier} ${addressed}
            ${
              stage === undefined
                ? sql`and buyer_id between ${buyerId} and ${buyerId} order by buyer_id desc, id desc`
                : sql`and buyer_id = ${buyerId} and stage between ${stage} and ${stage} order by stage desc, id desc`
            }
        `);
      return sql`select * from orders where ${inStage} ${earlier} ${addressed}`;
    };
    const page = findPage();
    return sql<OrderWithLine[]>`
      select ${sql.unsafe(ORDER_WITH_LINE)}
      from ${withDetail(sql, sql`select * from (${page}) as page order by id desc limit ${limit}`)}
      left join order_line on order_line.order_id = orders.id
      order by orders.id desc, order_line.sku
    `;
  });
  return withLines(rows);
}

/** Not a parameter: PostgreSQL has another plan for a stage that few orders are in, and an index of the open ones. */
const literalStage = (sql: Queryable, stage: Stage): Fragment => sql.unsafe(`'${stage}'`);

// As an array, which PostgreSQL looks up in the orders' index: it cannot guess how few orders have an address.
const isPlacedWith = (
  sql: Queryable,
  { shopId, emailIndexes }: NonNullable<OrderFilter['placedWith']>,
): Fragment => sql`
  and id = any (array (
    select order_id from personal_data where shop_id = ${shopId} and email_index in ${sql(emailIndexes)}
  ))`;

/** The line's columns are null for an order without lines. */
type OrderWithLine = OrderRow &
  Pick<Order, 'reference' | 'metadata'> & { adjustments: Order['adjustments'] | null } & (
    Order['lines'][number] | Record<keyof Order['lines'][number], null>
  );

function withLines(rows: readonly OrderWithLine[]): Order[] {
  const found = new Map<string, Order>();
  for (const { sku, quantity, refundedQuantity, unitPrice, adjustments, ...order } of rows) {
    const known = found.get(order.id) ?? { ...order, adjustments: adjustments ?? [], lines: [] };
    if (sku !== null) known.lines.push({ sku, quantity, refundedQuantity, unitPrice });
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

/** An order's recorded events, oldest first, beginning after version `after`. */
export async function listEvents(
  database: Database,
  orderId: string,
  { after, limit }: { after: number; limit: number },
): Promise<OrderEvent[]> {
  return database.run(
    ({ sql }) => sql<OrderEvent[]>`
      select ${sql.unsafe(EVENT)} from order_event
      where order_id = ${orderId} and version > ${after}
      order by version
      limit ${limit}
    `,
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
  const found = await database.run(
    ({ sql }) =>
      sql`select from order_event where order_id = ${orderId} and command_id = ${commandId} limit 1`,
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
