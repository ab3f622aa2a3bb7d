/** Why an order or a command was refused, in sentences that name what was missing at the time of asking. */
import { findSkus } from '../../db/skus.ts';
import type { Database } from '../../db/connection.ts';
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import type { Order } from '../../db/orders.ts';
import { findWallet } from '../../db/wallets.ts';
import { REJECTION_REASONS, type RefusalReason, type RejectionReason } from '../../domain/order.ts';
import { Problem } from '../problems/problem.ts';

/** The problem of an order that was rejected. It names the order, which is recorded. */
export async function rejection(database: Database, order: Order): Promise<Problem> {
  const reason = REJECTION_REASONS.find((known) => known === order.reason);
  if (!reason)
    throw new Error(`Order ${order.id} was rejected for a reason that is not known: ${order.reason}`);
  return new Problem(reason, await explanation(database, order, reason), { orderId: order.id });
}

/** The problem of a command that the order's workflow refused. */
export async function refusal(
  database: Database,
  order: Order,
  { reason, detail }: { reason: RefusalReason; detail?: string },
): Promise<Problem> {
  if (reason !== 'insufficient_funds')
    return new Problem(reason, detail ?? SENTENCES[reason] ?? standing(order));
  const after =
    order.stage === 'awaiting_payment'
      ? `Put money in and pay again before ${order.paymentDeadline.toISOString()}.`
      : standing(order);
  return new Problem(reason, `${await explanation(database, order, reason)} ${after}`);
}

/** What is so whatever the order has become since. */
const SENTENCES: Readonly<Partial<Record<RefusalReason, string>>> = {
  order_expired: 'The payment came after the deadline of the order.',
  order_cancelled: 'The payment came after the order was cancelled.',
};

/** How an order stands, as the reason why something else cannot be done with it. */
export function standing({ stage, reason, paymentDeadline }: Order): string {
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

async function explanation(database: Database, order: Order, reason: RejectionReason): Promise<string> {
  switch (reason) {
    case 'unknown_wallet':
      return `There is no wallet ${order.walletId}.`;
    case 'unknown_sku': {
      const known = new Set((await skusOf(database, order)).map(({ sku }) => sku));
      const unknown = order.lines.filter(({ sku }) => !known.has(sku)).map(({ sku }) => sku);
      return listed('Not in the catalogue', unknown);
    }
    case 'currency_mismatch': {
      const currency = (await findWallet(database, order.walletId))?.currency;
      const others = (await skusOf(database, order)).filter((sku) => sku.currency !== currency);
      return listed(
        `The wallet is in ${currency}, and these are not`,
        others.map((sku) => `${sku.sku} in ${sku.currency}`),
      );
    }
    case 'total_limit_exceeded': {
      const total = order.lines.reduce(
        (sum, { quantity, unitPrice }) => sum + BigInt(quantity) * BigInt(unitPrice ?? 0),
        0n,
      );
      return `The order comes to ${total} ${order.currency} in minor units, and an order to ${TOTAL_LIMIT} at most.`;
    }
    case 'out_of_stock': {
      const available = new Map(
        (await skusOf(database, order)).map((sku) => [sku.sku, sku.onHand - sku.reserved]),
      );
      const short = order.lines.filter(({ sku, quantity }) => (available.get(sku) ?? 0) < quantity);
      return listed(
        'Fewer units are available than asked for',
        short.map(({ sku, quantity }) => `${sku} (${available.get(sku) ?? 0} of ${quantity})`),
      );
    }
    case 'insufficient_funds': {
      const wallet = await findWallet(database, order.walletId);
      const available = wallet ? wallet.posted - wallet.held : 0;
      return `The order comes to ${order.total} ${order.currency} and the wallet has ${available}, in minor units.`;
    }
  }
}

const skusOf = (database: Database, { lines }: Order) =>
  findSkus(
    database,
    lines.map(({ sku }) => sku),
  );

/** At most five, as an order may have a hundred. None, when what was missing is there by now. */
function listed(what: string, things: readonly string[]): string {
  if (things.length === 0) return `${what}.`;
  return `${what}: ${things.slice(0, 5).join(', ')}${things.length > 5 ? ' and others' : ''}.`;
}
