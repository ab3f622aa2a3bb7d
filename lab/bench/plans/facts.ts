/** Rows of a filled database, for the questions to be about. */
import { MAIN_SHOP } from '../../../domain/shops.ts';
import type { PaymentState } from '../../../domain/payments.ts';
import type { RestingStage } from '../../../domain/stages.ts';
import type { Fragment, Queryable, Sql } from '../../../db/postgres.ts';

/** So many rows of each kind. */
const OF_EACH = 100;

export interface OrderFact {
  id: string;
  /** The command that paid or ended it; of an open order, none. */
  commandId: string;
  /** Who placed it. */
  caller: string;
}

/** All of the shop that has most, but for `elsewhere`. */
export interface Facts {
  /** ISO 8601: when the last order was placed. */
  until: string;
  /** Of most orders. */
  buyer: { id: string; walletId: string };
  /** Of the buyer, in debit mode, newest first. */
  orders: Readonly<Record<RestingStage, readonly OrderFact[]>>;
  /** Open orders of hold mode. */
  holding: readonly OrderFact[];
  /** An id from the middle of all orders. */
  middle: string;
  keys: readonly { id: string; hash: string }[];
  findings: readonly { id: string; subject: string }[];
  alerts: readonly string[];
  webhooks: { busy: string; others: readonly string[]; delivered: readonly string[] };
  /** By provider, unless they say otherwise, newest first; `unusable` was captured, and its order does not need it. */
  payments: Readonly<Record<PaymentFactKind, readonly PaymentFact[]>>;
}

export interface PaymentFact {
  id: string;
  orderId: string;
}

type PaymentFactKind =
  'pending' | 'authorised' | 'capturing' | 'captured' | 'unusable' | 'owed' | 'by wallet';

export async function readFacts(sql: Sql, until: Date): Promise<Facts> {
  const [buyer] = await sql<Facts['buyer'][]>`
    select buyer_id as id, wallet_id as "walletId" from orders where buyer_id = 'buyer-0' limit 1
  `;
  const [middle] = await sql<{ id: string }[]>`
    select id from orders where shop_id = ${MAIN_SHOP} order by id offset (select count(*) / 4 from orders) limit 1
  `;
  if (!buyer || !middle) throw new Error('The database has no orders.');
  const inStage = (stage: RestingStage) =>
    ordersOf(sql, sql`buyer_id = ${buyer.id} and payment_mode = 'debit' and stage = ${stage}`);
  return {
    until: until.toISOString(),
    buyer,
    orders: {
      awaiting_payment: await ordersOf(
        sql,
        sql`payment_mode = 'debit' and stage = 'awaiting_payment' and secured = 0`,
      ),
      paid: await inStage('paid'),
      refunded: await inStage('refunded'),
      cancelled: await ordersOf(sql, sql`payment_mode = 'debit' and stage = 'cancelled'`),
      expired: await ordersOf(sql, sql`payment_mode = 'debit' and stage = 'expired'`),
      rejected: await ordersOf(sql, sql`payment_mode = 'debit' and stage = 'rejected'`),
    },
    holding: await ordersOf(sql, sql`payment_mode = 'hold' and stage = 'awaiting_payment'`),
    middle: middle.id,
    keys: await sql<Facts['keys'][number][]>`
      select api_key.id, hash from api_key join api_key_secret on key_id = api_key.id
      where shop_id = ${MAIN_SHOP} order by api_key.id limit ${OF_EACH}
    `,
    findings: await sql<Facts['findings'][number][]>`
      select id, subject from finding where shop_id = ${MAIN_SHOP} and state = 'open' order by id limit ${OF_EACH}
    `,
    webhooks: await webhooksOf(sql),
    payments: await paymentsOf(sql),
    alerts: (await sql<{ id: string }[]>`select id from alert order by id desc limit ${OF_EACH}`).map(
      ({ id }) => id,
    ),
  };
}

async function ordersOf(sql: Queryable, condition: Fragment): Promise<OrderFact[]> {
  return sql<OrderFact[]>`
    select
      id,
      coalesce((select command_id from order_event where order_id = id and version = 2), id) as "commandId",
      coalesce(
        (select caller from idempotency_key where operation = 'createOrder' and command_id = orders.id limit 1), 'nobody'
      ) as caller
    from orders
    where shop_id = ${MAIN_SHOP} and ${condition}
    order by id desc
    limit ${OF_EACH}
  `;
}

async function webhooksOf(sql: Sql): Promise<Facts['webhooks']> {
  const ids = await sql<{ id: string }[]>`select id from webhook where shop_id = ${MAIN_SHOP} order by id`;
  const [busy, ...others] = ids.map(({ id }) => id);
  if (busy === undefined) throw new Error('The database has no webhooks.');
  const delivered = await sql<{ id: string }[]>`
    select id from webhook_delivery where webhook_id = ${busy} and state = 'delivered' order by id limit ${OF_EACH}
  `;
  return { busy, others, delivered: delivered.map(({ id }) => id) };
}

async function paymentsOf(sql: Sql): Promise<Facts['payments']> {
  const parts = (condition: Fragment) => sql<PaymentFact[]>`
    select id, order_id as "orderId" from payment
    where shop_id = ${MAIN_SHOP} and ${condition}
    order by id desc
    limit ${OF_EACH}
  `;
  const inState = (state: PaymentState, secures = true) =>
    parts(sql`method = 'provider' and state = ${state} and secures = ${secures} and refunded = 0`);
  return {
    pending: await inState('pending'),
    authorised: await inState('authorised'),
    capturing: await inState('capturing'),
    captured: await inState('captured'),
    unusable: await inState('captured', false),
    owed: await parts(
      sql`exists (select from refund_payment where payment_id = payment.id and refund_payment.state = 'owed')`,
    ),
    'by wallet': await parts(sql`method = 'wallet' and refunded = 0`),
  };
}

/** The one for this turn. */
export function nth<T>(facts: readonly T[], turn: number): T {
  const fact = facts[turn % facts.length];
  if (fact === undefined) throw new Error('The filled database has no row of this kind.');
  return fact;
}
