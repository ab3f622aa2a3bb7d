/** The damage to refunds that a careless hand or a restored backup would do, in a shop with an order of every ending. */
import { randomUUID } from 'node:crypto';
import type { Planting } from './plantings.ts';

export const REFUND_PLANTINGS: readonly Planting[] = [
  [
    6,
    'order_inconsistent',
    'an order that counts less as refunded than its refunds come to',
    (to, { partly }) => to`update orders set refunded = refunded - 1 where id = ${partly}`,
  ],
  [
    6,
    'order_inconsistent',
    'a refund in part of more than its transfer gave back',
    async (to, { partly, refundOfAmount }) => {
      await to`update refund set amount = amount + 1 where order_id = ${partly} and command_id = ${refundOfAmount}`;
      await to`update orders set refunded = refunded + 1 where id = ${partly}`;
    },
  ],
  [
    6,
    'order_inconsistent',
    'refunds in part that together give back more than was paid',
    async (to, { partly, refundOfAmount }) => {
      await to`update refund set amount = 501 where order_id = ${partly} and command_id = ${refundOfAmount}`;
      await to`update orders set refunded = 1001 where id = ${partly}`;
      await to`
        update entry set amount = sign(amount) * 501
        from transfer
        where transfer.id = transfer_id and order_id = ${partly} and command_id = ${refundOfAmount}
      `;
    },
  ],
  [
    6,
    'order_inconsistent',
    'two refunds whose money was given back by the other',
    async (to, { partly, refundOfAmount, refundOfUnits }) => {
      await to`
        update refund set transfer_id = (select id from transfer where order_id = ${partly} and command_id = ${refundOfUnits})
        where order_id = ${partly} and command_id = ${refundOfAmount}
      `;
      await to`
        update refund set transfer_id = (select id from transfer where order_id = ${partly} and command_id = ${refundOfAmount})
        where order_id = ${partly} and command_id = ${refundOfUnits}
      `;
    },
  ],
  [
    6,
    'order_inconsistent',
    'a refund in part whose transfer vanished',
    (to, { partly, refundOfAmount }) =>
      to`delete from transfer where order_id = ${partly} and command_id = ${refundOfAmount}`,
  ],
  [
    6,
    'order_inconsistent',
    'a refund of units that gave back something else than they cost',
    (to, { partly, refundOfUnits }) =>
      to`update refund_line set amount = amount + 1 where order_id = ${partly} and command_id = ${refundOfUnits}`,
  ],
  [
    6,
    'order_inconsistent',
    'a line that counts a unit more as refunded than its refunds have',
    (to, { partly }) => to`update order_line set refunded = refunded + 1 where order_id = ${partly}`,
  ],
  [
    6,
    'order_inconsistent',
    'more units refunded than were bought, by a line that agrees',
    async (to, { partly }) => {
      await to`update refund_line set quantity = 3, amount = 1500 where order_id = ${partly}`;
      await to`update order_line set refunded = 3, refunded_amount = 1500 where order_id = ${partly}`;
      await to`update stock_movement set quantity = 3 where order_id = ${partly}`;
    },
  ],
  [
    6,
    'order_inconsistent',
    'units refunded at another share of their line than they are',
    async (to, { partly }) => {
      await to`update refund_line set amount = 499 where order_id = ${partly}`;
      await to`update order_line set refunded_amount = 499 where order_id = ${partly}`;
    },
  ],
  [
    6,
    'order_inconsistent',
    'refunded units of a SKU that the order does not have',
    (to, { partly, refundOfUnits }) =>
      to`update refund_line set sku = 'ANOTHER' where order_id = ${partly} and command_id = ${refundOfUnits}`,
  ],
  [
    6,
    'order_inconsistent',
    'a refund of an order that expired',
    (to, { shopId, expired }) => to`
      insert into refund (order_id, version, shop_id, amount, currency, reason, at)
      values (${expired}, 3, ${shopId}, 0, 'EUR', 'test', now())
    `,
  ],
  [
    6,
    'order_inconsistent',
    'a refund that is all there is of an order',
    (to, { shopId }) => to`
      insert into refund (order_id, version, shop_id, amount, currency, reason, at)
      values (${randomUUID()}, 3, ${shopId}, 0, 'EUR', 'test', now())
    `,
  ],
  [
    2,
    'order_inconsistent',
    'restocked units that moved nowhere',
    (to, { partly }) => to`delete from stock_movement where order_id = ${partly}`,
  ],
  [
    2,
    'order_inconsistent',
    'units that went back on hand twice',
    (to, { shopId, sku, partly }) => to`
      insert into stock_movement (id, shop_id, sku, kind, quantity, order_id, command_id)
      values (gen_random_uuid(), ${shopId}, ${sku}, 'return', 1, ${partly}, ${randomUUID()})
    `,
  ],
  [
    3,
    'order_inconsistent',
    'a refund in part that no step has made',
    (to, { partly, refundOfAmount }) =>
      to`delete from order_step where order_id = ${partly} and step = 'refund' and command_id = ${refundOfAmount}`,
  ],
  [
    3,
    'order_inconsistent',
    'a refund in part that its step refused',
    (to, { partly, refundOfAmount }) => to`
      update order_step set reason = 'refund_exceeds_payment'
      where order_id = ${partly} and step = 'refund' and command_id = ${refundOfAmount}
    `,
  ],
  [
    9,
    'order_inconsistent',
    'a refund that is no event of its order',
    (to, { partly, refundOfUnits }) =>
      to`update refund set version = 7 where order_id = ${partly} and command_id = ${refundOfUnits}`,
  ],
  [
    9,
    'order_inconsistent',
    'an event of a refund that is gone',
    async (to, { partly, refundOfAmount }) => {
      await to`delete from refund where order_id = ${partly} and command_id = ${refundOfAmount}`;
      await to`delete from transfer where order_id = ${partly} and command_id = ${refundOfAmount}`;
      await to`update orders set refunded = refunded - 100 where id = ${partly}`;
    },
  ],
  [
    9,
    'order_inconsistent',
    'an event of another command than its refund',
    (to, { partly }) =>
      to`update order_event set command_id = gen_random_uuid() where order_id = ${partly} and version = 3`,
  ],
];
