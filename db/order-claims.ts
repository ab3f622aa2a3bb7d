/** Who placed an order, while it is not recorded yet. */
import type { Database } from './connection.ts';

/** Whether the order is recorded where the caller can reach it, or was placed by this caller. */
export async function isReachable(
  database: Database,
  { orderId, caller }: { orderId: string; caller: string },
): Promise<boolean> {
  const [found] = await database.run(
    ({ sql }) => sql<{ reachable: boolean }[]>`
      -- May this caller command the order? Until its reservation is answered, only the key of the call says whose it is.
      select
        exists (select from orders where id = ${orderId})
        or exists (
          select from idempotency_key
          where operation = 'createOrder' and command_id = ${orderId} and caller = ${caller}
        ) as reachable
    `,
  );
  return found?.reachable === true;
}
