/** Decides which orders get what they ask for, first come first served, on what is locked. */
import type { PlacedOrder } from '../../../db/steps/step.ts';
import { TOTAL_LIMIT } from '../../../domain/limits.ts';
import type { RejectionReason } from '../../../domain/order.ts';

export interface LockedSku {
  sku: string;
  price: number;
  currency: string;
  available: number;
}

export interface LockedWallet {
  id: string;
  currency: string;
  /** Null when it is not locked. */
  available: number | null;
}

export interface Decision {
  order: PlacedOrder;
  stage: 'awaiting_payment' | 'rejected';
  reason: RejectionReason | null;
  total: number | null;
  currency: string | null;
  lines: { sku: string; quantity: number; price: number | null }[];
}

/** An order without lines, or with a hold on a wallet that is not locked, cannot be decided and is left out. */
export function decideReservations(
  orders: readonly PlacedOrder[],
  skus: readonly LockedSku[],
  wallets: readonly LockedWallet[],
): Decision[] {
  const terms = new Map(skus.map((sku) => [sku.sku, sku]));
  const units = new Map(skus.map(({ sku, available }) => [sku, available]));
  const currencies = new Map(wallets.map(({ id, currency }) => [id, currency]));
  const funds = new Map(wallets.map(({ id, available }) => [id, available]));

  function decide(order: PlacedOrder): Decision | undefined {
    const { walletId, paymentMode } = order;
    const lines = sumBySku(order.lines).map(([sku, quantity]) => ({
      sku,
      quantity,
      price: terms.get(sku)?.price ?? null,
    }));
    if (lines.length === 0) return undefined;
    const currency = currencies.get(walletId);
    const isPriced = lines.every(
      ({ sku }) => currency !== undefined && terms.get(sku)?.currency === currency,
    );
    // One line alone may come to more than a number holds exactly.
    const total = lines.reduce((sum, { quantity, price }) => sum + BigInt(quantity) * BigInt(price ?? 0), 0n);
    const isPayable = total <= BigInt(TOTAL_LIMIT);
    const payer = paymentMode === 'hold' ? (funds.get(walletId) ?? null) : Infinity;

    const findReason = (): RejectionReason | 'undecided' | null => {
      if (currency === undefined) return 'unknown_wallet';
      if (lines.some(({ price }) => price === null)) return 'unknown_sku';
      if (!isPriced) return 'currency_mismatch';
      if (!isPayable) return 'total_limit_exceeded';
      if (lines.some(({ sku, quantity }) => (units.get(sku) ?? 0) < quantity)) return 'out_of_stock';
      if (payer === null) return 'undecided';
      return payer < total ? 'insufficient_funds' : null;
    };
    const reason = findReason();
    if (reason === 'undecided') return undefined;
    if (reason === null) {
      for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) - quantity);
      if (paymentMode === 'hold' && payer !== null) funds.set(walletId, payer - Number(total));
    }
    return {
      order,
      stage: reason === null ? 'awaiting_payment' : 'rejected',
      reason,
      total: isPriced && isPayable ? Number(total) : null,
      currency: isPriced && currency !== undefined ? currency : null,
      lines,
    };
  }
  return orders.flatMap((order) => decide(order) ?? []);
}

/** The same SKU on two lines is one reservation. */
function sumBySku(lines: PlacedOrder['lines']): [string, number][] {
  const quantities = new Map<string, number>();
  for (const { sku, quantity } of lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  return [...quantities];
}
