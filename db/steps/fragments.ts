/**
 * The parts that the steps' statements share. Each statement reads top down: it locks rows, decides on them, claims its key, and acts on
 * `to_apply`, the rows that its claim lets it change.
 *
 * PostgreSQL evaluates a part when another part first reads it. So where one part must be locked before the next, the next counts it:
 * `(select count(*) from locked_sku) >= 0` is always true, and locks the SKUs first.
 */
import { NIL_UUID } from '../schema/columns.ts';
import type { Step } from '../../domain/order.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { Fragment, Queryable } from '../postgres.ts';

/** An order's row, which every step of the order locks first. */
export const lockOrder = (sql: Queryable, orderId: string | Fragment): Fragment => sql`
  locked_order as materialized (
    select
      id, shop_id, wallet_id, payment_mode, stage, reason, total, refunded, secured, payment_deadline, deadline_extended, currency, version
    from orders
    where id = ${orderId}
    for no key update
  )`;

/** The lines of the locked order that a statement changes, after the order, in key order. @param condition on the order and the line. */
export const lockLines = (sql: Queryable, condition: Fragment): Fragment => sql`
  locked_line as materialized (
    select sku, quantity, unit_price, adjustment, refunded, refunded_amount
    from order_line
    where order_id = (select id from locked_order where ${condition})
    order by sku
    for no key update
  )`;

/** SKUs of the locked order's shop, in key order, so that two orders of the same SKUs do not deadlock. */
export const lockSkus = (sql: Queryable, names: Fragment): Fragment => sql`
  locked_sku as materialized (
    select shop_id, sku, on_hand, reserved from sku
    where shop_id = (select shop_id from locked_order) and sku in (${names})
    order by sku
    for no key update
  )`;

/** The SKUs that the locked order still holds. */
export const heldSkus = (sql: Queryable): Fragment => sql`
  select sku from reservation where order_id = (select id from locked_order) and state = 'held'`;

/** A wallet, after the SKUs. */
export const lockWallet = (sql: Queryable, id: Fragment): Fragment => sql`
  locked_wallet as materialized (
    select id, posted, held from wallet
    where id = (${id}) and (select count(*) from locked_sku) >= 0
    for no key update
  )`;

export interface StepKey {
  orderId: string;
  step: Step;
  /** Of a payment or a refund. An order takes every other step once. */
  commandId?: string;
}

/**
 * Takes the step's key, with the outcome that it leads to. A twin attempt that committed first has the key: then `claim` is empty, and
 * this statement changes nothing.
 * @param outcome selects `stage` and `reason`.
 */
export const claimKey = (
  sql: Queryable,
  { orderId, step, commandId = NIL_UUID }: StepKey,
  outcome: Fragment,
): Fragment => sql`
  claim as (
    insert into order_step (order_id, step, command_id, stage, reason)
    select ${orderId}, ${step}, ${commandId}, stage, reason from (${outcome}) as outcome
    on conflict do nothing
    returning stage, reason
  )`;

/** The outcome of this attempt, or the recorded one of an earlier attempt. */
export const claimedOrRecorded = (
  sql: Queryable,
  { orderId, step, commandId = NIL_UUID }: StepKey,
): Fragment => sql`
  select stage, reason from claim
  union all
  select stage, reason from order_step
  where order_id = ${orderId} and step = ${step} and command_id = ${commandId}`;

/**
 * The two legs of a transfer in the shop of `to_apply`: its `amount` for the wallet, and the same taken from the other account. The second leg does not
 * depend on the wallet: without the first it does not balance, and PostgreSQL refuses the transfer. No money has no legs.
 */
export const bookLegs = (
  sql: Queryable,
  transferId: string,
  otherAccount: 'sales' | 'funding' | 'clearing',
): Fragment => sql`
  leg as (
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    select
      to_apply.shop_id, ${transferId}::uuid, 'wallet', changed_wallet.id, to_apply.amount, to_apply.currency,
      changed_wallet.posted, changed_wallet.held
    from to_apply cross join changed_wallet
    where to_apply.amount <> 0
    union all
    select to_apply.shop_id, ${transferId}::uuid, ${otherAccount}, null, -to_apply.amount, to_apply.currency, null, null
    from to_apply
    where to_apply.amount <> 0
  )`;

/** Consumes what the order of `to_apply` has reserved: the units leave the shop. */
export const sellUnits = (sql: Queryable): Fragment => sql`
  consumed as (
    update reservation set state = 'consumed'
    from to_apply
    where order_id = to_apply.id and state = 'held'
    returning reservation.shop_id, sku, quantity
  ),
  sold as (
    update sku
    set on_hand = locked_sku.on_hand - consumed.quantity, reserved = locked_sku.reserved - consumed.quantity
    from consumed join locked_sku using (shop_id, sku)
    where sku.shop_id = consumed.shop_id and sku.sku = consumed.sku
  )`;

export interface Move {
  to: RestingStage;
  reason: string | null;
  commandId: string | null;
  at: string;
}

/** What a move is when not all of it is known before the statement. */
type DecidedMove = Omit<Move, 'to'> & { to: RestingStage | Fragment };

/**
 * Moves the order to its next stage, and records the event. Locks the tables in the order in which placing an order does.
 * @param ofOrder what is recorded in its row: the event's reason, what is secured of it, and other columns. Expressions on `to_apply`.
 */
export const moveOrder = (
  sql: Queryable,
  { to, reason, commandId, at }: DecidedMove,
  ofOrder: { reason?: Fragment; secured?: Fragment; also?: Fragment } = {},
): Fragment => sql`
  moved_order as (
    update orders
    set
      stage = ${to}, reason = ${ofOrder.reason ?? reason}, secured = ${ofOrder.secured ?? sql`to_apply.secured`},
      version = to_apply.version + 1, updated_at = ${at}${ofOrder.also ?? sql``}
    from to_apply
    where orders.id = to_apply.id
  ),
  event as (
    insert into order_event (order_id, version, from_stage, stage, reason, command_id, at)
    select id, version + 1, stage, ${to}, ${reason}, ${commandId}, ${at} from to_apply
  )`;
