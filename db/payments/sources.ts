/** Keeps what a buyer pays with, until the payment is known. Only readPaymentToAdvance reads it. */
import type { Database } from '../connection.ts';

export interface NewPaymentSource {
  paymentId: string;
  shopId: string;
  source: string;
}

/** Of a payment that is about to be opened. What is recorded stays, and once the payment is known nothing is recorded again. */
export async function keepPaymentSource(
  database: Database,
  { paymentId, shopId, source }: NewPaymentSource,
): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      insert into payment_source (payment_id, shop_id, source)
      select ${paymentId}, ${shopId}, ${source}
      where not exists (select from payment where id = ${paymentId} and state <> 'pending')
      on conflict do nothing
    `,
  );
}

/** Removes sources that were recorded before, however their payments ended. Returns how many. */
export async function removeOldSources(database: Database, before: Date): Promise<number> {
  const { count } = await database.run(
    ({ sql }) => sql`delete from payment_source where recorded_at < ${before}`,
  );
  return count;
}
