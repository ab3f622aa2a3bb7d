/** Which buyers may pay from a wallet that is not their own. */
import { and, eq } from 'drizzle-orm';
import type { Database } from './connection.ts';
import { walletPermission } from './schema/wallets.ts';

export type WalletPermission = typeof walletPermission.$inferSelect;

type Subject = Pick<WalletPermission, 'walletId' | 'buyerId'>;

const isOf = ({ walletId, buyerId }: Subject) =>
  and(eq(walletPermission.walletId, walletId), eq(walletPermission.buyerId, buyerId));

export interface AllowBuyer {
  outcome: 'created' | 'unchanged';
  permission: WalletPermission;
}

/** Lets a buyer order with this wallet. Undefined when there is no such wallet. */
export async function allowBuyer(
  database: Database,
  { walletId, buyerId }: Subject,
): Promise<AllowBuyer | undefined> {
  const [created] = await database.run(
    ({ sql }) => sql<WalletPermission[]>`
      -- Is there such a wallet? Then the buyer may use it from now on.
      insert into wallet_permission (wallet_id, buyer_id)
      select id, ${buyerId} from wallet where id = ${walletId}
      on conflict do nothing
      returning wallet_id as "walletId", buyer_id as "buyerId", recorded_at as "recordedAt"
    `,
  );
  if (created) return { outcome: 'created', permission: created };
  const permission = await findPermission(database, { walletId, buyerId });
  return permission && { outcome: 'unchanged', permission };
}

/** The orders that this buyer placed with the wallet stay, and can be paid. */
export async function disallowBuyer(database: Database, subject: Subject): Promise<void> {
  await database.run(({ orm }) => orm.delete(walletPermission).where(isOf(subject)));
}

export async function findPermission(
  database: Database,
  subject: Subject,
): Promise<WalletPermission | undefined> {
  const [found] = await database.run(({ orm }) => orm.select().from(walletPermission).where(isOf(subject)));
  return found;
}
