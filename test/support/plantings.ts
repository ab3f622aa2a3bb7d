/** A shop with an order of every ending, and the damage that a careless hand or a restored backup would do to it. */
import { randomUUID } from 'node:crypto';
import type { Database } from '../../db/connection.ts';
import type { Queryable, Sql } from '../../db/postgres.ts';
import type { TableKind } from '../../db/rules/detectors.ts';
import { cancelReservation } from '../../db/steps/cancel-reservation.ts';
import { pay } from '../../db/steps/pay.ts';
import { refund } from '../../db/steps/refund.ts';
import { release } from '../../db/steps/release.ts';
import { reserve } from '../../db/steps/reserve.ts';
import type { PlacedOrder } from '../../db/steps/step.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { AT, anOrder, payment, refundOf, releaseTo } from './step-requests.ts';
import { fundedWallet, stockedSku } from './stock.ts';

export type ShopOfEveryEnding = Awaited<ReturnType<typeof openShopOfEveryEnding>>;

/** Every rule has something to inspect in it. */
export async function openShopOfEveryEnding(
  { database, sql }: { database: Database; sql: Sql },
  { shopId = MAIN_SHOP, buyerId = 'buyer', code }: { shopId?: string; buyerId?: string; code?: string } = {},
) {
  const [sku, walletId] = await Promise.all([
    stockedSku(sql, { shopId, onHand: 100, ...(code !== undefined && { sku: code }) }),
    fundedWallet(sql, { shopId, ownerId: buyerId, funds: 50_000 }),
  ]);
  const anOrderHere = (order: Pick<PlacedOrder, 'lines'> & Partial<PlacedOrder>) =>
    anOrder({ shopId, buyerId, walletId, ...order });
  const order = async (paymentMode: 'debit' | 'hold') => {
    const placed = anOrderHere({ paymentMode, lines: [{ sku, quantity: 2 }] });
    await reserve(database, placed);
    return placed.orderId;
  };
  const open = await order('hold');
  const paid = await order('debit');
  await pay(database, payment(paid));
  const captured = await order('hold');
  await pay(database, payment(captured));
  const expired = await order('hold');
  await release(database, releaseTo(expired, 'expired'));
  const refunded = await order('debit');
  await pay(database, payment(refunded));
  await refund(database, refundOf(refunded, true));
  const partly = await order('debit');
  await pay(database, payment(partly));
  const ofUnits = refundOf(partly, false);
  await refund(database, { ...ofUnits, lines: [{ sku, quantity: 1, restock: true }] });
  const ofAmount = refundOf(partly, false);
  await refund(database, { ...ofAmount, amount: 100 });
  const cancelled = await order('debit');
  await release(database, releaseTo(cancelled, 'cancelled'));
  const adjusted = anOrderHere({
    lines: [{ sku, quantity: 2 }],
    adjustments: [
      { kind: 'discount', label: 'Ten per cent off', amount: -100, sku },
      { kind: 'shipping', label: 'Parcel', amount: 490 },
    ],
  });
  await reserve(database, adjusted);
  const none = anOrderHere({ lines: [{ sku, quantity: 1_000 }] });
  await reserve(database, none);
  const abandoned = anOrderHere({ lines: [{ sku, quantity: 1 }] });
  await cancelReservation(database, { ...abandoned, reason: 'too early', commandId: null });
  const rejected = none.orderId;
  return {
    shopId,
    buyerId,
    sku,
    walletId,
    open,
    paid,
    captured,
    expired,
    refunded,
    /** Refunded in part: one of two units, and an amount. */
    partly,
    refundOfUnits: ofUnits.commandId,
    refundOfAmount: ofAmount.commandId,
    cancelled,
    rejected,
    adjusted: adjusted.orderId,
  };
}

type Plant = (to: Queryable, shop: ShopOfEveryEnding) => Promise<unknown>;

/** The rule that the damage breaks, the kind of finding that shows it, and how it is done. */
export type Planting = [rule: number, kind: TableKind, damage: string, plant: Plant];

/** Of refunds in part: refund-plantings.ts. */
export const PLANTINGS: readonly Planting[] = [
  [
    1,
    'stock_counter_wrong',
    'a counter that lost a reservation',
    (to, { sku }) => to`update sku set reserved = reserved - 1 where sku = ${sku}`,
  ],
  [
    1,
    'stock_counter_wrong',
    'more reserved than on hand',
    (to, { sku }) => to`update sku set on_hand = 1 where sku = ${sku}`,
  ],
  [
    2,
    'stock_counter_wrong',
    'units from nowhere',
    (to, { sku }) => to`update sku set on_hand = on_hand + 1 where sku = ${sku}`,
  ],
  [
    3,
    'order_inconsistent',
    'a reservation that vanished',
    (to, { open }) => to`delete from reservation where order_id = ${open}`,
  ],
  [
    3,
    'order_inconsistent',
    'units that nobody ordered, given back',
    (to, { expired }) => to`
        insert into reservation (shop_id, order_id, sku, quantity, state) values ('main', ${expired}, 'NOT-ORDERED', 1, 'released')
      `,
  ],
  [
    3,
    'order_inconsistent',
    'a reservation of another quantity',
    (to, { open }) => to`update reservation set quantity = 1 where order_id = ${open}`,
  ],
  [4, 'transfer_unbalanced', 'a leg that vanished', (to) => to`delete from entry where account = 'sales'`],
  [
    4,
    'transfer_unbalanced',
    'a leg that was changed',
    (to) => to`update entry set amount = amount + 1 where account = 'sales'`,
  ],
  [
    4,
    'transfer_unbalanced',
    'a leg in another shop',
    (to) => to`update entry set shop_id = 'elsewhere' where account = 'sales'`,
  ],
  [
    5,
    'wallet_counter_wrong',
    'a balance that was edited',
    (to, { walletId }) => to`update wallet set posted = posted + 1 where id = ${walletId}`,
  ],
  [
    5,
    'wallet_counter_wrong',
    'held money that no hold explains',
    (to, { walletId }) => to`update wallet set held = held + 1 where id = ${walletId}`,
  ],
  [
    5,
    'wallet_counter_wrong',
    'an entry that overdrew',
    (to) => to`update entry set held_after = posted_after + 1 where account = 'wallet'`,
  ],
  [
    5,
    'wallet_counter_wrong',
    'a balance that does not follow, long after the wallet was repaired',
    async (to, { walletId }) => {
      await to`
          insert into finding (id, kind, subject, finding, first_seen, last_seen, state, ended_at)
          values (gen_random_uuid(), 'wallet_counter_wrong', ${walletId}, 'test', ${AT}, ${AT}, 'repaired', ${AT})
        `;
      await to`update entry set posted_after = posted_after - 1 where account = 'wallet' and wallet_id = ${walletId}`;
    },
  ],
  [
    6,
    'paid_without_money',
    'a paid order without a debit',
    (to, { paid }) => to`delete from transfer where order_id = ${paid}`,
  ],
  [
    6,
    'money_taken_without_payment',
    'a debit for an order that is not paid',
    (to, { paid, expired }) => to`update transfer set order_id = ${expired} where order_id = ${paid}`,
  ],
  [
    6,
    'order_inconsistent',
    'a debit that is not the total',
    (to, { paid }) => to`update orders set total = total + 1 where id = ${paid}`,
  ],
  [
    6,
    'order_inconsistent',
    'a total that is not what its lines and adjustments come to',
    (to, { adjusted }) => to`update orders set total = total + 1 where id = ${adjusted}`,
  ],
  [
    6,
    'order_inconsistent',
    'a line of a rejected order that costs something else',
    (to, { rejected }) => to`update order_line set unit_price = unit_price + 1 where order_id = ${rejected}`,
  ],
  [
    6,
    'order_inconsistent',
    'an adjustment that vanished',
    (to, { adjusted }) => to`delete from order_adjustment where order_id = ${adjusted} and sku is null`,
  ],
  [
    6,
    'order_inconsistent',
    'a line that says another sum of its adjustments',
    (to, { adjusted }) => to`update order_line set adjustment = 0 where order_id = ${adjusted}`,
  ],
  [
    6,
    'order_inconsistent',
    'a line that costs less than nothing, in an order whose sum is right',
    async (to, { adjusted }) => {
      await to`update order_adjustment set amount = amount - 1000 where order_id = ${adjusted} and sku is not null`;
      await to`update order_adjustment set amount = amount + 1000 where order_id = ${adjusted} and sku is null`;
      await to`update order_line set adjustment = adjustment - 1000 where order_id = ${adjusted}`;
    },
  ],
  [
    6,
    'order_inconsistent',
    'a refund of an order that is paid',
    (to, { refunded }) => to`update orders set stage = 'paid' where id = ${refunded}`,
  ],
  [
    7,
    'units_held_by_closed_order',
    'units still held for an expired order',
    (to, { expired }) => to`update reservation set state = 'held' where order_id = ${expired}`,
  ],
  [
    7,
    'money_held_by_closed_order',
    'money still held for a paid order',
    (to, { captured }) => to`update hold set state = 'held' where order_id = ${captured}`,
  ],
  [
    7,
    'order_inconsistent',
    'an open order without its hold',
    (to, { open }) => to`delete from hold where order_id = ${open}`,
  ],
  [
    9,
    'order_inconsistent',
    'a gap in an order\u2019s events',
    (to, { paid }) => to`update order_event set version = 3 where order_id = ${paid} and version = 2`,
  ],
  [
    9,
    'order_inconsistent',
    'a move that the table does not have',
    (to, { paid }) => to`update order_event set stage = 'rejected' where order_id = ${paid} and version = 2`,
  ],
  [
    9,
    'order_inconsistent',
    'an order that is not where its events end',
    (to, { open }) => to`update orders set stage = 'expired' where id = ${open}`,
  ],
  [
    10,
    'order_lost',
    'an order id that was given and is lost',
    (to) => to`
        insert into idempotency_key (operation, key, fingerprint, command_id, claimed_until, response_status)
        values ('createOrder', 'k', 'f', ${randomUUID()}, now(), 201)
      `,
  ],
  [
    7,
    'order_inconsistent',
    'units of an open order that were given back',
    (to, { open }) => to`update reservation set state = 'released' where order_id = ${open}`,
  ],
  [
    7,
    'order_inconsistent',
    'units of a paid order that were given back',
    (to, { paid }) => to`update reservation set state = 'released' where order_id = ${paid}`,
  ],
  [
    7,
    'order_inconsistent',
    'units of an expired order that were sold',
    (to, { expired }) => to`update reservation set state = 'consumed' where order_id = ${expired}`,
  ],
  [
    7,
    'order_inconsistent',
    'a voided hold of a paid order',
    (to, { captured }) => to`update hold set state = 'voided' where order_id = ${captured}`,
  ],
  [
    7,
    'order_inconsistent',
    'a captured hold of an expired order',
    (to, { expired }) => to`update hold set state = 'captured' where order_id = ${expired}`,
  ],
  [
    5,
    'order_inconsistent',
    'a hold of another amount',
    (to, { open }) => to`update hold set amount = amount + 1 where order_id = ${open}`,
  ],
  [
    6,
    'order_inconsistent',
    'a refund of more than was paid',
    (to) => to`
        update entry set amount = amount + 1
        from transfer
        where transfer.id = transfer_id and kind = 'refund' and account = 'wallet'
      `,
  ],
  [
    6,
    'order_inconsistent',
    'a refund that vanished',
    (to, { refunded }) => to`delete from transfer where order_id = ${refunded} and kind = 'refund'`,
  ],
  [
    6,
    'order_inconsistent',
    'a debit of an order in hold mode',
    (to, { captured }) => to`update transfer set kind = 'debit' where order_id = ${captured}`,
  ],
  [
    6,
    'order_inconsistent',
    'a payment from another wallet',
    (to, { paid }) => to`update orders set wallet_id = gen_random_uuid() where id = ${paid}`,
  ],
  [
    9,
    'order_inconsistent',
    'events that vanished',
    (to, { paid }) => to`delete from order_event where order_id = ${paid}`,
  ],
  [
    3,
    'order_inconsistent',
    'an order that has nothing but its row',
    (to, { open }) => to`
        insert into orders (
          shop_id, id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
        )
        select 'main', ${randomUUID()}, 'nobody', wallet_id, 'debit', stage, currency, total, payment_deadline, created_at, updated_at, 1
        from orders where id = ${open}
      `,
  ],
  [
    3,
    'order_inconsistent',
    'an order without a step, next to orders that have theirs',
    (to, { open }) => to`delete from order_step where order_id = ${open}`,
  ],
  [
    3,
    'order_inconsistent',
    'a paid order that no step has paid',
    (to, { paid }) => to`delete from order_step where order_id = ${paid} and step = 'pay'`,
  ],
  [
    3,
    'order_inconsistent',
    'a refunded order that no step has refunded',
    (to, { refunded }) => to`delete from order_step where order_id = ${refunded} and step = 'refund'`,
  ],
  [
    3,
    'order_inconsistent',
    'an open order without lines and reservations',
    async (to, { open }) => {
      await to`delete from order_line where order_id = ${open}`;
      await to`delete from reservation where order_id = ${open}`;
    },
  ],
  [
    3,
    'order_inconsistent',
    'a rejected order without lines',
    async (to, { rejected }) => {
      await to`delete from order_line where order_id = ${rejected}`;
    },
  ],
  [
    3,
    'order_inconsistent',
    'an expired order without its reservation',
    (to, { expired }) => to`delete from reservation where order_id = ${expired}`,
  ],
  [
    3,
    'order_inconsistent',
    'a cancelled order without the reservation that it had',
    (to, { cancelled }) => to`delete from reservation where order_id = ${cancelled}`,
  ],
  [
    3,
    'order_inconsistent',
    'lines, steps and events of an order that is gone',
    (to, { rejected }) => to`delete from orders where id = ${rejected}`,
  ],
  [
    9,
    'order_inconsistent',
    'events of an order that is gone',
    (to, { rejected }) => to`delete from orders where id = ${rejected}`,
  ],
  [
    7,
    'units_held_by_closed_order',
    'units and money held for an order that is gone',
    (to, { open }) => to`delete from orders where id = ${open}`,
  ],
  [
    6,
    'money_taken_without_payment',
    'money taken for an order that is gone',
    (to, { paid }) => to`delete from orders where id = ${paid}`,
  ],
  [
    7,
    'order_inconsistent',
    'a hold of an order that is to be debited',
    (to, { walletId, paid }) => to`
        insert into hold (shop_id, order_id, wallet_id, amount, state) values ('main', ${paid}, ${walletId}, 1, 'captured')
      `,
  ],
  [4, 'transfer_unbalanced', 'a transfer without legs', (to) => to`delete from entry`],
  [4, 'transfer_unbalanced', 'legs of a transfer that is gone', (to) => to`delete from transfer`],
  [5, 'transfer_unbalanced', 'entries of a wallet that is gone', (to) => to`delete from wallet`],
  [1, 'stock_counter_wrong', 'units held of a SKU that is gone', (to) => to`delete from sku`],
  [2, 'stock_counter_wrong', 'movements of a SKU that is gone', (to) => to`delete from sku`],
  [2, 'stock_counter_wrong', 'a SKU without its movements', (to) => to`delete from stock_movement`],
  // Each of the following was found by a rule or by reconciliation alone before both ran the same detectors.
  [
    1,
    'stock_counter_wrong',
    'more reserved than on hand, by reservations that agree',
    async (to, { sku, open }) => {
      await to`update reservation set quantity = quantity + 1000 where order_id = ${open}`;
      await to`update sku set reserved = reserved + 1000 where sku = ${sku}`;
    },
  ],
  [
    3,
    'order_inconsistent',
    'sold units of an order that has nothing else',
    (to, { sku }) => to`
    insert into reservation (shop_id, order_id, sku, quantity, state) values ('main', ${randomUUID()}, ${sku}, 1, 'consumed')
  `,
  ],
  [
    7,
    'order_inconsistent',
    'a captured hold of an order that has nothing else',
    (to, { walletId }) => to`
    insert into hold (shop_id, order_id, wallet_id, amount, state) values ('main', ${randomUUID()}, ${walletId}, 1, 'captured')
  `,
  ],
  [
    6,
    'order_inconsistent',
    'a refund of an order that has nothing else',
    (to) => to`
    insert into transfer (shop_id, id, kind, order_id) values ('main', gen_random_uuid(), 'refund', ${randomUUID()})
  `,
  ],
  [
    5,
    'order_inconsistent',
    'a hold of a wallet that is gone',
    (to, { open }) => to`
    update hold set wallet_id = gen_random_uuid() where order_id = ${open}
  `,
  ],
  [
    5,
    'wallet_counter_wrong',
    'a wallet that is overdrawn by its holds',
    async (to, { walletId, open }) => {
      await to`update hold set amount = amount + 100000 where order_id = ${open}`;
      await to`update wallet set held = held + 100000 where id = ${walletId}`;
    },
  ],
  [
    6,
    'order_inconsistent',
    'money taken for an order that is over, and given back in part',
    async (to, { refunded }) => {
      await to`update orders set stage = 'expired' where id = ${refunded}`;
      await to`
      update entry set amount = amount - 1
      from transfer
      where transfer.id = transfer_id and kind = 'refund' and order_id = ${refunded} and account = 'wallet'
    `;
    },
  ],
  [
    6,
    'order_inconsistent',
    'a refund into another wallet',
    (to, { refunded }) => to`
    update entry set wallet_id = gen_random_uuid()
    from transfer
    where transfer.id = transfer_id and kind = 'refund' and order_id = ${refunded} and account = 'wallet'
  `,
  ],
  [
    6,
    'order_inconsistent',
    'an order that was paid twice',
    async (to, { paid }) => {
      await to`drop index transfer_one_payment`;
      await to`insert into transfer (shop_id, id, kind, order_id) values ('main', gen_random_uuid(), 'debit', ${paid})`;
    },
  ],
];
