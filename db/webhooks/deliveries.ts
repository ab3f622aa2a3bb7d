/** Reads what was sent to a webhook, or is to be sent, and what became of each attempt. */
import { and, asc, desc, eq, gt, lt, sql as expression } from 'drizzle-orm';
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
  return database.run(({ orm }) =>
    orm
      .select()
      .from(webhookDelivery)
      .where(
        and(
          eq(webhookDelivery.webhookId, webhookId),
          state && inState(state),
          eventId === undefined ? undefined : eq(webhookDelivery.eventId, eventId),
          before === undefined ? undefined : lt(webhookDelivery.id, before),
        ),
      )
      .orderBy(desc(webhookDelivery.id))
      .limit(limit),
  );
}

/** In the text, not as a parameter: PostgreSQL must see that the index of those that are not delivered answers this. */
const inState = (state: DeliveryState) =>
  expression`${webhookDelivery.state} = ${expression.raw(`'${state}'`)}`;

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
