/** Reads what was sent to a webhook, or is to be sent, and the outcome of each attempt. */
import { and, asc, between, desc, eq, gt, lt } from 'drizzle-orm';
import type { DeliveryState } from '../../domain/webhooks.ts';
import type { Database } from '../connection.ts';
import { webhookAttempt, webhookDelivery } from '../schema/webhooks.ts';

export type Delivery = typeof webhookDelivery.$inferSelect;
export type RecordedAttempt = typeof webhookAttempt.$inferSelect;

export interface DeliveryFilter {
  webhookId: string;
  state?: DeliveryState | undefined;
  eventId?: string | undefined;
}

/** Deliveries, newest first (ids sort by time), beginning after `before`. */
export function listDeliveries(
  database: Database,
  { webhookId, state, eventId }: DeliveryFilter,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<Delivery[]> {
  const { webhookId: webhook, state: inState, id } = webhookDelivery;
  return database.run(({ orm }) =>
    orm
      .select()
      .from(webhookDelivery)
      .where(
        and(
          // Ranges of one, in whose order the rows come: only the index that has the condition has that order, too.
          between(webhook, webhookId, webhookId),
          state && between(inState, state, state),
          eventId === undefined ? undefined : eq(webhookDelivery.eventId, eventId),
          before === undefined ? undefined : lt(id, before),
        ),
      )
      .orderBy(desc(webhook), ...(state ? [desc(inState)] : []), desc(id))
      .limit(limit),
  );
}

export async function findDelivery(
  database: Database,
  { webhookId, id }: { webhookId: string; id: string },
): Promise<Delivery | undefined> {
  const [found] = await database.run(({ orm }) =>
    orm
      .select()
      .from(webhookDelivery)
      .where(and(eq(webhookDelivery.id, id), eq(webhookDelivery.webhookId, webhookId))),
  );
  return found;
}

/** The attempts of a delivery, the first one first, beginning after the number `after`. */
export function listAttempts(
  database: Database,
  deliveryId: string,
  { after, limit }: { after: number; limit: number },
): Promise<RecordedAttempt[]> {
  return database.run(({ orm }) =>
    orm
      .select()
      .from(webhookAttempt)
      .where(and(eq(webhookAttempt.deliveryId, deliveryId), gt(webhookAttempt.number, after)))
      .orderBy(asc(webhookAttempt.number))
      .limit(limit),
  );
}
