/** The secrets of webhooks: each signs until it expires. They are encrypted before PostgreSQL gets them. */
import type { SealedWith } from '../../domain/key-ring.ts';
import type { Database } from '../connection.ts';

export interface RotateSecret {
  webhookId: string;
  /** Of the new secret, which is the idempotency key: one that is there already stays. */
  id: string;
  secret: SealedWith;
  /** Milliseconds for which the secrets that there are go on signing. */
  overlap: number;
}

/** How many secrets sign at most: each is a signature in every request. */
const MOST_SECRETS = 5;

/** Gives a webhook another secret, and lets the earlier ones expire. Undefined when there is no such webhook. */
export async function rotateSecret(
  database: Database,
  { webhookId, id, secret, overlap }: RotateSecret,
): Promise<{ createdAt: Date; othersUntil: Date | null } | undefined> {
  return database.transaction(async (sql) => {
    // The lock comes first, so that of two rotations at once the later one sees the other's secret.
    const [known] = await sql`
      update webhook set version = version + 1, updated_at = now() where id = ${webhookId} returning id
    `;
    if (!known) return undefined;
    const { count } = await sql`
      insert into webhook_secret (webhook_id, id, sealed, sealing_key, created_at)
      values (${webhookId}, ${id}, ${secret.sealed}, ${secret.key}, clock_timestamp())
      on conflict (webhook_id, id) do nothing
    `;
    if (count > 0)
      await sql`
        -- The oldest of too many end at once.
        with older as (
          select id, row_number() over (order by created_at desc) as place
          from webhook_secret
          where webhook_id = ${webhookId} and id <> ${id} and (expires_at is null or expires_at > now())
        )
        update webhook_secret
        set expires_at = least(
          expires_at,
          -- Not rounded up: what ends at once must not sign for another part of a millisecond.
          date_trunc(
            'milliseconds',
            now() + case when place < ${MOST_SECRETS} then ${overlap}::float8 else 0 end * interval '1 millisecond'
          )
        )
        from older
        where webhook_secret.webhook_id = ${webhookId} and webhook_secret.id = older.id
      `;
    const [made] = await sql<{ createdAt: Date; othersUntil: Date | null }[]>`
      select
        created_at as "createdAt",
        (
          select max(expires_at) from webhook_secret as other
          where other.webhook_id = ${webhookId} and other.id <> ${id} and expires_at > now()
        ) as "othersUntil"
      from webhook_secret
      where webhook_id = ${webhookId} and id = ${id}
    `;
    return made;
  });
}

/**
 * The secret as it is kept. Callers' roles may not read it: only what sends, and what shows a new secret, do.
 * @param database that is not limited to what a caller can reach.
 */
export async function readSecret(
  database: Database,
  { webhookId, id }: { webhookId: string; id: string },
): Promise<SealedWith | undefined> {
  const [found] = await database.run(
    ({ sql }) => sql<SealedWith[]>`
      select sealed, sealing_key as key from webhook_secret where webhook_id = ${webhookId} and id = ${id}
    `,
  );
  return found;
}
