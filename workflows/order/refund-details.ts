/** The sentences that tell an operator, in the Web UI, what a refund does, what it did, and why it did nothing. */
import { ORDER_TOO_OLD, type RefundInput } from '../../domain/order.ts';
import { countUnits } from '../../domain/refund-summary.ts';
import type { Stage } from '../../domain/stages.ts';

export function describeRefund({ orderId, amount, lines, restock }: RefundInput): string {
  if (amount !== undefined)
    return `Gives ${amount} (in minor units) of the money of order ${orderId} back. No units come back with it.`;
  if (lines === undefined) {
    const units = restock ? 'puts the units back on hand' : 'leaves the units sold';
    return `Gives the money of order ${orderId} back and ${units}.`;
  }
  const { all, restocked } = countUnits(lines);
  const units = all === 1 ? '1 unit' : `${all} units`;
  return `Gives the money for ${units} of order ${orderId} back and puts ${restocked} of them back on hand.`;
}

/** @param stage the order's, after the refund. */
export const describeRefunded = ({ orderId }: RefundInput, stage: Stage): string =>
  stage === 'refunded'
    ? `The money of order ${orderId} is back in its wallet.`
    : `This part of the money of order ${orderId} is back in its wallet. The order stays ${stage}.`;

export function explainRefusedRefund({ orderId }: RefundInput, stage: Stage, refusal: string): string {
  switch (refusal) {
    case ORDER_TOO_OLD:
      return `The events of order ${orderId} are no longer kept, so its refund cannot be recorded. The money was not given back.`;
    case 'refund_exceeds_payment':
      return `Less than that is left of the payment of order ${orderId}, so nothing was given back.`;
    case 'refund_exceeds_units':
      return `Fewer units than that are left of order ${orderId}, so nothing was given back.`;
    case 'sku_not_in_order':
      return `Order ${orderId} has no line of one of these SKUs, so nothing was given back.`;
    default:
      return `Order ${orderId} is ${stage}, so there is nothing to refund.`;
  }
}
