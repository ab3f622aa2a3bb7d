/** The webhooks of shops. Their secrets are in secrets.ts. */
import { desc, eq, lt } from 'drizzle-orm';
import { MOST_WEBHOOKS } from '../../domain/webhooks.ts';
import type { SealedWith } from '../../domain/key-ring.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { webhook as webhooks } from '../schema/webhooks.ts';

type WebhookRow = typeof webhooks.$inferSelect;

export interface Webhook extends Omit<WebhookRow, 'types'> {
  /** Null for all that there are and will be. */
  types: readonly string[] | null;
}

export interface NewWebhook extends Pick<Webhook, 'id' | 'url' | 'description' | 'types' | 'createdBy'> {
  shopId: string;
  /** The first one, whose id is the webhook's. */
  secret: SealedWith;
}

export type CreateWebhook = { outcome: 'created'; webhook: Webhook } | { outcome: 'too_many' };

/** Registers a webhook with its first secret. Its id is the idempotency key: what is there already stays, with the secret that it has. */
export async function createWebhook(
  database: Database,
  { id, shopId, url, description, types, createdBy, secret }: NewWebhook,
): Promise<CreateWebhook> {
  const created = await database.transaction(async (sql) => {
    // Two that count at once would both find room.
    await sql`select pg_advisory_xact_lock(hashtextextended('webhooks of ' || ${shopId}, 0))`;
    await sql`
      insert into webhook (id, shop_id, url, description, types, created_at, created_by, updated_at)
      select ${id}, ${shopId}, ${url}, ${description}, ${joinTypes(types)}, now(), ${createdBy}, now()
      where (select count(*) from webhook where shop_id = ${shopId}) < ${MOST_WEBHOOKS}
      on conflict (id) do nothing
    `;
    // A statement of its own: whether the caller can reach its secrets depends on the webhook, which it must see.
    return sql`
      insert into webhook_secret (webhook_id, id, sealed, sealing_key, created_at)
      select id, id, ${secret.sealed}, ${secret.key}, now() from webhook where id = ${id}
      on conflict (webhook_id, id) do nothing
    `;
  });
  const webhook = await findWebhook(database, id);
  if (webhook) return { outcome: 'created', webhook };
  if (created.count === 0) return { outcome: 'too_many' };
  throw new Error(`Webhook ${id} was removed while it was made.`);
}

export async function findWebhook(database: Database, id: string): Promise<Webhook | undefined> {
  const [found] = await database.run(({ orm }) => orm.select().from(webhooks).where(eq(webhooks.id, id)));
  return found && toWebhook(found);
}

/** Webhooks, newest first (ids sort by time), beginning after `before`. */
export async function listWebhooks(
  database: Database,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<Webhook[]> {
  const rows = await database.run(({ orm }) =>
    orm
      .select()
      .from(webhooks)
      .where(before === undefined ? undefined : lt(webhooks.id, before))
      .orderBy(desc(webhooks.id))
      .limit(limit),
  );
  return rows.map(toWebhook);
}

/** Removes a webhook with its secrets. What was to be sent to it is sent no more. Returns whether there was one. */
export async function removeWebhook(
  database: Database,
  { id, ifVersion }: { id: string; ifVersion: WebhookVersions | undefined },
): Promise<'removed' | 'unknown' | 'precondition_failed'> {
  const [judged] = await database.run(
    ({ sql }) => sql<{ fits: boolean }[]>`
      with locked as materialized (
        select id, ${fits(sql, ifVersion)} as fits
        from webhook where id = ${id} for update
      ),
      removed as (
        delete from webhook where id in (select id from locked where fits)
      )
      select fits from locked
    `,
  );
  if (!judged) return 'unknown';
  return judged.fits ? 'removed' : 'precondition_failed';
}

/** In which versions of a webhook a change may be made. */
export type WebhookVersions = 'any' | readonly number[];

/** Whether the webhook is in one of the versions. */
export function fits(sql: Queryable, versions: WebhookVersions | undefined): Fragment {
  if (versions === undefined || versions === 'any') return sql`true`;
  return versions.length === 0 ? sql`false` : sql`version in ${sql(versions)}`;
}

export const joinTypes = (types: readonly string[] | null): string | null => types && types.join(' ');

export const toWebhook = ({ types, ...rest }: WebhookRow): Webhook => ({
  ...rest,
  types: types === null ? null : types.split(' '),
});
