/** Who placed an order, while it is not recorded yet. */
import type { Caller } from '../domain/access.ts';
import type { Database } from './connection.ts';

/**
 * Whether this caller placed the order, in the shop that it works in now.
 * @param database unlimited: a call's key belongs to its caller, and to nothing that a caller can reach.
 */
export async function isPlacedBy(
  database: Database,
  { id, shop }: Pick<Caller, 'id' | 'shop'>,
  orderId: string,
): Promise<boolean> {
  const found = await database.run(
    ({ sql }) => sql`
      -- May this caller command the order? Until its reservation is answered, only the key of the call says whose it is.
      select from idempotency_key
      where operation = 'createOrder' and command_id = ${orderId} and caller = ${id} and shop_id = ${shop}
    `,
  );
  return found.length > 0;
}
