/**
 * What the reserve statement does besides, for orders that have adjustments or say what they expect to cost. Orders have neither as a
 * rule, and then all of these parts are empty: their statement is shorter, and costs no more than before.
 */
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { readAdjustments, recordAdjustments } from './adjustments.ts';
import type { PlacedOrder } from './step.ts';

/** Each is put where its name says. What begins a list's next item brings the comma. */
export interface Terms {
  parts: Fragment;
  requestColumns: Fragment;
  requestTypes: Fragment;
  lineColumns: Fragment;
  lineTypes: Fragment;
  pricedColumns: Fragment;
  pricedJoin: Fragment;
  demandGroups: Fragment;
  /** What the order comes to, as numeric. */
  total: Fragment;
  isTotal: Fragment;
  priceRefusal: Fragment;
  totalRefusals: Fragment;
  orderLineColumns: Fragment;
  orderLineValues: Fragment;
  recordParts: Fragment;
}

const hasTerms = ({ lines, adjustments = [], expectedTotal }: PlacedOrder): boolean =>
  adjustments.length > 0 ||
  expectedTotal !== undefined ||
  lines.some(({ expectedPrice }) => expectedPrice !== undefined);

/** The parts for these orders: as soon as one of them has terms, its statement asks for the terms of all. */
export const termsOf = (sql: Queryable, orders: readonly PlacedOrder[]): Terms =>
  orders.some(hasTerms) ? someTerms(sql, orders) : noTerms(sql);

function noTerms(sql: Queryable): Terms {
  const nothing = sql``;
  return {
    parts: nothing,
    requestColumns: nothing,
    requestTypes: nothing,
    lineColumns: nothing,
    lineTypes: nothing,
    pricedColumns: nothing,
    pricedJoin: nothing,
    demandGroups: nothing,
    total: sql`sum(priced.amount)`,
    isTotal: sql`sum(priced.amount) <= ${TOTAL_LIMIT}`,
    priceRefusal: nothing,
    totalRefusals: nothing,
    orderLineColumns: nothing,
    orderLineValues: nothing,
    recordParts: nothing,
  };
}

function someTerms(sql: Queryable, orders: readonly PlacedOrder[]): Terms {
  const total = sql`(sum(priced.amount) + request.adjusted)`;
  return {
    parts: sql`${readAdjustments(sql, orders)},`,
    requestColumns: sql`,
      coalesce((select sum(amount) from adjustment where adjustment.place = request.place), 0) as adjusted,
      ("expectedTotal" ->> 'amount')::numeric as expected_total,
      "expectedTotal" ->> 'currency' as expected_currency`,
    requestTypes: sql`, "expectedTotal" jsonb`,
    // The same SKU on two lines may come with two prices, of which one at least is wrong.
    lineColumns: sql`,
      min(line."expectedPrice") as least_expected, max(line."expectedPrice") as most_expected`,
    lineTypes: sql`, "expectedPrice" bigint`,
    pricedColumns: sql`,
      least_expected <> locked_sku.price or most_expected <> locked_sku.price as is_unexpected,
      coalesce(adjusted_line.amount, 0) as adjustment`,
    pricedJoin: sql`left join adjusted_line using (place, sku)`,
    demandGroups: sql`, adjusted, expected_total, expected_currency`,
    total,
    isTotal: sql`${total} between 1 and ${TOTAL_LIMIT}`,
    priceRefusal: sql`when bool_or(is_unexpected) then 'price_changed'`,
    totalRefusals: sql`
      when ${total} <= 0 or bool_or(priced.amount + adjustment < 0) then 'total_not_positive'
      when ${total} <> expected_total or expected_currency <> request.currency then 'total_mismatch'`,
    orderLineColumns: sql`, adjustment`,
    orderLineValues: sql`, priced.adjustment`,
    recordParts: sql`${recordAdjustments(sql, sql`select order_id, place from claim`)},`,
  };
}
