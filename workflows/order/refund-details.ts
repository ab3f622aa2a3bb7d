/** The sentences that tell an operator, in the Web UI, what a refund does, what it did, and why it did nothing. */
import { ORDER_TOO_OLD, type RefundInput } from '../../domain/order.ts';
import { countUnits } from '../../domain/refund-summary.ts';
import type { Stage } from '../../domain/stages.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { plain, plural, table } from '../details.ts';
import { waitsForRoom, type StepHealth } from './retry-and-attention.ts';
import { healthRows, withHealth } from './web-ui-details.ts';

/** What the refund does, what keeps it from that, and a table. Markdown. */
export function describeRefund(input: RefundInput, health: StepHealth): string {
  const { orderId, reason } = input;
  return [
    withHealth(health, describeAim(input)),
    table([
      ['Order', `\`${orderId}\`: workflow \`${orderWorkflowId(orderId)}\``],
      ['Asked for, because', plain(reason, 100)],
      ['Waits for', waitsForRoom(health) ? 'room in the wallet' : 'the step `refund`'],
      ...healthRows(health),
    ]),
  ].join('\n\n');
}

function describeAim({ orderId, amount, lines, restock }: RefundInput): string {
  if (amount !== undefined)
    return `Gives ${amount} (in minor units) of the money of order ${orderId} back. No units come back with it.`;
  if (lines === undefined) {
    const units = restock ? 'puts the units back on hand' : 'leaves the units sold';
    return `Gives the money of order ${orderId} back and ${units}.`;
  }
  const { all, restocked } = countUnits(lines);
  return `Gives the money for ${plural(all, 'unit')} of order ${orderId} back and puts ${restocked} of them back on hand.`;
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
