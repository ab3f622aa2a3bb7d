/** Ends notifications of payments: those whose payment is known wake it, and those of a payment that nobody here asked for give its money back. */
import type { Database } from '../../db/connection.ts';
import {
  endNotification,
  listWaitingNotifications,
  markNotificationsHandled,
  type Notification,
} from '../../db/payments/notifications.ts';
import type { PaymentKey } from '../../db/payments/unsettled.ts';
import { ProviderUnknownError, type PaymentProvider } from '../../domain/payment-provider.ts';
import { toActivityFailure } from '../errors.ts';
import { signOfLife } from '../sign-of-life.ts';
import { takeNothing } from './next-thing.ts';

export interface EndedSome {
  /** Whose payment is known. */
  matched: number;
  /** Whose money was given back. */
  returned: number;
  /** Of which the provider gave no answer, so that the next run asks again. */
  unknown: number;
}

export interface UnmatchedActivities {
  /** @param request.at ISO 8601, now. */
  endNotifications: (request: { at: string }) => Promise<EndedSome>;
}

export interface UnmatchedOptions {
  provider: PaymentProvider;
  /** Milliseconds after which a payment that nobody here asked for is given back. */
  unmatchedAfter: number;
  /** Makes a payment look at what it has to do. */
  wake: (payment: PaymentKey) => Promise<void>;
}

const PAGE = 500;

export function createUnmatchedActivities(
  database: Database,
  { provider, unmatchedAfter, wake }: UnmatchedOptions,
): UnmatchedActivities {
  /** Returns what became of it; undefined when it waits. */
  async function end(notification: Notification, at: Date): Promise<keyof EndedSome | undefined> {
    const { id, reference, paymentId, orderId, receivedAt } = notification;
    if (paymentId !== null && orderId !== null) {
      await wake({ paymentId, orderId });
      return 'matched';
    }
    if (at.getTime() - receivedAt.getTime() < unmatchedAfter) return undefined;
    try {
      const found = await provider.find(reference);
      const isHeld = found?.state === 'authorised' || found?.state === 'pending';
      const isTaken = found?.state === 'captured' && found.captured > found.refunded;
      if (found && (isHeld || isTaken)) {
        await takeNothing(provider, found);
        await endNotification(database, { id, at });
        return 'returned';
      }
      await markNotificationsHandled(database, { reference, receivedUntil: receivedAt, at });
      return undefined;
    } catch (error) {
      if (error instanceof ProviderUnknownError) return 'unknown';
      throw error;
    }
  }

  return {
    async endNotifications(request) {
      const at = new Date(request.at);
      const ended: EndedSome = { matched: 0, returned: 0, unknown: 0 };
      const waiting = await toActivityFailure(
        'the list of notifications',
        listWaitingNotifications(database, { limit: PAGE }),
      );
      for (const notification of waiting) {
        signOfLife();
        const outcome = await toActivityFailure(`notification ${notification.id}`, end(notification, at));
        if (outcome !== undefined) ended[outcome] += 1;
      }
      return ended;
    },
  };
}
