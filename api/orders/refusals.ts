/** Explains why an order or a payment was refused, in sentences that name what is missing now. */
import type { Database } from '../../db/connection.ts';
import type { Order } from '../../db/orders.ts';
import { findSkus } from '../../db/skus.ts';
import { findWallet } from '../../db/wallets.ts';
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import { REJECTION_REASONS, type RefusalReason, type RejectionReason } from '../../domain/order.ts';
import { Problem } from '../problems/problem.ts';

/** The problem of an order that was rejected. It names the order, which is recorded. */
export async function explainRejection(database: Database, order: Order): Promise<Problem> {
  const reason = REJECTION_REASONS.find((known) => known === order.reason);
  if (!reason) throw new Error(`Order ${order.id} was rejected for an unknown reason: ${order.reason}`);
  return new Problem(reason, await describeRejection(database, order, reason), { orderId: order.id });
}

/** Refusals of a payment that stay true whatever happens to its order later. All others only say how the order was then. */
export const LASTING_REFUSALS = [
  'insufficient_funds',
  'order_expired',
  'order_cancelled',
] as const satisfies readonly RefusalReason[];

/** The problem of a payment that was refused for good. */
export async function explainRefusedPayment(
  database: Database,
  order: Order,
  reason: (typeof LASTING_REFUSALS)[number],
): Promise<Problem> {
  switch (reason) {
    case 'order_expired':
      return new Problem(reason, "The payment came after the order's deadline.");
    case 'order_cancelled':
      return new Problem(reason, 'The payment came after the order was cancelled.');
    case 'insufficient_funds': {
      const missing = await describeRejection(database, order, reason);
      const advice =
        order.stage === 'awaiting_payment'
          ? `Deposit money and pay again before ${order.paymentDeadline.toISOString()}.`
          : describeStage(order);
      return new Problem(reason, `${missing} ${advice}`);
    }
  }
}

/** The order's stage as a sentence: the reason why something else cannot be done with the order. */
export function describeStage({ stage, reason, paymentDeadline }: Order): string {
  switch (stage) {
    case 'awaiting_payment':
      return 'The order is not paid yet.';
    case 'paid':
      return 'The order is already paid.';
    case 'refunded':
      return 'The order is already refunded.';
    case 'cancelled':
      return 'The order was cancelled.';
    case 'expired':
      return `The order expired: it was not paid by ${paymentDeadline.toISOString()}.`;
    case 'rejected':
      return `The order was rejected: ${reason}.`;
  }
}

async function describeRejection(database: Database, order: Order, reason: RejectionReason): Promise<string> {
  switch (reason) {
    case 'unknown_wallet':
      return `There is no wallet ${order.walletId}.`;
    case 'wallet_not_allowed':
      return `The wallet ${order.walletId} is not of buyer ${order.buyerId}, and its owner has not permitted them to use it.`;
    case 'unknown_sku': {
      const known = new Set((await findOrderedSkus(database, order)).map(({ sku }) => sku));
      const unknown = order.lines.filter(({ sku }) => !known.has(sku)).map(({ sku }) => sku);
      return listAtMostFive('Not in the catalogue', unknown);
    }
    case 'currency_mismatch': {
      const currency = (await findWallet(database, order.walletId))?.currency;
      // Who may order with somebody's wallet may not see it.
      if (currency === undefined) return 'Not all SKUs are in the currency of the wallet.';
      const others = (await findOrderedSkus(database, order)).filter((sku) => sku.currency !== currency);
      return listAtMostFive(
        `The wallet is in ${currency}, but these SKUs are not`,
        others.map((sku) => `${sku.sku} in ${sku.currency}`),
      );
    }
    case 'total_limit_exceeded': {
      const total = order.lines.reduce(
        (sum, { quantity, unitPrice }) => sum + BigInt(quantity) * BigInt(unitPrice ?? 0),
        0n,
      );
      return `The order totals ${total} ${order.currency} in minor units. The limit is ${TOTAL_LIMIT}.`;
    }
    case 'out_of_stock': {
      const available = new Map(
        (await findOrderedSkus(database, order)).map((sku) => [sku.sku, sku.onHand - sku.reserved]),
      );
      const short = order.lines.filter(({ sku, quantity }) => (available.get(sku) ?? 0) < quantity);
      return listAtMostFive(
        'Not enough units are available',
        short.map(({ sku, quantity }) => `${sku} (${available.get(sku) ?? 0} of ${quantity})`),
      );
    }
    case 'insufficient_funds': {
      const wallet = await findWallet(database, order.walletId);
      // Who may pay from somebody's wallet may not see how much is in it.
      const available = wallet ? wallet.posted - wallet.held : 'less';
      return `The order totals ${order.total} ${order.currency} and the wallet has ${available}, in minor units.`;
    }
  }
}

const findOrderedSkus = (database: Database, { shopId, lines }: Order) =>
  findSkus(
    database,
    shopId,
    lines.map(({ sku }) => sku),
  );

/** Names at most five things, since an order may have a hundred lines, and none if nothing is missing by now. */
function listAtMostFive(what: string, things: readonly string[]): string {
  if (things.length === 0) return `${what}.`;
  return `${what}: ${things.slice(0, 5).join(', ')}${things.length > 5 ? ' and others' : ''}.`;
}
