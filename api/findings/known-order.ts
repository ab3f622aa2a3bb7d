/** What is known of an order besides its rows: what its workflow was started with, and what its caller was answered. */
import { z } from 'zod';
import type { OrderRun } from '../../client/decisions.ts';
import type { OrderFacts } from '../../db/decisions/choices.ts';
import { findAnswer, type KnownOrder } from '../../db/decisions/known-order.ts';
import type { Database } from '../../db/connection.ts';
import { ADJUSTMENT_KINDS, PAYMENT_MODES } from '../../domain/order.ts';

/** An order as it was answered when it was placed, by this release or an earlier one. */
const answerSchema = z.looseObject({
  buyerId: z.string(),
  walletId: z.string(),
  paymentMode: z.enum(PAYMENT_MODES),
  lines: z.array(z.looseObject({ sku: z.string(), quantity: z.number() })).min(1),
  adjustments: z
    .array(
      z.object({
        kind: z.enum(ADJUSTMENT_KINDS),
        label: z.string(),
        amount: z.number(),
        sku: z.string().exactOptional(),
      }),
    )
    .exactOptional(),
  total: z.object({ amount: z.number(), currency: z.string() }).nullable(),
  paymentDeadline: z.string(),
  createdAt: z.string(),
});

/** @param all the whole database: keys belong to callers. */
export async function findFacts(
  all: Database,
  orderId: string,
  run: OrderRun | undefined,
): Promise<OrderFacts> {
  const answer = await findAnswer(all, orderId);
  const answered = answer && answerSchema.safeParse(answer.body).data;
  return {
    known: knownOf(run, answered && { ...answered, shopId: answer.shopId }),
    isAnswered: answer !== undefined,
    workflow: run?.stage,
  };
}

/** The workflow knows what was asked for; only the answer says what that came to. */
function knownOf(
  run: OrderRun | undefined,
  answered: (z.output<typeof answerSchema> & { shopId: string }) | undefined,
): KnownOrder | undefined {
  if (run?.order) return { ...run.order, total: answered?.total ?? null };
  if (!answered) return undefined;
  const { shopId, buyerId, walletId, paymentMode, lines, adjustments, total, paymentDeadline, createdAt } =
    answered;
  return {
    contents: {
      shopId,
      buyerId,
      walletId,
      paymentMode,
      lines: lines.map(({ sku, quantity }) => ({ sku, quantity })),
      ...(adjustments && { adjustments }),
    },
    total,
    paymentDeadline,
    createdAt,
  };
}
