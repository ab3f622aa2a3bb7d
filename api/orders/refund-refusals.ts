/** Explains why a refund in part was refused, in sentences that name what is left. */
import type { Order } from '../../db/orders.ts';
import type { REFUND_REFUSALS, RefundPart } from '../../domain/order.ts';
import { Problem } from '../problems/problem.ts';
import { PROBLEMS } from '../problems/table.ts';
import { listAtMostFive } from './refusals.ts';

/**
 * Why a part of a paid order will never be refunded, as far as its order shows that. Ever less of an order is left, so what exceeds it
 * now also does so later. Whether units cost more than what is left of the payment, the refund's step decides.
 */
export function findRefundFlaw(order: Order, { amount, lines }: RefundPart): Problem | undefined {
  if (lines === undefined) return amount !== undefined && amount > leftOf(order) ? exceeds(order) : undefined;
  const bought = new Map(order.lines.map((line) => [line.sku, line]));
  const unknown = lines.filter(({ sku }) => !bought.has(sku)).map(({ sku }) => sku);
  if (unknown.length > 0)
    return new Problem('sku_not_in_order', listAtMostFive('The order has no line of', unknown));
  const leftUnits = (sku: string): number => {
    const line = bought.get(sku);
    return line ? line.quantity - line.refundedQuantity : 0;
  };
  const short = lines.filter(({ sku, quantity }) => leftUnits(sku) < quantity);
  if (short.length === 0) return undefined;
  const units = short.map(({ sku, quantity }) => `${sku} (${leftUnits(sku)} of ${quantity})`);
  return new Problem('refund_exceeds_units', listAtMostFive('Fewer units are left', units));
}

/** The problem of a part that its step refused. */
export const explainRefusedRefund = (
  order: Order,
  part: RefundPart,
  reason: (typeof REFUND_REFUSALS)[number],
): Problem =>
  findRefundFlaw(order, part) ??
  (reason === 'refund_exceeds_payment' ? exceeds(order) : new Problem(reason, PROBLEMS[reason].title));

const exceeds = (order: Order): Problem =>
  new Problem(
    'refund_exceeds_payment',
    `Of ${order.total} ${order.currency} that were paid, ${leftOf(order)} are left, in minor units.`,
  );

const leftOf = ({ total, refunded }: Order): number => (total ?? 0) - refunded;
