/** Repairs of stock: a reservation that outlived its order, and the counters of a SKU. */
import type { Queryable } from '../postgres.ts';
import type { RepairResult } from '../findings.ts';
import { unitsHeld, unitsLeft } from '../rules/stock.ts';
import type { SkuKey } from '../skus.ts';
import { isSold, lockStage } from './order-stage.ts';

/** Gives held units back, or consumes them when the order is paid. @param subject shop/SKU/order. */
export async function endReservation(sql: Queryable, subject: string): Promise<RepairResult> {
  const [shopId = '', sku = '', orderId = ''] = subject.split('/');
  const key = { shopId, sku };
  const stage = await lockStage(sql, orderId);
  const lockedSku = await lockSku(sql, key);
  const [reservation] = await sql<{ quantity: number }[]>`
    select quantity from reservation where order_id = ${orderId} and sku = ${sku} and state = 'held'
  `;
  if (stage === 'awaiting_payment' || !reservation || !lockedSku) return 'nothing wrong';
  const { quantity } = reservation;
  // A reservation that the counter does not include was not created by a step: then only the reservation is wrong.
  const counted = lockedSku.reserved >= lockedSku.held ? quantity : 0;
  const state = isSold(stage) ? 'consumed' : 'released';
  const after = {
    onHand: lockedSku.onHand - (isSold(stage) ? counted : 0),
    reserved: lockedSku.reserved - counted,
  };
  await sql`update reservation set state = ${state} where order_id = ${orderId} and sku = ${sku} and state = 'held'`;
  await setUnits(sql, key, after);
  return {
    done: `${quantity} units of ${sku} were ${isSold(stage) ? 'taken off the shelf, as the order is paid' : 'given back'}.`,
    before: { reservation: 'held', onHand: lockedSku.onHand, reserved: lockedSku.reserved },
    after: { reservation: state, ...after },
  };
}

/** Sets a SKU's counters to what they sum, unless more would be reserved than is on hand. @param subject shop/SKU. */
export async function setStockCounters(sql: Queryable, subject: string): Promise<RepairResult> {
  const [shopId = '', sku = ''] = subject.split('/');
  const key = { shopId, sku };
  const lockedSku = await lockSku(sql, key);
  // Rows of a SKU that is missing.
  if (!lockedSku) return 'for a person';
  // Sums all units that ever came and went, so the other repairs do without it.
  const [sums] = await sql<{ onHand: number }[]>`
    select ${unitsLeft(sql, sql`${shopId}`, sql`${sku}`)}::bigint as "onHand"
  `;
  const before = { onHand: lockedSku.onHand, reserved: lockedSku.reserved };
  const after = { onHand: sums?.onHand ?? 0, reserved: lockedSku.held };
  // More is held than there can be: which of the orders goes without?
  if (after.reserved > after.onHand) return 'for a person';
  if (before.onHand === after.onHand && before.reserved === after.reserved) return 'nothing wrong';
  await setUnits(sql, key, after);
  return { done: 'The counters were set to what they sum.', before, after };
}

interface LockedSku {
  onHand: number;
  reserved: number;
  /** The sum of its reservations. */
  held: number;
}

/** The sum is of a later snapshot than the lock, so no step comes in between: each locks the SKU first. */
async function lockSku(sql: Queryable, { shopId, sku }: SkuKey): Promise<LockedSku | undefined> {
  await sql`select from sku where shop_id = ${shopId} and sku = ${sku} for no key update`;
  const [locked] = await sql<LockedSku[]>`
    select on_hand as "onHand", reserved, ${unitsHeld(sql, sql`${shopId}`, sql`${sku}`)}::bigint as held
    from sku
    where shop_id = ${shopId} and sku = ${sku}
  `;
  return locked;
}

const setUnits = (
  sql: Queryable,
  { shopId, sku }: SkuKey,
  units: { onHand: number; reserved: number },
) => sql`
  update sku set on_hand = ${units.onHand}, reserved = ${units.reserved} where shop_id = ${shopId} and sku = ${sku}
`;
