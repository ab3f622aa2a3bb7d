/** Changes where and whether a shop's events are sent. */
import { getTableColumns } from 'drizzle-orm';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { webhook as webhooks } from '../schema/webhooks.ts';
import { selectList } from '../select-list.ts';
import { fits, joinTypes, toWebhook, type Webhook, type WebhookVersions } from './webhooks.ts';

/** What is left out stays as it is. */
export interface WebhookChange {
  url?: string | undefined;
  description?: string | null | undefined;
  types?: readonly string[] | null | undefined;
  enabled?: boolean | undefined;
}

export type ChangeWebhook =
  { outcome: 'changed'; webhook: Webhook } | { outcome: 'unknown' | 'precondition_failed' };

const COLUMNS = selectList(getTableColumns(webhooks));

type Changed = typeof webhooks.$inferSelect;

/**
 * Changes a webhook, if it is in one of the versions. Switched on again, or with another address, it starts anew: it has not failed,
 * and what was tried in vain is due at once and has its whole time again.
 */
export async function changeWebhook(
  database: Database,
  { id, ifVersion, change }: { id: string; ifVersion: WebhookVersions | undefined; change: WebhookChange },
): Promise<ChangeWebhook> {
  const changed = await database.transaction(async (sql) => {
    const [locked] = await sql<{ fits: boolean }[]>`
      select ${fits(sql, ifVersion)} as fits
      from webhook where id = ${id}
      for no key update
    `;
    if (!locked) return 'unknown';
    if (!locked.fits) return 'precondition_failed';
    const [row] = await sql<(Changed & { startsAnew: boolean })[]>`${changing(sql, id, change)}`;
    if (!row) return 'unknown';
    const { startsAnew, ...rest } = row;
    if (startsAnew) await startAnew(sql, id);
    return rest;
  });
  return typeof changed === 'string'
    ? { outcome: changed }
    : { outcome: 'changed', webhook: toWebhook(changed) };
}

const changing = (
  sql: Queryable,
  id: string,
  { url, description, types, enabled }: WebhookChange,
): Fragment => sql`
  -- The row is locked: nothing of it changes in between.
  with decided as (
    select
      id,
      ${url === undefined ? sql`url` : sql`${url}`} as url,
      ${description === undefined ? sql`description` : sql`${description}::text`} as description,
      ${types === undefined ? sql`types` : sql`${joinTypes(types)}::text`} as types,
      ${enabled === undefined ? sql`disabled_reason` : enabled ? sql`null` : sql`'owner'`} as disabled_reason,
      ${enabled === true ? sql`state = 'disabled'` : sql`false`}
        or ${url === undefined ? sql`false` : sql`url <> ${url}`} as starts_anew
    from webhook where id = ${id}
  )
  update webhook
  set
    url = decided.url, description = decided.description, types = decided.types,
    state = case when decided.disabled_reason is null then 'active' else 'disabled' end,
    disabled_reason = decided.disabled_reason,
    failures = case when starts_anew then 0 else failures end,
    failing_since = case when starts_anew then null else failing_since end,
    retry_at = case when starts_anew then null else retry_at end,
    version =
      version + (
        (webhook.url, webhook.description, webhook.types, webhook.disabled_reason)
        is distinct from (decided.url, decided.description, decided.types, decided.disabled_reason)
      )::integer,
    updated_at = now()
  from decided
  where webhook.id = decided.id
  returning ${sql.unsafe(COLUMNS)}, decided.starts_anew as "startsAnew"
`;

/** What somebody is sending at this moment is passed over: its sender records the outcome. */
async function startAnew(sql: Queryable, id: string): Promise<void> {
  await sql`
    with tried as materialized (
      select id from webhook_delivery
      where webhook_id = ${id} and state = 'pending' and first_attempt_at is not null
      for no key update skip locked
    )
    update webhook_delivery set due_at = now(), first_attempt_at = null from tried where webhook_delivery.id = tried.id
  `;
}
