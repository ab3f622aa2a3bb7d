/** Keeps what payment providers send. It changes no payment: it only makes Holdfast ask. */
import type { NotificationState } from '../../domain/payments.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';

export interface NewNotification {
  /** The header `webhook-id`. */
  id: string;
  /** Whose payment it says it is about. */
  reference: string;
  /** The payment's id at its provider. */
  providerId: string;
  type: string;
  receivedAt: Date;
}

export interface Notification extends NewNotification {
  state: NotificationState;
  /** The payment that it is about, and its order; null when nobody here asked for a payment with this reference. */
  paymentId: string | null;
  orderId: string | null;
}

const columns = (sql: Queryable): Fragment => sql`
  kept.id, reference, kept.provider_id as "providerId", type, received_at as "receivedAt", kept.state, about.id as "paymentId",
  about.order_id as "orderId"`;

/** The payment that the reference of `kept` names. A reference that is no UUID names none. */
const about = (sql: Queryable): Fragment => sql`
  left join payment as about
    on about.id = case when reference ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then reference::uuid end`;

/**
 * Keeps a notification: `received` when its payment is known, and otherwise `unmatched`. One that comes again is the one that is kept.
 */
export async function keepNotification(
  database: Database,
  { id, reference, providerId, type, receivedAt }: NewNotification,
): Promise<Notification> {
  const keep = () =>
    database.run(
      ({ sql }) => sql<Notification[]>`
        with
        arrived as (
          select
            ${id}::text as id, ${reference}::text as reference, ${providerId}::text as provider_id, ${type}::text as type,
            ${receivedAt}::timestamptz as received_at
        ),
        new as (
          insert into payment_notification (id, reference, provider_id, type, received_at, state)
          select kept.id, reference, kept.provider_id, type, received_at, case when about.id is null then 'unmatched' else 'received' end
          from arrived as kept ${about(sql)}
          on conflict do nothing
          returning *
        )
        select ${columns(sql)}
        from (select * from new union all select * from payment_notification where id = ${id}) as kept ${about(sql)}
      `,
    );
  const [kept] = await keep();
  // No row: the same notification was kept after this statement's snapshot. The next snapshot shows it.
  const [known] = kept ? [kept] : await keep();
  if (known) return known;
  throw new Error(`Notification ${id} was removed while it was kept.`);
}

/** The last notification of a page: the next page begins after it. */
export interface NotificationCursor {
  receivedAt: Date;
  id: string;
}

/** Before all notifications. */
const FIRST: NotificationCursor = { receivedAt: new Date(0), id: '' };

/** A page of the notifications that nothing was done about yet, the oldest first. */
export async function listWaitingNotifications(
  database: Database,
  { after = FIRST, limit }: { after?: NotificationCursor | undefined; limit: number },
): Promise<Notification[]> {
  const rows = await database.run(
    ({ sql }) => sql<Notification[]>`
      select ${columns(sql)}
      from (
        select * from payment_notification
        where
          state in ('received', 'unmatched')
          and (received_at, id) > (${after.receivedAt}::timestamptz, ${after.id}::text)
        order by received_at, id
        limit ${limit}
      ) as kept
      ${about(sql)}
      order by received_at, kept.id
    `,
  );
  return [...rows];
}

/** Once the provider was asked about a payment: what it sent about it before is handled. Returns how many that were. */
export async function markNotificationsHandled(
  database: Database,
  { reference, receivedUntil, at }: { reference: string; receivedUntil: Date; at: Date },
): Promise<number> {
  const { count } = await database.run(
    ({ sql }) => sql`
      update payment_notification set state = 'handled', handled_at = ${at}
      where reference = ${reference} and received_at <= ${receivedUntil} and state in ('received', 'unmatched')
    `,
  );
  return count;
}

/** What is known under the reference of an unmatched notification was given back. Returns whether it was still waiting. */
export async function endNotification(
  database: Database,
  { id, at }: { id: string; at: Date },
): Promise<boolean> {
  const { count } = await database.run(
    ({ sql }) => sql`
      update payment_notification set state = 'returned', handled_at = ${at}
      where id = ${id} and state in ('received', 'unmatched')
    `,
  );
  return count > 0;
}
