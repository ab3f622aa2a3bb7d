/** Adds rows of an order that are missing and that its other rows prove. What is recorded stays as it is. */
import { NIL_UUID } from '../schema/columns.ts';
import type { Queryable } from '../postgres.ts';
import { isSold } from '../repairs/order-stage.ts';
import { moneyHeld } from '../rules/money.ts';
import { unitsHeld, unitsLeft } from '../rules/stock.ts';
import { recordPath } from './path.ts';
import { refuseUnless } from './refused.ts';
import type { DecidedOrder } from './order.ts';

/** @param at ISO 8601. */
export async function completeRows(sql: Queryable, order: DecidedOrder, at: string): Promise<void> {
  await recordPath(sql, order, at);
  await addSteps(sql, order);
  await addReservations(sql, order);
  await addHold(sql, order);
  await addTransfers(sql, order);
  await countRefunds(sql, order.id);
}

/** The step that decided it, the one that paid it, and those that refunded it. */
async function addSteps(sql: Queryable, { id, secured }: DecidedOrder): Promise<void> {
  const paidBy = secured > 0 ? 'settle' : 'pay';
  await sql`
    insert into order_step (order_id, step, stage, reason)
    select order_id, 'reserve', stage, reason from order_event
    where
      order_id = ${id} and version = 1
      and not exists (select from order_step where order_step.order_id = ${id} and step = 'reserve')
  `;
  await sql`
    insert into order_step (order_id, step, command_id, stage)
    select
      order_id, ${paidBy},
      case ${paidBy} when 'settle' then ${NIL_UUID}::uuid else coalesce(command_id, gen_random_uuid()) end, 'paid'
    from order_event
    where
      order_id = ${id} and from_stage = 'awaiting_payment' and stage = 'paid'
      and not exists (
        select from order_step where order_step.order_id = ${id} and step in ('pay', 'settle') and order_step.stage = 'paid'
      )
    on conflict do nothing
  `;
  await sql`
    insert into order_step (order_id, step, command_id, stage, reason)
    select
      refund.order_id, 'refund', refund.command_id, order_event.stage,
      case order_event.stage when 'refunded' then order_event.reason end
    from refund join order_event on order_event.order_id = refund.order_id and order_event.version = refund.version
    where
      refund.order_id = ${id}
      and not exists (
        select from order_step
        where
          order_step.order_id = ${id} and step = 'refund' and order_step.command_id in (refund.command_id, ${NIL_UUID}::uuid)
          and (order_step.stage = 'refunded' or order_step.reason is null)
      )
    on conflict do nothing
  `;
}

interface MissingUnits {
  sku: string;
  quantity: number;
  onHand: number;
  reserved: number;
  held: number;
  left: number;
}

/** A line of an order that was reserved has a reservation, whose units its SKU counts, now or already. */
async function addReservations(sql: Queryable, { id, shopId, stage }: DecidedOrder): Promise<void> {
  const missing = await sql<MissingUnits[]>`
    select
      order_line.sku, order_line.quantity, on_hand as "onHand", sku.reserved,
      ${unitsHeld(sql, sql`sku.shop_id`, sql`sku.sku`)}::bigint as held,
      ${unitsLeft(sql, sql`sku.shop_id`, sql`sku.sku`)}::bigint as left
    from order_line join sku on sku.shop_id = ${shopId} and sku.sku = order_line.sku
    where
      order_id = ${id}
      and exists (select from order_step where order_id = ${id} and step = 'reserve' and stage = 'awaiting_payment')
      and not exists (select from reservation where reservation.order_id = ${id} and reservation.sku = order_line.sku)
    order by order_line.sku
  `;
  for (const { sku, quantity, onHand, reserved, held, left } of missing) {
    const state = stage === 'awaiting_payment' ? 'held' : isSold(stage) ? 'consumed' : 'released';
    // A counter that includes the units already stays as it is.
    const toReserve = state === 'held' && reserved < held + quantity ? quantity : 0;
    const toTake = state === 'consumed' && onHand > left - quantity ? quantity : 0;
    refuseUnless(
      onHand - reserved >= toReserve + toTake,
      `${quantity} units of ${sku} are missing from its reservations, and only ${onHand - reserved} are available.`,
    );
    await sql`
      insert into reservation (shop_id, order_id, sku, quantity, state) values (${shopId}, ${id}, ${sku}, ${quantity}, ${state})
    `;
    await sql`
      update sku set on_hand = ${onHand - toTake}, reserved = ${reserved + toReserve} where shop_id = ${shopId} and sku = ${sku}
    `;
  }
}

/** An order in hold mode that was reserved has a hold of its total, which its wallet counts, now or already. */
async function addHold(sql: Queryable, order: DecidedOrder): Promise<void> {
  const { id, shopId, walletId, stage, paymentMode, total } = order;
  const needsHold = paymentMode === 'hold' && (stage === 'awaiting_payment' || isSold(stage));
  if (!needsHold || total === null || (await sql`select from hold where order_id = ${id}`).length > 0) return;
  const state = stage === 'awaiting_payment' ? 'held' : 'captured';
  if (state === 'held') {
    const [wallet] = await sql<{ posted: number; held: number; holds: number }[]>`
      select posted, held, ${moneyHeld(sql, sql`${walletId}`)}::bigint as holds from wallet where id = ${walletId}
    `;
    refuseUnless(wallet !== undefined, `The wallet ${walletId} does not exist.`);
    if (wallet.held < wallet.holds + total) {
      refuseUnless(
        wallet.posted - wallet.held >= total,
        `${total} are to be held for the order, and only ${wallet.posted - wallet.held} are available in its wallet.`,
      );
      await sql`update wallet set posted = ${wallet.posted}, held = ${wallet.held + total} where id = ${walletId}`;
    }
  }
  await sql`
    insert into hold (order_id, shop_id, wallet_id, amount, state) values (${id}, ${shopId}, ${walletId}, ${total}, ${state})
  `;
}

/** A refund names its transfer, whose legs may be there still. */
const addTransfers = (sql: Queryable, { id, shopId }: DecidedOrder) => sql`
  insert into transfer (id, shop_id, kind, order_id, command_id)
  select transfer_id, ${shopId}, 'refund', order_id, command_id from refund
  where
    order_id = ${id}
    and not exists (select from transfer where transfer.id = refund.transfer_id)
    and exists (select from entry where entry.transfer_id = refund.transfer_id)
`;

/** What the order and its lines count is what its refunds and payments come to. */
async function countRefunds(sql: Queryable, orderId: string): Promise<void> {
  await sql`
    update order_line set refunded = made.quantity, refunded_amount = made.amount
    from (
      select order_line.sku, coalesce(sum(refund_line.quantity), 0) as quantity, coalesce(sum(refund_line.amount), 0) as amount
      from order_line left join refund_line using (order_id, sku)
      where order_line.order_id = ${orderId}
      group by order_line.sku
    ) as made
    where
      order_id = ${orderId} and order_line.sku = made.sku
      and (refunded, refunded_amount) is distinct from (made.quantity, made.amount)
  `;
  await sql`
    update orders set refunded = sums.refunded, secured = sums.secured
    from (
      select
        (select coalesce(sum(amount), 0) from refund where order_id = ${orderId}) as refunded,
        (select coalesce(sum(amount), 0) from payment where order_id = ${orderId} and secures) as secured
    ) as sums
    where id = ${orderId} and (orders.refunded, orders.secured) is distinct from (sums.refunded, sums.secured)
  `;
}
