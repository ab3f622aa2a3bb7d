/** Keeps track of the notices of alerts that each receiver has yet to take. */
import { and, asc, eq, isNull } from 'drizzle-orm';
import type { AlertReceiver } from '../../domain/alert-receivers.ts';
import type { AlertEvent, Measure } from '../../domain/measures.ts';
import type { Database } from '../connection.ts';
import { alert, alertDelivery, alertNotice, alertReceiver } from '../schema/operations.ts';
import { MONITOR_LOCK } from './measurements.ts';

type AlertRow = typeof alert.$inferSelect;
type NoticeRow = typeof alertNotice.$inferSelect;

/** An opening or closing as it is sent to a receiver: the same at every attempt. */
export interface Notice extends Pick<NoticeRow, 'event' | 'at' | 'value' | 'subjects'> {
  alert: Pick<AlertRow, 'id' | 'name' | 'openedAt' | 'threshold'>;
}

/** The notices of a measure for one receiver: they arrive in order, and wait for no other. */
export interface Line {
  name: Measure;
  receiver: AlertReceiver;
}

/** Which receivers there are, by name. */
export const listReceivers = async (database: Database): Promise<AlertReceiver[]> => {
  const rows = await database.run(({ orm }) =>
    orm.select().from(alertReceiver).orderBy(asc(alertReceiver.receiver)),
  );
  return rows.map(({ receiver }) => receiver);
};

/**
 * Makes these the receivers. One that is new is sent what is open and what comes after, not what was over; what waits for one that is no
 * longer there is forgotten.
 */
export async function keepReceivers(database: Database, receivers: readonly AlertReceiver[]): Promise<void> {
  await database.transaction(async (sql) => {
    // A run that opens or closes an alert right now reads who the receivers are.
    await sql`select pg_advisory_xact_lock(${MONITOR_LOCK})`;
    await sql`
      with
      configured as (
        select receiver from jsonb_array_elements_text(${JSON.stringify(receivers)}::text::jsonb) as receiver
      ),
      gone as (
        delete from alert_receiver where receiver not in (select receiver from configured)
      ),
      forgotten as (
        delete from alert_delivery
        where delivered_at is null and receiver not in (select receiver from configured)
      ),
      added as (
        insert into alert_receiver (receiver) select receiver from configured on conflict do nothing
        returning receiver
      )
      insert into alert_delivery (alert_id, event, receiver)
      select notice.alert_id, notice.event, added.receiver
      from alert join alert_notice as notice on notice.alert_id = alert.id cross join added
      where alert.closed_at is null
      -- It was there before, and got this one.
      on conflict do nothing
    `;
  });
}

/** The lines in which something waits. */
export function listUndelivered(database: Database): Promise<Line[]> {
  return database.run(({ orm }) =>
    orm
      .selectDistinct({ name: alert.name, receiver: alertDelivery.receiver })
      .from(alertDelivery)
      .innerJoin(alert, eq(alert.id, alertDelivery.alertId))
      .where(isNull(alertDelivery.deliveredAt))
      .orderBy(asc(alert.name), asc(alertDelivery.receiver)),
  );
}

/** The oldest notice that waits in a line. */
export async function nextNotice(database: Database, { name, receiver }: Line): Promise<Notice | undefined> {
  const [notice] = await database.run(({ orm }) =>
    orm
      .select({
        event: alertNotice.event,
        at: alertNotice.at,
        value: alertNotice.value,
        subjects: alertNotice.subjects,
        alert: { id: alert.id, name: alert.name, openedAt: alert.openedAt, threshold: alert.threshold },
      })
      .from(alertDelivery)
      .innerJoin(
        alertNotice,
        and(eq(alertNotice.alertId, alertDelivery.alertId), eq(alertNotice.event, alertDelivery.event)),
      )
      .innerJoin(alert, eq(alert.id, alertDelivery.alertId))
      .where(
        and(eq(alert.name, name), eq(alertDelivery.receiver, receiver), isNull(alertDelivery.deliveredAt)),
      )
      .orderBy(asc(alertNotice.at))
      .limit(1),
  );
  return notice;
}

/** Marks a notice as delivered. One that is marked already stays as it is. */
export async function markDelivered(
  database: Database,
  { alertId, event, receiver }: { alertId: string; event: AlertEvent; receiver: AlertReceiver },
  deliveredAt: Date,
): Promise<void> {
  await database.run(({ orm }) =>
    orm
      .update(alertDelivery)
      .set({ deliveredAt })
      .where(
        and(
          eq(alertDelivery.alertId, alertId),
          eq(alertDelivery.event, event),
          eq(alertDelivery.receiver, receiver),
          isNull(alertDelivery.deliveredAt),
        ),
      ),
  );
}
