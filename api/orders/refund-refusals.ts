/** Explains why a refund in part was refused, in sentences that name what is left. */
import type { Database } from '../../db/connection.ts';
import type { Order } from '../../db/orders.ts';
import { findRefundRefusal } from '../../db/refunds.ts';
import type { RefundPart } from '../../domain/order.ts';
import { Problem } from '../problems/problem.ts';
import { PROBLEMS } from '../problems/table.ts';
import { listAtMostFive } from './refusals.ts';

/** Why a refund of a paid order will never be made; undefined while it still may be. */
export async function explainRefusedRefund(
  database: Database,
  order: Order,
  refund: RefundPart & { commandId: string },
): Promise<Problem | undefined> {
  const evident = findExcess(order, refund);
  if (evident) return evident;
  const recorded = await findRefundRefusal(database, order.id, refund.commandId);
  if (recorded === 'refund_exceeds_payment') return exceedsPayment(order);
  return recorded && new Problem(recorded, PROBLEMS[recorded].title);
}

/**
 * What the order itself shows. Ever less of it is left, so what exceeds it now also does so later. Whether units cost more than what is
 * left of the payment, the refund's step decides.
 */
function findExcess(order: Order, { amount, lines }: RefundPart): Problem | undefined {
  if (amount !== undefined && amount > leftOf(order)) return exceedsPayment(order);
  if (lines === undefined) return undefined;
  const bought = new Map(order.lines.map((line) => [line.sku, line.quantity - line.refundedQuantity]));
  const unknown = lines.filter(({ sku }) => !bought.has(sku)).map(({ sku }) => sku);
  if (unknown.length > 0)
    return new Problem('sku_not_in_order', listAtMostFive('The order has no line of', unknown));
  const short = lines.flatMap(({ sku, quantity }) => {
    const left = bought.get(sku) ?? 0;
    return left < quantity ? [`${sku} (${left} of ${quantity})`] : [];
  });
  return short.length === 0
    ? undefined
    : new Problem('refund_exceeds_units', listAtMostFive('Fewer units are left', short));
}

const exceedsPayment = (order: Order): Problem =>
  new Problem(
    'refund_exceeds_payment',
    `Of ${order.total} ${order.currency} that were paid, ${leftOf(order)} are left, in minor units.`,
  );

const leftOf = ({ total, refunded }: Order): number => (total ?? 0) - refunded;
