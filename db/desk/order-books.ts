/** Reads what an order did to stock and money, as the operations page shows it. */
import { and, asc, eq, inArray } from 'drizzle-orm';
import type { Database } from '../connection.ts';
import { reservation } from '../schema/skus.ts';
import { entry, hold, transfer } from '../schema/wallets.ts';

export interface OrderBooks {
  /** In SKU order. */
  reservations: Pick<typeof reservation.$inferSelect, 'sku' | 'quantity' | 'state'>[];
  /** Of an order in mode `hold`. */
  hold: Pick<typeof hold.$inferSelect, 'amount' | 'state'> | undefined;
  /** The legs of the order's payment and refunds, first to last. What is of payments in parts is in payments/payments.ts. */
  legs: BookedLeg[];
}

export interface BookedLeg extends Pick<
  typeof entry.$inferSelect,
  'account' | 'amount' | 'currency' | 'walletId'
> {
  kind: (typeof transfer.$inferSelect)['kind'];
  recordedAt: Date;
}

/** Empty for an order that is not within reach. */
export async function readOrderBooks(database: Database, orderId: string): Promise<OrderBooks> {
  const reservations = await database.run(({ orm }) =>
    orm
      .select({ sku: reservation.sku, quantity: reservation.quantity, state: reservation.state })
      .from(reservation)
      .where(eq(reservation.orderId, orderId))
      .orderBy(asc(reservation.sku)),
  );
  const [held] = await database.run(({ orm }) =>
    orm.select({ amount: hold.amount, state: hold.state }).from(hold).where(eq(hold.orderId, orderId)),
  );
  // Payments and refunds have an index each, which the condition must name.
  const paid = await listLegs(database, orderId, ['debit', 'capture']);
  const refunded = await listLegs(database, orderId, ['refund']);
  return { reservations, hold: held, legs: [...paid, ...refunded] };
}

async function listLegs(
  database: Database,
  orderId: string,
  kinds: (typeof transfer.$inferSelect)['kind'][],
): Promise<BookedLeg[]> {
  return database.run(({ orm }) =>
    orm
      .select({
        kind: transfer.kind,
        recordedAt: transfer.recordedAt,
        account: entry.account,
        amount: entry.amount,
        currency: entry.currency,
        walletId: entry.walletId,
      })
      .from(transfer)
      .innerJoin(entry, eq(entry.transferId, transfer.id))
      .where(and(eq(transfer.orderId, orderId), inArray(transfer.kind, kinds)))
      .orderBy(asc(entry.seq)),
  );
}
