/** Refunds of orders, as callers ask for them and see them. */
import { z } from '@hono/zod-openapi';
import type { Refund } from '../../db/refunds.ts';
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import type { RefundInput, RefundLine } from '../../domain/order.ts';
import { REFUND_PAYMENT_STATES } from '../../domain/payments.ts';
import { INCOMPATIBLE } from '../problems/invalid-request.ts';
import { byNumber, pageQuery, pageSchema } from './page.ts';
import { LIMITS, amount, currency, id, instant, reason, skuName, units, whole } from './values.ts';

const restock = (what: string) =>
  z.boolean().openapi({ example: true, description: `Whether ${what} go back on hand` });

const line = z.strictObject({
  sku: skuName,
  quantity: whole(1, LIMITS.quantity).openapi({ example: 1 }),
  restock: restock('these units'),
});

const whatIsLeft = z
  .strictObject({ reason, restock: restock('the units that were not refunded yet') })
  .openapi('RefundRest', { description: 'All that is left of the payment' });

const anAmount = z
  .strictObject({
    reason,
    amount: whole(1, TOTAL_LIMIT).openapi({
      example: 250,
      description: "Minor units of the order's currency",
    }),
  })
  .openapi('RefundAmount', { description: 'An amount. No units are refunded with it' });

const ofUnits = z
  .strictObject({
    reason,
    lines: z.array(line).min(1).max(LIMITS.lines).superRefine(refuseContradiction).openapi({
      description: 'Lines with the same SKU and the same `restock` are added up',
    }),
  })
  .openapi('RefundLines', { description: 'Units, and what they cost with the adjustments of their lines' });

export const refundBody = z
  .union([whatIsLeft, anAmount, ofUnits], {
    error: 'must have a reason, and one of restock, amount and lines',
  })
  .openapi('RefundOrder');

export const refundsQuery = pageQuery('refunds', byNumber(LIMITS.versionDigits));

/** What a refund gave back, in the list of refunds and in events. */
export const givenBack = {
  amount: amount.openapi({ example: 250, description: 'Minor units that were given back' }),
  currency,
  lines: z
    .array(
      z.object({
        sku: skuName,
        quantity: units.openapi({ example: 1 }),
        amount: amount.openapi({ description: 'What these units cost' }),
        restocked: z.boolean(),
      }),
    )
    .openapi({ description: 'Empty in a refund of an amount' }),
};

const refundSchema = z
  .object({
    commandId: id.optional().openapi({
      description: 'The command that caused it. Missing if an operator did, or if it is no longer known',
    }),
    version: z.int().openapi({ example: 3, description: "The order's version after it" }),
    amount: givenBack.amount,
    currency: givenBack.currency,
    reason: z.string(),
    at: instant,
    lines: givenBack.lines,
    payments: z
      .array(
        z.object({
          paymentId: id,
          amount,
          state: z.enum(REFUND_PAYMENT_STATES).openapi({
            description:
              "`owed`: about to be sent. `sent`: where the payment came from. `to_wallet`: into the order's wallet, because the provider refused it for good",
          }),
        }),
      )
      .openapi({
        description: "What of it goes back to payments. The rest went into the order's wallet at once",
      }),
  })
  .openapi('Refund');

export const refundPage = pageSchema(refundSchema, 'RefundPage');

/** What of the order is refunded, as its workflow takes it: lines are one per SKU and sorted, the order in which steps lock SKUs. */
export function toRefundPart(
  body: z.output<typeof refundBody>,
): Pick<RefundInput, 'reason' | 'amount' | 'lines' | 'restock'> {
  if ('restock' in body) return body;
  if ('amount' in body) return { ...body, restock: false };
  const { reason: why, lines } = body;
  return { reason: why, lines: mergeLines(lines), restock: false };
}

function mergeLines(lines: readonly RefundLine[]): RefundLine[] {
  const merged = new Map<string, RefundLine>();
  for (const { quantity, ...each } of lines) {
    const before = merged.get(each.sku)?.quantity ?? 0;
    merged.set(each.sku, { ...each, quantity: before + quantity });
  }
  return [...merged.values()].sort((a, b) => (a.sku < b.sku ? -1 : 1));
}

/** One refund puts the units of a SKU back, or does not. */
function refuseContradiction(lines: readonly RefundLine[], context: z.RefinementCtx): void {
  const restocks = new Map<string, boolean>();
  for (const [index, { sku, restock: isBack }] of lines.entries()) {
    if ((restocks.get(sku) ?? isBack) !== isBack)
      context.addIssue({
        code: 'custom',
        params: INCOMPATIBLE,
        path: [index, 'restock'],
        message: 'differs from another line of this SKU: send two refunds',
      });
    restocks.set(sku, isBack);
  }
}

export const toRefundReply = ({
  commandId,
  version,
  amount: given,
  currency: of,
  reason: why,
  at,
  lines,
  payments,
}: Refund): z.output<typeof refundSchema> => ({
  ...(commandId !== null && { commandId }),
  version,
  amount: given,
  currency: of,
  reason: why,
  at: at.toISOString(),
  lines,
  payments,
});
