/** Reads published events: of a shop by their number, of orders, or by their ids. */
import {
  eventIdOf,
  type EventKey,
  type EventRefund,
  type OrderEventType,
  type PublishedEvent,
} from '../../domain/events.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { Database } from '../database.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { linesOfRefund } from '../refunds.ts';

interface EventRow extends EventKey {
  shopId: string;
  sequence: number;
  type: OrderEventType;
  from: RestingStage | null;
  stage: RestingStage;
  reason: string | null;
  commandId: string | null;
  at: Date;
  buyerId: string;
  amount: number | null;
  currency: string | null;
  reference: string | null;
  refund: EventRefund | null;
}

/** The whole of these published events, whose rows are few: what is not in each order is looked up one by one. */
const whole = (sql: Queryable, published: Fragment): Fragment => sql`
  select
    published.order_id as "orderId", published.version, published.shop_id as "shopId", published.sequence, published.type,
    event.from_stage as "from", event.stage, event.reason, event.command_id as "commandId", event.at,
    orders.buyer_id as "buyerId", orders.total as amount, orders.currency,
    (select reference from order_detail where order_detail.order_id = published.order_id) as reference,
    (
      select json_build_object('amount', refund.amount, 'currency', refund.currency, 'lines', ${linesOfRefund(sql)})
      from refund
      where refund.order_id = published.order_id and refund.version = published.version
    ) as refund
  from
    (${published}) as published
    join order_event as event on event.order_id = published.order_id and event.version = published.version
    join orders on orders.id = published.order_id`;

const toEvent = (row: EventRow): PublishedEvent => {
  const { shopId, sequence, type, at, reason, commandId, amount, currency, reference, refund, ...data } = row;
  return {
    id: eventIdOf(row),
    type,
    sequence,
    shopId,
    at: at.toISOString(),
    data: {
      orderId: data.orderId,
      version: data.version,
      from: data.from,
      stage: data.stage,
      ...(reason !== null && { reason }),
      ...(commandId !== null && { commandId }),
      buyerId: data.buyerId,
      ...(reference !== null && { reference }),
      total: amount === null || currency === null ? null : { amount, currency },
      ...(refund !== null && { refund }),
    },
  };
};

/** How many numbers one query looks through for the types that are asked for. */
const LOOKED_THROUGH = 1_000;

export interface FeedPosition {
  /** Everything up to this number was read. */
  sequence: number;
  /** Everything that was dropped until then is known to be gone: the id of a row of dropped_sequence. */
  dropped: number;
}

export interface FeedPage {
  events: PublishedEvent[];
  next: FeedPosition;
  /** Whether more was published already. */
  hasMore: boolean;
}

/**
 * A shop's events after a position, in the order of their numbers. Without one, from the oldest that is kept.
 * @returns undefined when events after the position were dropped since it was given, and when it is ahead of all that was published: then the
 * database is an older one that was restored, and gives numbers again that it has given before.
 */
export async function readFeed(
  database: Database,
  {
    shopId,
    after,
    types,
    limit,
  }: {
    shopId: string;
    after: FeedPosition | undefined;
    /** All unless given. */
    types?: readonly OrderEventType[] | undefined;
    limit: number;
  },
): Promise<FeedPage | undefined> {
  const from = after?.sequence ?? 0;
  const lookThrough = types === undefined ? limit : LOOKED_THROUGH;
  const rows = await database.run(
    ({ sql }) => sql<FeedRow[]>`
      with state as (
        select
          coalesce(max(id), 0) as "droppedUntil",
          coalesce(bool_or(id > ${after?.dropped ?? 0} and last > ${from}), false)
            or ${from} > coalesce((select last from shop_sequence where shop_id = ${shopId}), 0) as "hasGap"
        from dropped_sequence
        where shop_id = ${shopId}
      ),
      looked_through as materialized (
        select * from published_event
        where shop_id = ${shopId} and sequence > ${from}
        order by sequence
        limit ${lookThrough + 1}
      ),
      wanted as (
        select * from looked_through
        where ${types === undefined ? sql`true` : sql`type in ${sql(types)}`}
        order by sequence
        limit ${limit + 1}
      )
      select
        event.*, state.*, (select max(sequence) from looked_through) as "lookedUntil",
        (select count(*) from looked_through) as "lookedThrough"
      from state left join (${whole(sql, sql`select * from wanted`)}) as event on true
      order by event.sequence
    `,
  );
  const [state] = rows;
  if (state === undefined) throw new Error('PostgreSQL did not say up to where it looked.');
  if (after !== undefined && state.hasGap) return undefined;
  const found = rows.filter(isEvent);
  const events = found.slice(0, limit).map(toEvent);
  const isCut = found.length > limit;
  const sequence = (isCut ? events.at(-1)?.sequence : state.lookedUntil) ?? from;
  return {
    events,
    next: { sequence, dropped: state.droppedUntil },
    hasMore: isCut || state.lookedThrough > lookThrough,
  };
}

interface FeedState {
  droppedUntil: number;
  hasGap: boolean;
  lookedUntil: number | null;
  lookedThrough: number;
}
type FeedRow = (EventRow | NoEvent) & FeedState;
/** The only row of a page without events. */
type NoEvent = Record<keyof EventRow, null>;

const isEvent = (row: FeedRow): row is EventRow & FeedState => row.sequence !== null;

/** Published events by their keys, in no particular order; those that are not kept are left out. */
export async function findPublished(
  database: Database,
  keys: readonly EventKey[],
): Promise<PublishedEvent[]> {
  if (keys.length === 0) return [];
  const wanted = JSON.stringify(keys);
  const rows = await database.run(
    ({ sql }) => sql<EventRow[]>`
      ${whole(
        sql,
        sql`
          select published_event.*
          from jsonb_to_recordset(${wanted}::jsonb) as wanted ("orderId" uuid, version integer)
            join published_event on published_event.order_id = wanted."orderId" and published_event.version = wanted.version
        `,
      )}
    `,
  );
  return rows.map(toEvent);
}

/** Where an order stands, for who wants to hear of its events; undefined for an order that is not recorded. */
export async function findProgress(
  database: Database,
  orderId: string,
): Promise<{ stage: RestingStage; version: number; areEventsDropped: boolean } | undefined> {
  const [order] = await database.run(
    ({ sql }) => sql<{ stage: RestingStage; version: number; areEventsDropped: boolean }[]>`
      select stage, version, events_are_dropped(id) as "areEventsDropped" from orders where id = ${orderId}
    `,
  );
  return order;
}

export interface OrderPosition {
  orderId: string;
  /** The version that was read last. */
  after: number;
}

/** What was published of each of these orders after the version given for it, by order and version. */
export async function readOrderEvents(
  database: Database,
  positions: readonly OrderPosition[],
): Promise<PublishedEvent[]> {
  if (positions.length === 0) return [];
  const wanted = JSON.stringify(positions);
  const rows = await database.run(
    ({ sql }) => sql<EventRow[]>`
      ${whole(
        sql,
        sql`
          select published_event.*
          from jsonb_to_recordset(${wanted}::jsonb) as wanted ("orderId" uuid, "after" integer)
            join published_event on published_event.order_id = wanted."orderId" and published_event.version > wanted."after"
        `,
      )}
      order by published.order_id, published.version
    `,
  );
  return rows.map(toEvent);
}
