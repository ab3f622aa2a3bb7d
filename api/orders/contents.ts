/** What a request to place an order asks for, as its workflow gets it. What a caller notes for itself stays out of that. */
import type { z } from '@hono/zod-openapi';
import type { Caller } from '../../domain/access.ts';
import type { OrderContents, OrderLine } from '../../domain/order.ts';
import { Problem } from '../problems/problem.ts';
import type { createOrderBody } from '../schemas/orders.ts';

export type CreateOrder = z.output<typeof createOrderBody>;

export function toContents({
  buyerId,
  walletId,
  paymentMode,
  lines,
  adjustments = [],
  total,
}: CreateOrder): OrderContents {
  return {
    buyerId,
    walletId,
    paymentMode,
    lines: mergeLines(lines),
    ...(adjustments.length > 0 && {
      adjustments: adjustments.map(({ sku, ...adjustment }) => ({
        ...adjustment,
        ...(sku !== undefined && { sku }),
      })),
    }),
    ...(total && { expectedTotal: total }),
  };
}

/** Merges lines of the same SKU and sorts them by SKU, the order in which steps lock SKUs. Their prices are the same, or not given. */
function mergeLines(lines: CreateOrder['lines']): OrderLine[] {
  const merged = new Map<string, OrderLine>();
  for (const { sku, quantity, unitPrice } of lines) {
    const before = merged.get(sku);
    const expectedPrice = unitPrice ?? before?.expectedPrice;
    merged.set(sku, {
      sku,
      quantity: (before?.quantity ?? 0) + quantity,
      ...(expectedPrice !== undefined && { expectedPrice }),
    });
  }
  return [...merged.values()].sort((a, b) => (a.sku < b.sku ? -1 : 1));
}

/**
 * A buyer would give itself a discount.
 * @throws {Problem} `forbidden`, before an Idempotency-Key is claimed: no answer is kept.
 */
export function requireSeller({ roles }: Caller, { adjustments = [] }: CreateOrder): void {
  if (adjustments.length > 0 && !roles.includes('merchant'))
    throw new Problem('forbidden', 'Only a merchant may give adjustments: these credentials are of none.');
}
