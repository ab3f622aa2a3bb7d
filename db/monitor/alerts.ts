/** Reads alerts with their notices, and which receivers have taken these. */
import { and, asc, desc, eq, inArray, isNotNull, isNull, lt } from 'drizzle-orm';
import type { AlertReceiver } from '../../domain/alert-receivers.ts';
import type { Measure } from '../../domain/measures.ts';
import type { Database } from '../connection.ts';
import { alert, alertDelivery, alertNotice } from '../schema/operations.ts';

type AlertRow = typeof alert.$inferSelect;
type NoticeRow = typeof alertNotice.$inferSelect;

export const ALERT_STATES = ['open', 'closed'] as const;

export interface AlertWithNotices extends AlertRow {
  /** Oldest first. */
  notices: ListedNotice[];
}

export interface ListedNotice extends Pick<NoticeRow, 'event' | 'at'> {
  /** One for each receiver that is to get it or has got it, by name. */
  deliveries: { receiver: AlertReceiver; deliveredAt: Date | null }[];
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
    const rows = await orm
      .select({
        alertId: alertNotice.alertId,
        event: alertNotice.event,
        at: alertNotice.at,
        receiver: alertDelivery.receiver,
        deliveredAt: alertDelivery.deliveredAt,
      })
      .from(alertNotice)
      .leftJoin(
        alertDelivery,
        and(eq(alertDelivery.alertId, alertNotice.alertId), eq(alertDelivery.event, alertNotice.event)),
      )
      .where(inArray(alertNotice.alertId, ids))
      .orderBy(asc(alertNotice.at), asc(alertDelivery.receiver));
    return alerts.map((one) => ({
      ...one,
      notices: gather(rows.filter(({ alertId }) => alertId === one.id)),
    }));
  });
}

interface JoinedRow extends Pick<NoticeRow, 'event' | 'at'> {
  receiver: AlertReceiver | null;
  deliveredAt: Date | null;
}

function gather(rows: readonly JoinedRow[]): ListedNotice[] {
  const notices = new Map<string, ListedNotice>();
  for (const { event, at, receiver, deliveredAt } of rows) {
    const notice = notices.get(event) ?? { event, at, deliveries: [] };
    notices.set(event, notice);
    if (receiver !== null) notice.deliveries.push({ receiver, deliveredAt });
  }
  return [...notices.values()];
}
