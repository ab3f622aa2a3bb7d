/** Explains why an order or a payment was refused, in sentences that name what is missing now. */
import type { Database } from '../../db/connection.ts';
import type { Order } from '../../db/orders.ts';
import { findSkus } from '../../db/skus.ts';
import { findWallet } from '../../db/wallets.ts';
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import {
  REJECTION_REASONS,
  type OrderContents,
  type RefusalReason,
  type RejectionReason,
} from '../../domain/order.ts';
import { Problem } from '../problems/problem.ts';

/** What a caller took the order to cost. */
export type Expected = Pick<OrderContents, 'lines' | 'expectedTotal'>;

/** The problem of an order that was rejected. It names the order, which is recorded. */
export async function explainRejection(
  database: Database,
  order: Order,
  expected: Expected,
): Promise<Problem> {
  const reason = REJECTION_REASONS.find((known) => known === order.reason);
  if (!reason) throw new Error(`Order ${order.id} was rejected for an unknown reason: ${order.reason}`);
  return new Problem(reason, await describeRejection(database, order, reason, expected), {
    orderId: order.id,
  });
}

/** Refusals of a payment that stay true whatever happens to its order later. All others only say how the order was then. */
export const LASTING_REFUSALS = [
  'insufficient_funds',
  'order_has_payments',
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
      return new Problem(reason, "The payment came after the order's deadline.", { orderId: order.id });
    case 'order_cancelled':
      return new Problem(reason, 'The payment came after the order was cancelled.', { orderId: order.id });
    case 'order_has_payments':
      return new Problem(reason, describePart(order), { orderId: order.id });
    case 'insufficient_funds': {
      const missing = await describeRejection(database, order, reason);
      const advice =
        order.stage === 'awaiting_payment'
          ? `Deposit money and pay again before ${order.paymentDeadline.toISOString()}.`
          : describeStage(order);
      return new Problem(reason, `${missing} ${advice}`, { orderId: order.id });
    }
  }
}

/** How much of the order is left for another payment. */
export const describePart = ({ secured, total, currency }: Order): string =>
  `Payments secure ${secured} of ${total} ${currency}, in minor units.`;

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

async function describeRejection(
  database: Database,
  order: Order,
  reason: RejectionReason,
  expected: Expected = order,
): Promise<string> {
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
    case 'price_changed': {
      const expectedOf = new Map(expected.lines.map(({ sku, expectedPrice }) => [sku, expectedPrice]));
      const changed = order.lines.filter(({ sku, unitPrice }) => {
        const price = expectedOf.get(sku);
        return price !== undefined && price !== unitPrice;
      });
      return listAtMostFive(
        'Prices, in minor units, that are not as given',
        changed.map(({ sku, unitPrice }) => `${sku} costs ${unitPrice} and not ${expectedOf.get(sku)}`),
      );
    }
    case 'total_limit_exceeded':
      return `The order totals ${totalOf(order)} ${order.currency} in minor units. The limit is ${TOTAL_LIMIT}.`;
    case 'total_not_positive': {
      const negative = order.lines.filter((line) => netOf(order, line) < 0n);
      return negative.length === 0
        ? `The order totals ${totalOf(order)} ${order.currency} in minor units, and must come to more than zero.`
        : listAtMostFive(
            'Discounts of more than the line',
            negative.map((line) => `${line.sku} comes to ${netOf(order, line)}`),
          );
    }
    case 'total_mismatch': {
      const given = expected.expectedTotal;
      const sum = `The order totals ${order.total} ${order.currency} in minor units`;
      return given ? `${sum}, and not ${given.amount} ${given.currency}.` : `${sum}.`;
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

type Line = Order['lines'][number];

/** What a line comes to, adjustments of the whole order apart. */
const netOf = ({ adjustments }: Order, { sku, quantity, unitPrice }: Line): bigint =>
  BigInt(quantity) * BigInt(unitPrice ?? 0) + sumOf(adjustments.filter((of) => of.sku === sku));

/** What an order comes to whose total is not recorded, because it is none that an order may have. */
const totalOf = ({ lines, adjustments }: Order): bigint =>
  lines.reduce(
    (sum, { quantity, unitPrice }) => sum + BigInt(quantity) * BigInt(unitPrice ?? 0),
    sumOf(adjustments),
  );

const sumOf = (adjustments: Order['adjustments']): bigint =>
  adjustments.reduce((sum, { amount }) => sum + BigInt(amount), 0n);

const findOrderedSkus = (database: Database, { shopId, lines }: Order) =>
  findSkus(
    database,
    shopId,
    lines.map(({ sku }) => sku),
  );

/** Names at most five things, since an order may have a hundred lines, and none if nothing is missing by now. */
export function listAtMostFive(what: string, things: readonly string[]): string {
  if (things.length === 0) return `${what}.`;
  return `${what}: ${things.slice(0, 5).join(', ')}${things.length > 5 ? ' and others' : ''}.`;
}
