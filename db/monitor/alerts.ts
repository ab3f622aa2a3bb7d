/** Reads alerts, and keeps track of the notices of them that a receiver has yet to take. */
import { and, asc, desc, eq, inArray, isNotNull, isNull, lt } from 'drizzle-orm';
import type { AlertEvent, Measure } from '../../domain/measures.ts';
import type { Database } from '../connection.ts';
import { alert, alertNotice } from '../schema/operations.ts';

type AlertRow = typeof alert.$inferSelect;
type NoticeRow = typeof alertNotice.$inferSelect;

export const ALERT_STATES = ['open', 'closed'] as const;

export interface AlertWithNotices extends AlertRow {
  /** Oldest first. */
  notices: Pick<NoticeRow, 'event' | 'at' | 'deliveredAt'>[];
}

/** Alerts, newest first, from the one before `before` on. */
export async function listAlerts(
  database: Database,
  { state, name }: { state?: (typeof ALERT_STATES)[number] | undefined; name?: Measure | undefined },
  { before, limit }: { before: string | undefined; limit: number },
): Promise<AlertWithNotices[]> {
  return database.run(async ({ orm }) => {
    const alerts = await orm
      .select()
      .from(alert)
      .where(
        and(
          state && (state === 'open' ? isNull(alert.closedAt) : isNotNull(alert.closedAt)),
          name && eq(alert.name, name),
          before === undefined ? undefined : lt(alert.id, before),
        ),
      )
      .orderBy(desc(alert.id))
      .limit(limit);
    if (alerts.length === 0) return [];
    const ids = alerts.map(({ id }) => id);
    const notices = await orm
      .select()
      .from(alertNotice)
      .where(inArray(alertNotice.alertId, ids))
      .orderBy(asc(alertNotice.at));
    return alerts.map((one) => ({ ...one, notices: notices.filter(({ alertId }) => alertId === one.id) }));
  });
}

/** An opening or closing as it is sent to the receiver: the same at every attempt. */
export interface Notice extends Pick<NoticeRow, 'event' | 'at' | 'value' | 'subjects'> {
  alert: Pick<AlertRow, 'id' | 'name' | 'openedAt' | 'threshold'>;
}

const toDeliver = and(isNull(alertNotice.deliveredAt), isNull(alertNotice.waivedAt));

/**
 * Waives the undelivered notices of closed alerts. Runs as long as there is no receiver, so that a receiver configured later gets
 * only open alerts and later ones.
 */
export async function waiveOldNotices(database: Database, at: Date): Promise<void> {
  await database.run(({ orm }) =>
    orm
      .update(alertNotice)
      .set({ waivedAt: at })
      .from(alert)
      .where(and(eq(alert.id, alertNotice.alertId), isNotNull(alert.closedAt), toDeliver)),
  );
}

/** The measures whose alerts have notices to deliver. */
export async function listUndelivered(database: Database): Promise<Measure[]> {
  const rows = await database.run(({ orm }) =>
    orm
      .selectDistinct({ name: alert.name })
      .from(alertNotice)
      .innerJoin(alert, eq(alert.id, alertNotice.alertId))
      .where(toDeliver)
      .orderBy(asc(alert.name)),
  );
  return rows.map(({ name }) => name);
}

/** The oldest notice of a measure's alerts that is to be delivered. */
export async function nextNotice(database: Database, name: Measure): Promise<Notice | undefined> {
  const [notice] = await database.run(({ orm }) =>
    orm
      .select({
        event: alertNotice.event,
        at: alertNotice.at,
        value: alertNotice.value,
        subjects: alertNotice.subjects,
        alert: { id: alert.id, name: alert.name, openedAt: alert.openedAt, threshold: alert.threshold },
      })
      .from(alertNotice)
      .innerJoin(alert, eq(alert.id, alertNotice.alertId))
      .where(and(eq(alert.name, name), toDeliver))
      .orderBy(asc(alertNotice.at))
      .limit(1),
  );
  return notice;
}

/** Marks a notice as delivered. A notice that is marked already stays as it is. */
export async function markDelivered(
  database: Database,
  alertId: string,
  event: AlertEvent,
  deliveredAt: Date,
): Promise<void> {
  await database.run(({ orm }) =>
    orm
      .update(alertNotice)
      .set({ deliveredAt })
      .where(
        and(eq(alertNotice.alertId, alertId), eq(alertNotice.event, event), isNull(alertNotice.deliveredAt)),
      ),
  );
}
